// Package node runs a Ropewalk server as a process of its own, which can be drained and
// killed, and comes back under the same address with nothing in its memory.
package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/seed-15847954/ropewalk/proof/service"
)

// A Node is a server's process, or one after the other. Its methods are called by one
// goroutine at a time, but Addr by any.
type Node struct {
	// Constant after Start.
	program string
	args    []string
	addr    string
	clock   clock

	process *process // the present one
}

// Build builds the program of this checkout, whose directory ctx's working directory is
// or lies below, into the file out.
func Build(ctx context.Context, out string) error { return build(ctx, out) }

func build(ctx context.Context, out string, flags ...string) error {
	args := append([]string{"build", "-o", out}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/seed-15847954/ropewalk/cmd/ropewalk")...) //nolint:gosec // nothing of it comes from outside
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build ropewalk: %w\n%s", err, b)
	}
	return nil
}

// Start starts `program serve` on a free port of the loopback address, with more flags.
// It returns when the server listens.
func Start(ctx context.Context, program string, args ...string) (*Node, error) {
	return withClock(func(c clock) (*Node, error) { return startFree(ctx, c, program, args) })
}

// StartAt is Start at an address, where commands run that begin with those words.
func StartAt(ctx context.Context, addr string, where []string, program string, args ...string) (*Node, error) {
	return withClock(func(c clock) (*Node, error) {
		n := &Node{program: where[0], addr: addr, clock: c}
		n.args = slices.Concat(where[1:], []string{program, "serve", "--listen", addr}, args)
		return n, n.start(ctx)
	})
}

func withClock(start func(c clock) (*Node, error)) (*Node, error) {
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	n, err := start(c)
	if err != nil {
		return nil, errors.Join(err, os.Remove(c.path))
	}
	return n, nil
}

func startFree(ctx context.Context, c clock, program string, args []string) (*Node, error) {
	for {
		addr, err := service.FreeAddr()
		if err != nil {
			return nil, err
		}
		n := &Node{program: program, addr: addr, clock: c}
		n.args = append([]string{"serve", "--listen", addr}, args...)
		if err = n.start(ctx); err == nil {
			return n, nil
		}
		// Somebody else may have taken the port meanwhile.
		if !strings.Contains(err.Error(), "address already in use") || ctx.Err() != nil {
			return nil, err
		}
	}
}

// Addr returns the server's address, as host:port.
func (n *Node) Addr() string { return n.addr }

// Output returns the last lines that the server has printed.
func (n *Node) Output() string { return n.process.output() }

// Drain ends the server in order, by SIGTERM, and starts another one.
func (n *Node) Drain(ctx context.Context) error {
	if err := n.process.end(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	return n.start(ctx)
}

// Become is Drain with another program, and waits until that serves.
func (n *Node) Become(ctx context.Context, program string) error {
	n.program = program
	if err := n.Drain(ctx); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+"/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) // it listens before it serves
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Kill ends the server by SIGKILL, and starts another one.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.process.end(ctx, syscall.SIGKILL); !killed(err) {
		return fmt.Errorf("kill: %w", err)
	}
	return n.start(ctx)
}

// Pause stops the server where it is, until Resume.
func (n *Node) Pause() error { return n.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (n *Node) Resume() error { return n.process.cmd.Process.Signal(syscall.SIGCONT) }

// Close ends the server for good, at once. The error says that it had ended by itself.
func (n *Node) Close() error {
	defer func() { _ = os.Remove(n.clock.path) }()
	if err := n.process.end(context.Background(), syscall.SIGKILL); !killed(err) {
		return fmt.Errorf("the server ended by itself: %w\n%s", err, n.process.output())
	}
	return nil
}

func (n *Node) start(ctx context.Context) error {
	cmd := exec.Command(n.program, n.args...) //nolint:noctx // it ends by signals
	cmd.Env = append(os.Environ(), clockVariable+"="+n.clock.path)
	p, err := startProcess(ctx, cmd)
	if err == nil {
		n.process = p
	}
	return err
}

// killed reports whether a process ended by SIGKILL.
func killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// A process is one life of a server.
type process struct {
	cmd   *exec.Cmd
	lines *tail
	ended chan struct{} // closed when it has ended
	err   error         // how; valid once ended is closed
}

// startProcess starts a server and waits until it says that it listens.
func startProcess(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, lines: new(tail), ended: make(chan struct{})}
	r, w := io.Pipe()
	cmd.Stderr = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal from the keyboard is not for it
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	listening := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(r, listening)
	}()
	go func() {
		err := cmd.Wait()
		_ = w.Close()
		<-read
		p.err = err
		close(p.ended)
	}()
	select {
	case <-listening:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended before it listened: %w\n%s", cmd, p.err, p.output())
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-p.ended
		return nil, fmt.Errorf("%s does not listen: %w\n%s", cmd, context.Cause(ctx), p.output())
	}
}

// read keeps what the server prints, and closes listening when it says so.
func (p *process) read(r io.Reader, listening chan struct{}) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		p.lines.add(in.Text())
		if listening != nil && strings.Contains(in.Text(), "msg=listening") {
			close(listening)
			listening = nil
		}
	}
	_, _ = io.Copy(io.Discard, r) // behind a line that is too long
}

// end sends a signal and waits for the end, which it returns.
func (p *process) end(ctx context.Context, signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		<-p.ended
		return errors.Join(err, p.err)
	}
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end on %v: %w\n%s", p.cmd, signal, context.Cause(ctx), p.output())
	}
}

func (p *process) output() string { return p.lines.String() }
