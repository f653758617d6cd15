package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The tests start this same program as a server, with PROOF_NODE set.
func TestMain(m *testing.M) {
	if os.Getenv("PROOF_NODE") != "" {
		serve(os.Args[1:])
		return
	}
	goleak.VerifyTestMain(m)
}

// serve answers each request with its process id, until SIGTERM.
func serve(args []string) {
	if slices.Contains(args, "--fail") {
		fmt.Fprintln(os.Stderr, "no such flag")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", args[slices.Index(args, "--listen")+1])
	if err != nil {
		panic(err)
	}
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(os.Getpid()) }))
	fmt.Fprintln(os.Stderr, "level=INFO msg=listening")
	<-ctx.Done()
}

func pid(t *testing.T, n *Node) (id int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// A node has another process after each end, and the same address.
func TestRestarts(t *testing.T) {
	t.Setenv("PROOF_NODE", "1")
	n, err := Start(t.Context(), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	var ids []int
	ids = append(ids, pid(t, n))
	if err := n.Drain(t.Context()); err != nil {
		t.Errorf("Drain = %v", err)
	}
	ids = append(ids, pid(t, n))
	if err := n.Kill(t.Context()); err != nil {
		t.Errorf("Kill = %v", err)
	}
	ids = append(ids, pid(t, n))
	if ids[0] == ids[1] || ids[1] == ids[2] {
		t.Errorf("the processes are %v, want three", ids)
	}
	if err := n.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// A server that ends by itself does not go unnoticed.
func TestEndsByItself(t *testing.T) {
	t.Setenv("PROOF_NODE", "1")
	n, err := Start(t.Context(), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid(t, n), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-n.process.ended
	if err := n.Close(); err == nil {
		t.Error("Close = nil, want an error")
	}
	if _, err := Start(t.Context(), os.Args[0], "--fail"); err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Errorf("Start = %v, want what the program printed", err)
	}
}

func TestTail(t *testing.T) {
	var l tail
	for i := range maxLines + 2 {
		l.add(fmt.Sprint(i))
	}
	if got := strings.Split(l.String(), "\n"); len(got) != maxLines || got[0] != "2" {
		t.Errorf("%d lines from %q on, want %d from 2", len(got), got[0], maxLines)
	}
}
