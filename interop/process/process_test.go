package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/proof/service"
)

// The tests start this same test program, which plays the part that
// PROCESS_TEST_PART names.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST_PART") {
	case "":
		os.Exit(m.Run())
	case "listen":
		l, err := net.Listen("tcp", os.Getenv("PROCESS_TEST_ADDR"))
		if err != nil {
			panic(err)
		}
		fmt.Println("listening")
		for {
			if c, err := l.Accept(); err == nil {
				_ = c.Close()
			}
		}
	case "fail":
		fmt.Fprintln(os.Stderr, "no such rope")
		os.Exit(3)
	case "answer":
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			if strings.Contains(in.Text(), "leave") {
				return
			}
			fmt.Println("noise")
			fmt.Println(strings.Replace(in.Text(), `"do"`, `"result"`, 1))
		}
	}
}

func part(name, addr string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST_PART="+name, "PROCESS_TEST_ADDR="+addr)
	return cmd
}

func TestReadyAndStop(t *testing.T) {
	addr, err := service.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(part("listen", addr))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context(), addr); err != nil {
		t.Errorf("Ready() = %v, want nil", err)
	}
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Errorf("Stop() = %v, want nil", err)
		}
	}
	if got, want := p.Output(), "listening\n"; got != want {
		t.Errorf("Output() = %q, want %q", got, want)
	}
}

// A program that ends instead of listening says why.
func TestReadyAfterTheEnd(t *testing.T) {
	addr, err := service.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(part("fail", ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "no such rope") {
		t.Errorf("Ready() = %v, want an error with the program's output", err)
	}
	var exit *exec.ExitError
	if err := p.Wait(t.Context()); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("Wait() = %v, want exit status 3", err)
	}
}

func TestReadyGivesUp(t *testing.T) {
	addr, err := service.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(part("listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Stop() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Ready(ctx, addr); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ready() = %v, want deadline exceeded", err)
	}
}

func TestLines(t *testing.T) {
	cmd := part("answer", "")
	l, err := StartLines(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := l.Do(t.Context(), "splice", nil, &got); err != nil || got != "splice" {
		t.Errorf("Do(splice) = %q, %v, want splice, nil", got, err)
	}
	if err := l.Do(t.Context(), "leave", nil, nil); err == nil {
		t.Error("Do(leave) = nil, want an error, for the program ends")
	}
	if err := l.Do(t.Context(), "splice", nil, nil); err == nil {
		t.Error("Do(splice) after the end = nil, want an error")
	}
	if !strings.Contains(l.Output(), "noise") {
		t.Errorf("Output() = %q, want the lines that are no answers", l.Output())
	}
}
