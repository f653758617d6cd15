//go:build linux

// Package process starts a server as a process of its own, on processors of its
// own, and asks the kernel what it has used.
package process

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Server is a running server. Its methods are for one goroutine.
type Server struct {
	Addr netip.AddrPort

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // what it prints, a line each; closed when it ends
	errors *tail
}

// Start runs a server on the given processors, or anywhere if there are none. The
// server's first line of output is the address that it listens on. It must end
// when its standard input does.
func Start(processors Processors, path string, args ...string) (*Server, error) {
	s := &Server{cmd: exec.Command(path, args...), lines: make(chan string, 16), errors: new(tail)}
	s.cmd.Stderr = s.errors
	s.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 atexit_sleep_ms=0")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(processors, s.cmd); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
	}()
	line, err := s.line()
	if err == nil {
		s.Addr, err = netip.ParseAddrPort(line)
	}
	if err != nil {
		_ = s.Stop()
		return nil, fmt.Errorf("start %s: %w%v", path, err, s.errors)
	}
	return s, nil
}

// startOn starts cmd so that it runs on the given processors alone: it inherits
// them from the thread that starts it.
func startOn(processors Processors, cmd *exec.Cmd) error {
	if processors == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := affinity()
	if err != nil {
		return err
	}
	if err := setAffinity(0, processors); err != nil {
		return err
	}
	err = cmd.Start()
	if back := setAffinity(0, before); err == nil {
		err = back
	}
	return err
}

// line returns the next line that the server prints.
func (s *Server) line() (string, error) {
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	select {
	case line, ok := <-s.lines:
		if !ok {
			return "", fmt.Errorf("the server has ended")
		}
		return line, nil
	case <-timeout.C:
		return "", fmt.Errorf("the server says nothing")
	}
}

// Tidy has a server collect its garbage and, written in Go, give back to the
// system what it does not use.
func (s *Server) Tidy() error { return s.tell("tidy", "") }

// Profile has a server written in Go begin a profile of its processor time, in
// that file, or end it when file is empty.
func (s *Server) Profile(file string) error { return s.tell("profile", file) }

// tell has the server do something, and waits until it has.
func (s *Server) tell(verb, more string) error {
	if _, err := fmt.Fprintln(s.stdin, strings.TrimSpace(verb+" "+more)); err != nil {
		return fmt.Errorf("%s: %w%v", verb, err, s.errors)
	}
	if line, err := s.line(); err != nil || line != verb {
		return fmt.Errorf("%s: the answer is %q: %v%v", verb, line, err, s.errors)
	}
	return nil
}

// Explain adds to err what the server printed to standard error.
func (s *Server) Explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w%v", err, s.errors)
}

// Stop ends the server and waits for its end. It returns an error if the server
// had ended by itself or ends with one.
func (s *Server) Stop() error {
	_ = s.stdin.Close()
	kill := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	for range s.lines {
		continue
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w%v", s.cmd.Path, err, s.errors)
	}
	return nil
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-4096):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.b) == 0 {
		return ""
	}
	return "\n" + strings.TrimSpace(string(t.b))
}
