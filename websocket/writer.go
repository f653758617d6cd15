package websocket

import (
	"context"
	"errors"
	"io"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// Writer begins a message that is sent in fragments: each Write of the writer
// sends one (RFC 6455, section 5.4), and Close sends the last. Wrap it in a
// bufio.Writer to send fewer. Other messages wait until Close; control frames
// pass in between.
//
// ctx bounds the writing of the whole message. A writer must be closed. If one of
// its writes has failed, Close gives the message up: without harm if nothing of it
// was sent, and else by failing the connection with CloseInternalError, for the
// peer must not take half a message for a whole one.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	return c.writer(ctx, typ, true)
}

// WriterUncompressed is Writer for a message that is not to be compressed.
func (c *Conn) WriterUncompressed(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	return c.writer(ctx, typ, false)
}

func (c *Conn) writer(ctx context.Context, typ MessageType, compress bool) (io.WriteCloser, error) {
	if err := c.mayWrite(typ); err != nil {
		return nil, err
	}
	if err := c.openWriter(ctx); err != nil {
		return nil, err
	}
	return &messageWriter{c: c, ctx: ctx, typ: frame.Opcode(typ), compress: compress}, nil
}

// A messageWriter keeps other messages waiting until it is closed.
type messageWriter struct {
	c        *Conn
	ctx      context.Context
	typ      frame.Opcode
	compress bool

	begun bool  // a fragment was handed over for sending
	err   error // what a write failed with
	done  bool
}

var errWriterClosed = errors.New("websocket: write to a closed message writer")

// Write sends p as one fragment.
func (w *messageWriter) Write(p []byte) (int, error) {
	switch {
	case w.done:
		return 0, errWriterClosed
	case w.err != nil:
		return 0, w.err
	case len(p) == 0:
		return 0, nil
	}
	if w.err = w.fragment(w.ctx, p, false); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Close sends the last fragment, or gives the message up if a write has failed.
func (w *messageWriter) Close() error {
	if w.done {
		return errWriterClosed
	}
	w.done = true
	defer w.c.closeWriter()
	if w.err == nil {
		// The end of a message is sent even when ctx has ended: all else of it is.
		timeout, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), w.c.cfg.closeTimeout)
		defer cancel()
		if w.err = w.fragment(timeout, nil, true); w.err == nil {
			return nil
		}
	}
	w.abandon()
	return w.err
}

func (w *messageWriter) fragment(ctx context.Context, p []byte, fin bool) error {
	c := w.c
	if err := c.turn(ctx); err != nil {
		return err
	}
	buf := getBuffer()
	b, control := c.appendControl(buf.b)
	b, err := w.append(b, p, fin)
	if err != nil {
		c.transmitAside(buf, b[:control], list{})
		return c.sendError(err)
	}
	w.begun = true
	// The fragment is now part of the compressor's history and of the message: all
	// of it counts as what must go out.
	return c.transmit(ctx, buf, b, len(b), list{})
}

// append appends the next fragment, with the right to send.
func (w *messageWriter) append(b, p []byte, fin bool) ([]byte, error) {
	out := &w.c.out.enc
	if !w.begun {
		if err := out.BeginMessage(w.typ, w.compress); err != nil {
			return b, err
		}
	}
	b, err := out.AppendFragment(b, p, fin)
	if err != nil && !w.begun {
		out.AbandonMessage()
	}
	return b, err
}

// abandon gives the message up. If part of it was sent, the connection fails.
func (w *messageWriter) abandon() {
	c := w.c
	if !w.begun {
		return
	}
	// Other calls get this error too. It does not wrap w.err, for their contexts have
	// not ended, and their messages are not being finished.
	c.startClose(&CloseError{Code: CloseInternalError, Reason: "message given up", Err: errors.New(w.err.Error())})
	c.closeBehind()
}
