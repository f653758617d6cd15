// Package process runs the programs that the interop tests talk to: it starts
// them, waits until they listen, keeps what they print, and stops them by their
// process id.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// pollInterval is how often a port is tried until it accepts.
	pollInterval = 10 * time.Millisecond

	// stopTimeout is how long a program may take to end after SIGTERM.
	stopTimeout = 10 * time.Second
)

// A Process is a running program. Its methods may be called at once.
type Process struct {
	cmd    *exec.Cmd
	output *output
	exited chan struct{} // closed when the program has ended
	err    error         // how it ended; valid once exited is closed
}

// Start starts cmd in a process group of its own. What it prints on standard
// error is kept for Output, and standard output too unless cmd.Stdout is set.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, output: &output{}, exited: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.output
	}
	cmd.Stderr = p.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A grandchild that keeps the pipe open must not hold up Wait.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Ready waits until addr accepts TCP connections. It returns an error with what
// the program has printed when it ends before that, or when ctx does.
func (p *Process) Ready(ctx context.Context, addr string) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("%s ended before it listened on %s: %v\n%s", p.cmd.Path, addr, p.err, p.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w\n%s", p.cmd.Path, addr, ctx.Err(), p.Output())
		}
	}
}

// Wait waits for the program to end by itself and returns how it did.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s still runs: %w\n%s", p.cmd.Path, ctx.Err(), p.Output())
	}
}

// Stop sends SIGTERM and waits for the end. A program that does not end in 10
// seconds is killed, which is an error. Stopping one that has ended does nothing.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-p.exited
		return nil
	}
	stop := time.NewTimer(stopTimeout)
	defer stop.Stop()
	select {
	case <-p.exited:
		return nil
	case <-stop.C:
	}
	err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
	return errors.Join(fmt.Errorf("%s did not end on SIGTERM\n%s", p.cmd.Path, p.Output()), err)
}

// Output returns what the program has printed so far.
func (p *Process) Output() string { return p.output.String() }

// output is a buffer that the program writes while the tests read.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
