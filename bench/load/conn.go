//go:build linux

package load

import (
	"fmt"
	"io"
	"syscall"
	"time"
)

// MaxInFlight is how many messages a connection may have under way at most.
const MaxInFlight = 16

// A conn is one connection of a load: a descriptor that does not block.
type conn struct {
	fd     int
	in     receiver
	stream *Stream

	next    int    // message of the stream to send next
	owed    int    // messages to send once out is gone
	out     []byte // begun and not yet taken by the kernel
	waiting bool   // for the kernel to take more

	sent, received uint64
	sentAt         [MaxInFlight]time.Duration // of message i at i%MaxInFlight
}

// newConn returns the connection that begins with message first, or with the one
// before it that a stream can begin with.
func newConn(fd int, s *Stream, first int, fragments bool) *conn {
	first %= s.count()
	first -= first % max(s.cycle, 1)
	return &conn{fd: fd, stream: s, next: first, in: s.receiver(first, fragments)}
}

// flush sends what is owed, as far as the kernel takes it.
func (c *conn) flush(now time.Duration) error {
	for len(c.out) > 0 || c.owed > 0 {
		if len(c.out) == 0 {
			c.begin(now)
		}
		n, err := transfer(syscall.SYS_WRITE, c.fd, c.out)
		if err == syscall.EAGAIN {
			c.waiting = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		c.out = c.out[n:]
	}
	return nil
}

// begin takes as many of the owed messages as lie in one piece.
func (c *conn) begin(now time.Duration) {
	n := min(c.owed, c.stream.count()-c.next)
	c.out = c.stream.send[c.stream.sendAt[c.next]:c.stream.sendAt[c.next+n]]
	c.next = (c.next + n) % c.stream.count()
	c.owed -= n
	for range n {
		c.sentAt[c.sent%MaxInFlight] = now
		c.sent++
	}
}

// receive reads once into buf, checks what has come, and returns how many
// messages are complete with it, and its size.
func (c *conn) receive(buf []byte) (messages, size int, err error) {
	n, err := transfer(syscall.SYS_READ, c.fd, buf)
	switch {
	case err == syscall.EAGAIN:
		return 0, 0, nil
	case err != nil:
		return 0, 0, fmt.Errorf("read: %w", err)
	case n == 0:
		return 0, 0, fmt.Errorf("read: the server has ended the connection: %w", io.ErrUnexpectedEOF)
	}
	messages, err = c.in.receive(buf[:n])
	return messages, n, err
}
