//go:build !linux

package poller

import (
	"errors"
	"net"
	"time"
)

// Available reports whether the system has the poller.
const Available = false

var errUnsupported = errors.New("poller: not on this system")

// An Entry cannot be registered on this system, and its methods do nothing.
type Entry struct{}

// Register returns an error.
func (e *Entry) Register(fd int, t Target) error { return errUnsupported }

// Read returns an error.
func (e *Entry) Read(p []byte) (int, error) { return 0, errUnsupported }

// Write returns an error.
func (e *Entry) Write(p []byte) (int, error) { return 0, errUnsupported }

// Writev returns an error.
func (e *Entry) Writev(bufs [][]byte) (int, error) { return 0, errUnsupported }

// WatchReadable does nothing.
func (e *Entry) WatchReadable(on bool) {}

// WatchWritable does nothing.
func (e *Entry) WatchWritable(on bool) {}

// Schedule does nothing.
func (e *Entry) Schedule() {}

// SetTimer does nothing.
func (e *Entry) SetTimer(at time.Time) {}

// CloseWrite does nothing.
func (e *Entry) CloseWrite() {}

// Close does nothing.
func (e *Entry) Close() {}

// LocalAddr returns nil.
func (e *Entry) LocalAddr() net.Addr { return nil }

// RemoteAddr returns nil.
func (e *Entry) RemoteAddr() net.Addr { return nil }

// A Worker calls no target on this system.
type Worker struct{ buffer []byte }

// Buffer returns 256 KiB.
func (w *Worker) Buffer() []byte {
	if w.buffer == nil {
		w.buffer = make([]byte, bufferSize)
	}
	return w.buffer
}

// Block does nothing.
func (w *Worker) Block() {}

// Detach returns an error.
func Detach(c net.Conn) (fd int, err error) { return -1, errUnsupported }
