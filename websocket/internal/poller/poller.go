// Package poller waits for many sockets with few goroutines: on Linux each of a
// few loops has an epoll set, and calls the targets of its sockets one after
// another. A socket costs no goroutine, no buffer and no allocation of its own.
//
// A callback that takes long does not hold up the others of its loop: after some
// ten milliseconds another goroutine goes on with the loop, until 256 callbacks of
// one loop take long at once; then the loop waits for one of them to return.
//
// All goroutines have ended and all descriptors are closed soon after the last
// entry was closed.
package poller

import (
	"errors"
	"time"
)

// Events tell what a socket is ready for.
type Events uint8

// What a socket is ready for.
const (
	Readable Events = 1 << iota // a read does not block: bytes, the end, or an error
	Writable                    // a write does not block
	Hangup                      // the peer has sent its end, or the connection is gone; Readable is set too
)

// A Target is called by the loop of the entry it was registered with. The loop
// begins no callback once Close has returned; one that it has begun may still be
// running then, or just about to enter the target.
//
// A callback is late if it takes more than some ten milliseconds, or has called
// [Worker.Block]: the loop goes on without it.
type Target interface {
	// Ready is called while the socket is ready for what is watched, so again and
	// again until that was read, written, or is watched no more. It is never called
	// twice at once, nor at once with Flush unless it is late itself. What is
	// watched while it is late comes after it has returned; but Writable comes as a
	// Flush then.
	Ready(w *Worker, ev Events)

	// Flush is called soon after [Entry.Schedule], once however often that was
	// called before Flush begins. It is never called twice at once. It may be called
	// beside a late Ready, never beside another.
	Flush(w *Worker)

	// Timer is called when the time that SetTimer has set has come, which is unset
	// then. It may be called beside a late Ready or Flush, and they beside a late
	// Timer.
	Timer(now time.Time)

	// Stalled is called once a Ready that has not called Block is found late, at once
	// with it or just after it has returned.
	Stalled()
}

// ErrAgain is returned by Read and Write if they could not go on without
// blocking.
var ErrAgain = errors.New("poller: the operation would block")

// maxWorkers bounds the callbacks of a loop that are late, and the one that is not.
const maxWorkers = 256

// bufferSize is that of a worker's read buffer.
const bufferSize = 256 << 10
