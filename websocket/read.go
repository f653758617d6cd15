package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// An incoming message that was begun and not yet given to the caller whole.
type incoming struct {
	active     bool
	typ        MessageType
	compressed bool
	last       bool // all its pieces have come

	// What a Read that was given up has gathered: of the message, or of its
	// compressed form.
	gathered []byte
	store    *buffer // what gathered is in, of a message that is to be handled

	// Of the open Reader, if reader is not nil.
	reader *messageReader
	piece  []byte          // what came and was not taken yet, if not compressed
	stream *deflate.Stream // if compressed
	text   frame.UTF8      // of what the stream gave
}

// reset forgets the message.
func (m *incoming) reset() {
	if m.stream != nil {
		m.stream.Close()
	}
	if m.store != nil {
		m.store.putBack(m.gathered)
	}
	*m = incoming{}
}

func (m *incoming) begin(ev protocol.Event) {
	m.active, m.typ, m.compressed = true, MessageType(ev.Type), ev.Compressed
}

// take appends to buf what keep has kept.
func (m *incoming) take(buf []byte) []byte {
	if m.active && !m.compressed {
		buf = append(buf, m.gathered...)
		m.gathered = nil
	}
	return buf
}

// keep keeps what a Read that is given up has received of the message. (The
// compressed form of one is in gathered already.)
func (m *incoming) keep(p []byte) {
	if m.active && !m.compressed {
		m.gathered = append(m.gathered, p...)
	}
}

// Read returns the next message, whole. The caller owns p.
//
// When ctx ends first, Read returns an error that wraps the context's; whatever
// has come of the message is kept, and the next Read goes on with it.
// A message of which a Reader has not read all is discarded.
func (c *Conn) Read(ctx context.Context) (typ MessageType, p []byte, err error) {
	typ, p, err = c.ReadAppend(ctx, nil)
	if err == nil && p == nil {
		p = []byte{}
	}
	return typ, p, err
}

// ReadAppend is Read, with the message appended to buf. On an error it returns
// buf as it was.
func (c *Conn) ReadAppend(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, buf, err
	}
	defer c.endRead()
	if c.msg.reader != nil {
		if err := c.discardOpen(ctx); err != nil {
			return 0, buf, err
		}
	}
	if !c.msg.active {
		// The short way for what is most frequent, which needs little stack to wait on.
		if c.input.pos == c.input.end {
			if err := c.fill(ctx); err != nil {
				return 0, buf, err
			}
		}
		if typ, p := c.whole(); p != nil {
			return typ, append(buf, p...), nil
		}
	}
	return c.gather(ctx, buf)
}

// gather is ReadAppend for all else.
func (c *Conn) gather(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	start := len(buf)
	buf = c.msg.take(buf)
	for {
		ev, err := c.next(ctx)
		m := &c.msg // next may have renewed it
		if err != nil {
			m.keep(buf[start:])
			return 0, buf[:start], err
		}
		if ev.First {
			m.begin(ev)
		}
		switch {
		case !m.compressed:
			buf = append(slices.Grow(buf, c.expected(len(buf)-start, ev)), ev.Payload...)
		case !ev.First || !ev.Last:
			m.gathered = append(m.gathered, ev.Payload...)
			ev.Payload = m.gathered
		}
		if ev.Last {
			return c.finishMessage(ctx, ev, buf, start)
		}
	}
}

// whole returns the message that the input begins with, if all of it is there in
// one frame. Else p is nil.
func (c *Conn) whole() (typ MessageType, p []byte) {
	in := &c.input
	op, p, n := c.in.Whole(in.buf[in.pos:in.end])
	in.pos += n
	return MessageType(op), p
}

// finishMessage ends a message whose last piece is ev. It is in buf[start:] or, if
// it came compressed, in ev.Payload.
func (c *Conn) finishMessage(ctx context.Context, ev protocol.Event, buf []byte, start int) (MessageType, []byte, error) {
	defer c.msg.reset()
	if ev.Compressed {
		var err error
		if buf, err = c.inflater.Append(buf, ev.Type, ev.Payload); err != nil {
			return 0, buf[:start], c.violation(ctx, err)
		}
	}
	return MessageType(ev.Type), buf, nil
}

// CloseRead has a goroutine of the connection read, for an application that only
// sends. The returned context is cancelled when the
// connection ends. A message that comes is a breach of what the application
// expects: it closes the connection with ClosePolicyViolation.
func (c *Conn) CloseRead() context.Context {
	c.spawn(func() {
		if _, _, err := c.Reader(c.Context()); err == nil {
			c.startClose(&CloseError{Code: ClosePolicyViolation, Reason: "unexpected message"})
			c.awaitPeer(c.closeTimer())
		}
	})
	return c.Context()
}

// beginRead takes the right to read.
func (c *Conn) beginRead(ctx context.Context) error {
	if err := c.acquire(ctx, &c.reading); err != nil {
		return err
	}
	if c.readErr == nil && (c.ended.happened.Load() || c.draining) {
		c.readErr = c.cause()
	}
	if c.readErr != nil {
		c.msg.reset()
		c.reading.release()
		return c.readErr
	}
	return nil
}

func (c *Conn) endRead() {
	if c.readErr != nil {
		c.input.giveBack()
	}
	c.reading.release()
	if c.ended.happened.Load() {
		c.releaseMessage()
	}
}

// releaseMessage frees what a message that nobody will finish reading holds.
// A reader at work does it itself when it leaves.
func (c *Conn) releaseMessage() {
	if c.reading.try() {
		c.msg.reset()
		c.input.giveBack()
		c.reading.release()
	}
}

// next returns the next piece of a message, and deals with all else that comes.
// An error that does not end the connection is the context's.
func (c *Conn) next(ctx context.Context) (protocol.Event, error) {
	for {
		ev, err := c.event(ctx)
		if err != nil {
			return ev, err
		}
		if ev.Kind == protocol.Data {
			return ev, nil
		}
		if err := c.takeControl(ctx, ev); err != nil {
			return ev, err
		}
	}
}

// takeControl deals with a control frame. Its error is the connection's end.
func (c *Conn) takeControl(ctx context.Context, ev protocol.Event) error {
	switch ev.Kind {
	case protocol.Ping:
		if f := c.cfg.onPing; f != nil {
			f(ev.Payload)
		}
		c.queuePong(ev.Payload)
	case protocol.Pong:
		if f := c.cfg.onPong; f != nil {
			f(ev.Payload)
		}
		if p := c.pings.Load(); p != nil {
			p.answered(ev.Payload)
		}
	case protocol.Close:
		return c.closedByPeer(ctx, ev.Code, ev.Reason)
	}
	return nil
}

// event returns the next event, after reading as much as it takes.
func (c *Conn) event(ctx context.Context) (protocol.Event, error) {
	if c.readErr != nil {
		return protocol.Event{}, c.readErr
	}
	for {
		ev, err := c.decode(ctx)
		if err != nil || ev.Kind != protocol.None {
			return ev, err
		}
		if err := c.fill(ctx); err != nil {
			return protocol.Event{}, err
		}
	}
}

// decode returns the next event in the input, or one of Kind None.
func (c *Conn) decode(ctx context.Context) (protocol.Event, error) {
	in := &c.input
	if in.pos == in.end {
		return protocol.Event{}, nil
	}
	ev, n, err := c.in.Next(in.now, in.buf[in.pos:in.end])
	in.pos += n
	if err != nil {
		return ev, c.violation(ctx, err)
	}
	return ev, nil
}

// fill reads from the transport into the empty input.
func (c *Conn) fill(ctx context.Context) error {
	t := c.transport.Load()
	t.keepalive.watching(true)
	if err := t.fill(ctx, c); err != nil {
		t.keepalive.watching(false)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return c.gaveUp(ctx)
		}
		return c.lost(err)
	}
	c.input.now = time.Now()
	t.keepalive.alive(c.input.now)
	return nil
}

// gaveUp is the error of a call that ctx has ended. That the connection has ended
// counts for more.
func (c *Conn) gaveUp(ctx context.Context) error {
	if err := c.err(); err != nil {
		return err
	}
	return fmt.Errorf("websocket: call given up: %w", ctx.Err())
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

var errSuperseded = fmt.Errorf("websocket: message was discarded by a later Read or Reader: %w", io.ErrClosedPipe)
