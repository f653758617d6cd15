// Package service starts the servers of other projects that ours are tested with, each on
// loopback addresses and in a folder of its own.
package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Process is a server that runs. Its methods are called by one goroutine at a time.
type Process struct {
	// Addr is where it listens, and Dir where it keeps what it keeps.
	Addr, Dir string

	command func() *exec.Cmd
	ready   func(ctx context.Context) error
	cmd     *exec.Cmd
	output  bytes.Buffer
	ended   chan struct{}
}

// given are the ports that this process has given away: who has got one may listen there much later, or
// again.
var given sync.Map

// FreeAddr returns a loopback address that nobody listens at, and that it has given to nobody else. Its port
// is below those that the kernel gives to outgoing connections: one of a client that comes back too early must not take
// the place of its server.
func FreeAddr() (string, error) {
	const lowest, highest = 20000, 32000
	err := errors.New("all are given away")
	for range 1000 {
		port := lowest + rand.IntN(highest-lowest)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", fmt.Errorf("there is no free port: %w", err)
}

// Start starts the process, again after Kill, and returns when it answers.
func (p *Process) Start(ctx context.Context) error {
	p.cmd, p.ended = p.command(), make(chan struct{})
	p.output.Reset()
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = time.Second // what it has started may hold them open
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // it is killed
		close(ended)
	}(p.cmd, p.ended)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.ended:
			return fmt.Errorf("%s has ended:\n%s", p.cmd.Path, p.output.Bytes())
		case <-ctx.Done():
			p.Kill()
			return errors.Join(fmt.Errorf("%s does not answer:\n%s", p.cmd.Path, p.output.Bytes()), err, ctx.Err())
		}
	}
}

// Kill ends the process at once.
func (p *Process) Kill() {
	_ = p.signal(syscall.SIGKILL) // it may have ended
	<-p.ended
}

// endTime is how long a process gets to end by itself.
const endTime = 15 * time.Second

// End asks the process to end, and kills it if it does not.
func (p *Process) End() {
	_ = p.signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(endTime):
		p.Kill()
	}
}

// Pid returns the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Pause stops the process without ending it, until Resume.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// signal tells the process and those that it has started.
func (p *Process) signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

// Discard ends the process and removes its folder.
func (p *Process) Discard() {
	p.Kill()
	_ = os.RemoveAll(p.Dir)
}
