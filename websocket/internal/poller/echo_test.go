//go:build linux

package poller

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"
)

// An echo sends back what it reads. What the socket does not take waits.
type echo struct {
	Entry
	rest []byte
}

func (e *echo) Ready(w *Worker, ev Events) {
	if ev&Writable != 0 && !e.push(nil) {
		return
	}
	n, err := e.Read(w.Buffer())
	switch {
	case err == ErrAgain:
	case err != nil:
		e.Close()
	default:
		e.push(w.Buffer()[:n])
	}
}

// push writes p behind the rest. It reports whether nothing is left.
func (e *echo) push(p []byte) bool {
	held := len(e.rest) > 0
	if held {
		e.rest = append(e.rest, p...)
		p = e.rest
	}
	n, err := e.Write(p)
	if err != nil && err != ErrAgain {
		e.Close()
		return false
	}
	if held || n < len(p) {
		e.rest = append([]byte(nil), p[n:]...)
		e.WatchWritable(len(e.rest) > 0)
		e.WatchReadable(len(e.rest) == 0)
	}
	return len(e.rest) == 0
}

func (e *echo) Flush(*Worker)   {}
func (e *echo) Timer(time.Time) {}
func (e *echo) Stalled()        {}

// Many connections at once get back what they send, also when they do not read
// before they have sent more than the sockets hold.
func TestEcho(t *testing.T) {
	const size = 2 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	var all sync.WaitGroup
	for i := range 32 {
		client, server := pair(t)
		e := new(echo)
		register(t, &e.Entry, server, e)
		sent := sent[:size>>(i%8)]
		all.Go(func() {
			_, err := client.Write(sent)
			if err == nil {
				err = client.CloseWrite()
			}
			if err != nil {
				t.Errorf("Write = %v", err)
			}
		})
		all.Go(func() {
			got, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("ReadAll = %d bytes, %v, want the %d sent", len(got), err, len(sent))
			}
		})
	}
	all.Wait()
}
