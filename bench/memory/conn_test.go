package memory

import (
	"errors"
	"net"
	"testing"
)

// A Replay starts again at its end, and gives no more than there is room for.
func TestReplay(t *testing.T) {
	r := &Replay{Stream: []byte("abcde")}
	got := ""
	for p := make([]byte, 2); len(got) < 11; {
		n, err := r.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		got += string(p[:n]) + "."
	}
	if want := "ab.cd.e.ab."; got != want {
		t.Errorf("reads of 2 bytes = %q, want %q", got, want)
	}
}

// Calls are counted from the end of the opening handshake, and fail after Close.
func TestConnCounts(t *testing.T) {
	a, b := Pipe()
	w, _ := a.Request()
	if _, err := w.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	a.Opened()
	b.Opened()
	p := make([]byte, 8)
	for range 2 {
		if _, err := a.Write([]byte("abc")); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.Read(p); err != nil || string(p[:n]) != "abcabc" {
		t.Errorf("Read = %q, %v, want %q", p[:n], err, "abcabc")
	}
	if a.Reads != 0 || a.Writes != 2 || b.Reads != 1 || b.Writes != 0 {
		t.Errorf("reads and writes = %d, %d and %d, %d, want 0, 2 and 1, 0", a.Reads, a.Writes, b.Reads, b.Writes)
	}
	a.Close()
	if _, err := a.Write(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: error = %v, want net.ErrClosed", err)
	}
	if _, err := a.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: error = %v, want net.ErrClosed", err)
	}
	b.Close()
}
