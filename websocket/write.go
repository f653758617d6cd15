package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// ErrUnfinishedWrite says that a call returned because its context had ended when
// the message was already on its way. The connection goes on sending it, and
// messages behind it wait. The error that wraps it also wraps the context's.
//
// On a stream whose writes cannot be stopped halfway without harm (anything but
// plain TCP and Unix sockets, TLS above all) a message counts as on its way as
// soon as its turn has come.
var ErrUnfinishedWrite = errors.New("message is on its way and is being finished")

// ErrInvalidUTF8 says that a text message given for sending is not UTF-8
// (RFC 6455, section 5.6). Nothing was sent.
var ErrInvalidUTF8 = errors.New("websocket: text message is not UTF-8")

// Write sends p as one message in one frame. It returns when the message has been
// handed to the transport, and does not keep p.
//
// When ctx ends before the first byte has left, nothing is sent; when it ends
// later, the error wraps [ErrUnfinishedWrite]. The connection lives on in both
// cases.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	return c.writeMessage(ctx, typ, p, true)
}

// WriteUncompressed is Write for a message that is not to be compressed, such as
// a secret next to text of an attacker's choice (RFC 7692, section 8), or data
// that is compressed already.
func (c *Conn) WriteUncompressed(ctx context.Context, typ MessageType, p []byte) error {
	return c.writeMessage(ctx, typ, p, false)
}

func (c *Conn) writeMessage(ctx context.Context, typ MessageType, p []byte, compress bool) error {
	if err := c.mayWrite(typ); err != nil {
		return err
	}
	if err := c.acquire(ctx, c.message); err != nil {
		return err
	}
	defer c.message.release()
	return c.send(ctx, func(b []byte) ([]byte, error) {
		return c.out.AppendMessage(b, frame.Opcode(typ), p, compress)
	})
}

func (c *Conn) mayWrite(typ MessageType) error {
	if typ != Text && typ != Binary {
		return fmt.Errorf("websocket: message type %d is neither Text nor Binary", typ)
	}
	return c.err()
}

// send takes the turn to send and sends what add appends, behind the control
// frames that are waiting.
func (c *Conn) send(ctx context.Context, add func([]byte) ([]byte, error)) error {
	if err := c.acquire(ctx, c.sending); err != nil {
		return err
	}
	if c.writeErr != nil {
		c.sending.release()
		return c.writeErr
	}
	b := getBuffer()
	b = c.appendControl(b)
	control := len(b)
	b, err := add(b)
	if err != nil {
		c.transmitAside(b[:control])
		return c.sendError(err)
	}
	return c.transmit(ctx, b, control)
}

// sendError gives the caller's error for one of the Sender.
func (c *Conn) sendError(err error) error {
	switch err {
	case protocol.ErrCloseSent, protocol.ErrUnfinished: // the latter behind a Writer that gave up
		if final := c.err(); final != nil {
			return final
		}
	case protocol.ErrNotUTF8:
		return ErrInvalidUTF8
	}
	return err
}

// transmit sends b, whose first bytes are control frames that must go out in any
// case, and gives up the turn to send. If ctx ends first, the rest is sent aside.
func (c *Conn) transmit(ctx context.Context, b []byte, control int) error {
	if ctx.Done() != nil && !c.transport.resumable {
		c.out.Sent()
		done := c.transmitAside(b)
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		select {
		case err := <-done:
			return err
		default:
			return unfinished(ctx)
		}
	}
	n, err := c.transport.write(ctx, b)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		if n <= control {
			c.out.Unsent()
			c.transmitAside(b[n:control])
			return c.gaveUp(ctx)
		}
		c.out.Sent()
		c.transmitAside(b[n:])
		return unfinished(ctx)
	}
	c.out.Sent()
	return c.transmitted(b, err)
}

// transmitAside sends b, which begins in a buffer of getBuffer, in a goroutine of
// the connection, and gives up the turn to send when that is done.
func (c *Conn) transmitAside(b []byte) <-chan error {
	done := make(chan error, 1)
	if len(b) == 0 {
		done <- c.transmitted(b, nil)
		return done
	}
	if !c.spawn(func() {
		_, err := c.transport.write(context.Background(), b)
		done <- c.transmitted(b, err)
	}) {
		done <- c.transmitted(b, net.ErrClosed)
	}
	return done
}

// transmitted ends a turn to send: b is out, or the transport refused it.
func (c *Conn) transmitted(b []byte, err error) error {
	if err != nil {
		c.writeErr = c.refused(err)
		err = c.writeErr
	}
	if c.out.Closed() && !isClosed(c.sentClose) {
		close(c.sentClose)
	}
	putBuffer(b)
	c.sending.release()
	return err
}

func unfinished(ctx context.Context) error {
	return fmt.Errorf("websocket: %w: %w", ErrUnfinishedWrite, ctx.Err())
}

// buffers holds the memory that frames are put together in. It is taken for one
// turn to send.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const maxPooledBuffer = 64 << 10

// poison is set by tests. It overwrites what is given back to the pool, so that
// bytes used after that show.
var poison bool

func getBuffer() []byte { return (*buffers.Get().(*[]byte))[:0] }

func putBuffer(b []byte) {
	if poison {
		for i := range b[:cap(b)] {
			b[:cap(b)][i] = 0xDB
		}
	}
	if cap(b) <= maxPooledBuffer {
		buffers.Put(&b)
	}
}
