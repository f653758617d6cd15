package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// ErrUnfinishedWrite says that a call returned because its context had ended when
// the message was already on its way. The connection goes on sending it, and
// messages behind it wait. The error that wraps it also wraps the context's.
//
// A message counts as on its way when its first byte has left. If it is sent
// together with messages of other callers, or on a stream whose writes cannot be
// stopped halfway without harm (anything but plain TCP and Unix sockets, TLS above
// all), it does as soon as its turn has come.
var ErrUnfinishedWrite = errors.New("message is on its way and is being finished")

// ErrInvalidUTF8 says that a text message given for sending is not UTF-8
// (RFC 6455, section 5.6). Nothing was sent.
var ErrInvalidUTF8 = errors.New("websocket: text message is not UTF-8")

// Write sends p as one message in one frame. It returns when the message has been
// handed to the transport, and does not keep p. Messages that several goroutines
// write at once may leave together.
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
	if ctx.Err() != nil {
		return c.gaveUp(ctx)
	}
	o := &c.out
	o.mu.Lock()
	if o.corked != nil && o.waiting.first == nil {
		return c.corkMessage(typ, p, compress)
	}
	if o.busy || o.open || o.waiting.first != nil {
		o.mu.Unlock()
		return c.writeBehind(ctx, typ, p, compress)
	}
	o.busy = true
	others := !o.control.empty()
	o.mu.Unlock()
	// Not a function of its own, for the sake of the stack: see socket.
	buf, b, control, batch, err := c.encode(typ, p, compress, others)
	if err != nil {
		return err
	}
	return c.transmit(ctx, buf, b, control, batch)
}

// corkMessage is cork for a message.
func (c *Conn) corkMessage(typ MessageType, p []byte, compress bool) error {
	err := c.cork(func(b []byte) ([]byte, error) {
		enc := &c.out.enc
		b, err := enc.AppendMessage(reserve(b, len(p)+frame.MaxHeader), frame.Opcode(typ), p, compress)
		enc.Sent()
		return b, err
	})
	return c.sendError(err)
}

// writeBehind is writeMessage for when others are there first.
func (c *Conn) writeBehind(ctx context.Context, typ MessageType, p []byte, compress bool) error {
	if typ == Text && !frame.ValidUTF8(p) {
		return ErrInvalidUTF8 // so that whoever sends it finds nothing wrong with it
	}
	o := &c.out
	o.mu.Lock()
	if o.handling && o.buffered < defaultQueue {
		o.push(newOutgoing(typ, p, nil), compress)
		o.mu.Unlock()
		return nil
	}
	w := &outgoing{typ: typ, p: p, compress: compress, done: make(chan verdict, 1)}
	o.waiting.push(w)
	if !o.busy {
		c.passLocked()
	}
	o.mu.Unlock()
	v, err := c.await(ctx, w)
	if !v.turn || err != nil {
		return err
	}
	buf, b, control, batch, err := c.encode(typ, p, compress, true)
	if err != nil {
		return err
	}
	return c.transmit(ctx, buf, b, control, batch)
}

func (c *Conn) mayWrite(typ MessageType) error {
	if typ != Text && typ != Binary {
		return badType(typ)
	}
	return c.err()
}

func badType(typ MessageType) error {
	return fmt.Errorf("websocket: message type %d is neither Text nor Binary", typ)
}

// encode appends the message p to an empty buffer; if others is set, behind the control
// frames that wait, whose size it returns, and before the messages that do. The caller
// has the turn, and has it no more if there is an error.
func (c *Conn) encode(typ MessageType, p []byte, compress, others bool) (buf *buffer, b []byte, control int, batch list, err error) {
	o := &c.out
	if o.err != nil {
		err := o.err
		c.pass()
		return nil, nil, 0, list{}, err
	}
	buf = getBuffer()
	b = buf.b
	if others {
		b, control = c.appendControl(b)
	}
	b, err = o.enc.AppendMessage(reserve(b, len(p)+frame.MaxHeader), frame.Opcode(typ), p, compress)
	if err != nil {
		c.transmitAside(buf, b[:control], list{})
		return nil, nil, 0, list{}, c.sendError(err)
	}
	if others {
		b, batch = c.appendWaiting(b)
	}
	return buf, b, control, batch, nil
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

// transmit sends b, which lies in buf, and gives up the turn to send. The first
// bytes of b are control frames that must go out in any case, the last ones the
// messages of batch. If ctx ends first, the rest is sent aside.
func (c *Conn) transmit(ctx context.Context, buf *buffer, b []byte, control int, batch list) error {
	p := c.polled.Load()
	switch {
	case p != nil:
		c.out.enc.Sent()
		return p.transmitFor(ctx, buf, b, batch)
	case ctx.Done() != nil:
		return c.transmitUntil(ctx, buf, b, control, batch)
	}
	_, err := c.transport.Load().put(b)
	c.out.enc.Sent()
	return c.settle(buf, b, batch, err)
}

// transmitUntil is transmit to a transport with a context that can end.
func (c *Conn) transmitUntil(ctx context.Context, buf *buffer, b []byte, control int, batch list) error {
	o := &c.out
	transport := c.transport.Load()
	if !transport.resumable {
		o.enc.Sent()
		done := c.transmitAside(buf, b, batch)
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
	n, err := transport.write(ctx, b)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		if n <= control && batch.first == nil {
			o.enc.Unsent()
			c.transmitAside(buf, b[n:control], list{})
			return c.gaveUp(ctx)
		}
		o.enc.Sent()
		c.transmitAside(buf, b[n:], batch)
		return unfinished(ctx)
	}
	o.enc.Sent()
	return c.settle(buf, b, batch, err)
}

// transmitAside sends b, which lies in buf, in a goroutine of the connection, and
// gives up the turn to send when that is done.
func (c *Conn) transmitAside(buf *buffer, b []byte, batch list) <-chan error {
	done := make(chan error, 1)
	if len(b) == 0 {
		done <- c.settle(buf, b, batch, nil)
		return done
	}
	if p := c.polled.Load(); p != nil {
		p.transmit(buf, b, batch)
		done <- nil
		return done
	}
	if !c.spawn(func() {
		_, err := c.transport.Load().put(b)
		done <- c.settle(buf, b, batch, err)
	}) {
		done <- c.settle(buf, b, batch, net.ErrClosed)
	}
	return done
}

func unfinished(ctx context.Context) error {
	return fmt.Errorf("websocket: %w: %w", ErrUnfinishedWrite, ctx.Err())
}
