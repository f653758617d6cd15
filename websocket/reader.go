package websocket

import (
	"context"
	"errors"
	"io"

	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// Reader waits for the next message and returns a reader that streams it, which
// ends with io.EOF. ctx bounds the reading of the whole message. When ctx ends,
// the message is not lost: as long as neither Read nor Reader was called since,
// [Conn.Resume] gives a reader that goes on where this one stopped.
//
// A message of which an earlier Reader has not read all is discarded, and that
// reader returns an error from then on. Text is checked as it comes: an error
// for the message may follow after part of it was read.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	if err := c.discardOpen(ctx); err != nil {
		return 0, nil, err
	}
	if !c.msg.active {
		ev, err := c.next(ctx)
		if err != nil {
			return 0, nil, err
		}
		c.msg.begin(ev)
		c.msg.last = ev.Last
		c.msg.gathered = ev.Payload
	}
	m := &c.msg
	// A Read that was given up may have gathered the message's first pieces.
	if m.compressed {
		m.stream = c.inflater.Stream()
		m.stream.Write(m.gathered, m.last)
	} else {
		m.piece = m.gathered
	}
	m.gathered = nil
	m.reader = &messageReader{c, ctx}
	return m.typ, m.reader, nil
}

// Resume returns a reader for the rest of the message whose Reader was stopped by
// its context. The earlier reader returns an error from then on. There is an
// error if no message is open.
func (c *Conn) Resume(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	if c.msg.reader == nil || c.msg.reader == discarded || !c.msg.active {
		return 0, nil, errNothingOpen
	}
	c.msg.reader = &messageReader{c, ctx}
	return c.msg.typ, c.msg.reader, nil
}

// discarded stands for the reader of a message that is being discarded.
var discarded = &messageReader{}

var errNothingOpen = errors.New("websocket: no message to resume")

type messageReader struct {
	c   *Conn
	ctx context.Context
}

func (r *messageReader) Read(p []byte) (int, error) {
	c := r.c
	if err := c.beginRead(r.ctx); err != nil {
		return 0, err
	}
	defer c.endRead()
	if c.msg.reader != r {
		return 0, errSuperseded
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.readOpen(r.ctx, p)
	if err == io.EOF {
		// The message is over; this reader keeps saying so.
		c.msg.reset()
		c.msg.reader = r
		c.msg.last = true
	}
	return n, err
}

// discardOpen reads the open message to its end, if there is one. Its bytes are
// inflated all the same, for later messages may refer to them.
func (c *Conn) discardOpen(ctx context.Context) error {
	if c.msg.reader == nil {
		return nil
	}
	// From here on the message cannot be gone on with, also if ctx ends first.
	c.msg.reader = discarded
	var waste [1024]byte
	for {
		_, err := c.readOpen(ctx, waste[:])
		if err == io.EOF {
			c.msg.reset()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readOpen reads from the open message.
func (c *Conn) readOpen(ctx context.Context, p []byte) (int, error) {
	m := &c.msg
	for {
		n, err := c.takeOpen(ctx, p)
		if n > 0 || err != errMore {
			return n, err
		}
		ev, err := c.next(ctx)
		if err != nil {
			return 0, err
		}
		m.last = ev.Last
		if m.stream != nil {
			m.stream.Write(ev.Payload, ev.Last)
		} else {
			m.piece = ev.Payload
		}
	}
}

// errMore says that more of the open message has to be received.
var errMore = deflate.ErrMore

// takeOpen gives what has come of the open message, errMore or io.EOF.
func (c *Conn) takeOpen(ctx context.Context, p []byte) (int, error) {
	m := &c.msg
	switch {
	case m.stream != nil:
		return c.takeStream(ctx, p)
	case len(m.piece) > 0:
		n := copy(p, m.piece)
		m.piece = m.piece[n:]
		return n, nil
	case m.last:
		return 0, io.EOF
	}
	return 0, errMore
}

func (c *Conn) takeStream(ctx context.Context, p []byte) (int, error) {
	m := &c.msg
	n, err := m.stream.Read(p)
	if m.typ == Text {
		if !m.text.Valid(p[:n]) || err == io.EOF && !m.text.Complete() {
			return 0, c.violation(ctx, protocol.ErrInvalidText)
		}
	}
	if n > 0 {
		return n, nil // an error comes again with the next call
	}
	if err == nil || err == io.EOF || err == errMore {
		return 0, err
	}
	return 0, c.violation(ctx, c.inflater.Error(err))
}
