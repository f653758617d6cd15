package library

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/seed-15847954/ropewalk/bench/memory"
	"github.com/seed-15847954/ropewalk/bench/wire"
)

// Every library echoes what every library sends.
func TestEcho(t *testing.T) {
	for _, server := range All() {
		for _, client := range All() {
			t.Run(fmt.Sprintf("%s from %s", server.Name, client.Name), func(t *testing.T) {
				for _, size := range []int{1, 128, 16 << 10} {
					echo(t, server, client, size)
				}
			})
		}
	}
}

func echo(t *testing.T, server, client Library, size int) {
	t.Helper()
	const count = 5
	_, payloads := wire.Stream(size, count, false)
	a, b := memory.Pipe()
	served := make(chan error, 1)
	go func() { served <- serveEcho(server, a, count) }()
	if err := askEcho(client, b, payloads); err != nil {
		t.Errorf("client, %d bytes: %v", size, err)
	}
	b.Close() // ends a server that still waits
	if err := <-served; err != nil {
		t.Errorf("server, %d bytes: %v", size, err)
	}
}

func serveEcho(server Library, transport *memory.Conn, count int) error {
	conn, err := server.Open(transport, Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	var failed error
	err = conn.Each(func(p []byte) bool {
		failed = conn.Write(p)
		count--
		return failed == nil && count > 0
	})
	if failed != nil {
		return failed
	}
	return err
}

func askEcho(client Library, transport *memory.Conn, payloads [][]byte) error {
	conn, err := client.Open(transport, Client)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Write(payloads[0]); err != nil {
		return err
	}
	next, failed := 0, error(nil)
	err = conn.Each(func(p []byte) bool {
		if !bytes.Equal(p, payloads[next]) {
			failed = fmt.Errorf("echo %d = %d bytes that differ, want the %d bytes sent", next, len(p), len(payloads[next]))
			return false
		}
		if next++; next == len(payloads) {
			return false
		}
		failed = conn.Write(payloads[next])
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}
