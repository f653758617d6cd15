package websocket

import (
	"context"
	"sync"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// An outbox is everything on its way to the peer. One caller at a time has the
// turn to send. Messages that come meanwhile wait, and whoever has the next turn
// sends all of them in one write.
//
// While a Writer's message is open, whole messages wait for its end; fragments of
// it and control frames pass.
type outbox struct {
	mu       sync.Mutex
	busy     bool          // somebody has the turn to send
	open     bool          // a Writer's message is open
	handling bool          // received messages are being handled: what is sent meanwhile leaves after that
	corked   *buffer       // what was sent meanwhile, if that has the turn
	waiting  list          // messages, and Writers that want to open one
	urgent   list          // callers that want the turn for a fragment or a Ping
	control  *controlQueue // nil: none waits

	buffered int           // cost of what Send has queued
	lost     int32         // messages that Send had taken, to be told of
	full     bool          // a message found no room since the queue was last empty
	stuck    int           // bytes on their way that the socket has not taken yet
	room     chan struct{} // closed when there is more room; nil if nobody waits for it

	// Owned by the holder of the turn.
	enc protocol.Sender
	err *CloseError // set when the transport has refused bytes
}

// An outgoing is something that waits in an outbox.
type outgoing struct {
	next *outgoing
	what content

	// Of a wholeMessage. It is p, and in shared if that is not nil.
	typ      MessageType
	compress bool
	p        []byte
	shared   *Prepared
	cost     int // what it counts in the queue

	// A caller that waits gets the verdict; nil for what nobody waits for.
	done chan verdict

	state waitState // guarded by outbox.mu
}

// A content says what an outgoing wants.
type content uint8

const (
	wholeMessage content = iota
	openWriter           // to open the message of a Writer
	oneTurn              // to have the turn once
)

type waitState uint8

const (
	queued  waitState = iota
	taken             // a message that somebody else is sending
	granted           // the caller has what it waited for
)

// A verdict ends the wait of a caller: its message is out, or was refused with
// err, or, with turn set, the turn is its own.
type verdict struct {
	turn bool
	err  error
}

// A list is a queue of outgoings.
type list struct{ first, last *outgoing }

func (l *list) push(o *outgoing) {
	if l.last == nil {
		l.first = o
	} else {
		l.last.next = o
	}
	l.last = o
}

func (l *list) pop() *outgoing {
	o := l.first
	if l.first = o.next; l.first == nil {
		l.last = nil
	}
	o.next = nil
	return o
}

// remove takes o out, wherever it stands.
func (l *list) remove(o *outgoing) {
	var before *outgoing
	for at := l.first; at != nil; before, at = at, at.next {
		if at != o {
			continue
		}
		if before == nil {
			l.first = o.next
		} else {
			before.next = o.next
		}
		if l.last == o {
			l.last = before
		}
		o.next = nil
		return
	}
}

// oldest returns the first message that nobody waits for, or nil.
func (l *list) oldest() *outgoing {
	for at := l.first; at != nil; at = at.next {
		if at.done == nil {
			return at
		}
	}
	return nil
}

// turn takes the turn to send, ahead of messages that wait.
func (c *Conn) turn(ctx context.Context) error {
	o := &c.out
	c.uncork()
	o.mu.Lock()
	if !o.busy {
		o.busy = true
		o.mu.Unlock()
	} else {
		w := &outgoing{what: oneTurn, done: make(chan verdict, 1)}
		o.urgent.push(w)
		o.mu.Unlock()
		if _, err := c.await(ctx, w); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		c.pass()
		return c.gaveUp(ctx)
	}
	if o.err != nil {
		err := o.err
		c.pass()
		return err
	}
	return nil
}

// open takes the right to send a message in fragments, until closeWriter.
func (c *Conn) openWriter(ctx context.Context) error {
	o := &c.out
	o.mu.Lock()
	if !o.open && o.waiting.first == nil {
		o.open = true
		o.mu.Unlock()
	} else {
		w := &outgoing{what: openWriter, done: make(chan verdict, 1)}
		o.waiting.push(w)
		o.mu.Unlock()
		if _, err := c.await(ctx, w); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		c.closeWriter()
		return c.gaveUp(ctx)
	}
	return nil
}

func (c *Conn) closeWriter() {
	o := &c.out
	o.mu.Lock()
	o.open = false
	if !o.busy {
		c.passLocked()
	}
	o.mu.Unlock()
}

// await waits for the verdict on w. If ctx or the connection ends first, w is
// taken back; the error then wraps ErrUnfinishedWrite if somebody is sending it.
func (c *Conn) await(ctx context.Context, w *outgoing) (verdict, error) {
	select {
	case v := <-w.done:
		return v, v.err
	case <-ctx.Done():
	case <-c.wait(&c.ended):
	}
	o := &c.out
	o.mu.Lock()
	state := w.state
	if state == queued {
		o.waiting.remove(w)
		o.urgent.remove(w)
	}
	o.mu.Unlock()
	switch state {
	case granted:
		if w.what == openWriter {
			c.closeWriter()
		} else {
			c.pass()
		}
	case taken:
		select {
		case v := <-w.done:
			return v, v.err
		default:
		}
		if c.err() == nil {
			return verdict{}, unfinished(ctx)
		}
	}
	if ctx.Err() != nil {
		return verdict{}, c.gaveUp(ctx)
	}
	return verdict{}, c.err()
}

// pass gives up the turn to send.
func (c *Conn) pass() {
	c.out.mu.Lock()
	c.passLocked()
	c.out.mu.Unlock()
}

// passLocked hands the turn on, which the caller has or nobody has. The caller
// holds mu.
func (c *Conn) passLocked() {
	o := &c.out
	o.busy = false
	if o.urgent.first != nil {
		o.grant(o.urgent.pop())
		return
	}
	for !o.open && o.waiting.first != nil {
		switch w := o.waiting.first; {
		case w.what == openWriter:
			o.waiting.pop()
			o.open = true
			w.state = granted
			w.done <- verdict{turn: true}
		case w.done != nil:
			o.grant(o.waiting.pop())
			return
		default:
			c.flushSoon()
			return
		}
	}
	if !o.control.empty() {
		c.flushSoon()
	}
}

// flushSoon sees to it that what waits is sent. The caller holds mu, and the turn
// is free.
func (c *Conn) flushSoon() {
	if p := c.polled.Load(); p != nil {
		p.Schedule()
		return
	}
	c.out.busy = c.spawn(c.flush)
}

// grant gives w the turn.
func (o *outbox) grant(w *outgoing) {
	o.busy = true
	w.state = granted
	w.done <- verdict{turn: true}
}

// flush sends what nobody waits for. It has the turn.
func (c *Conn) flush() { c.flushBehind(getBuffer()) }

// flushBehind sends what is in buf and then what waits. It has the turn.
func (c *Conn) flushBehind(buf *buffer) {
	b, _ := c.appendControl(buf.b)
	b, batch := c.appendWaiting(b)
	p := c.polled.Load()
	switch {
	case c.out.err != nil:
		_ = c.settle(buf, b, batch, c.out.err)
	case len(b) == 0:
		_ = c.settle(buf, b, batch, nil)
	case p != nil:
		p.transmit(buf, b, batch)
	default:
		_, err := c.transport.Load().put(b)
		_ = c.settle(buf, b, batch, err)
	}
}

// maxBatch is the size in bytes from which a write takes no more messages along.
const maxBatch = 64 << 10

// appendWaiting appends the messages that wait, up to about maxBatch bytes, and
// returns them as a list. The caller has the turn.
func (c *Conn) appendWaiting(b []byte) ([]byte, list) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	var batch list
	for !o.open && o.waiting.first != nil && o.waiting.first.what == wholeMessage && len(b) < maxBatch {
		w := o.waiting.pop()
		if err := o.enc.Ready(); err != nil {
			c.finish(w, c.sendError(err))
			continue
		}
		o.enc.Sent() // what is before this one must now go out
		b = reserve(b, len(w.p)+frame.MaxHeader)
		if w.shared != nil {
			b, _ = o.enc.AppendPrepared(b, &w.shared.m)
		} else {
			b, _ = o.enc.AppendMessage(b, frame.Opcode(w.typ), w.p, w.compress)
			o.enc.Sent()
		}
		w.state = taken
		batch.push(w)
	}
	return b, batch
}

// finish ends w, whose caller is told how if there is one. The caller holds mu.
func (c *Conn) finish(w *outgoing, err error) {
	if w.done != nil {
		w.done <- verdict{err: err}
		return
	}
	o := &c.out
	o.buffered -= w.cost
	if err != nil {
		o.lost++
	}
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	w.release()
}

// settle ends a turn to send: b, in buf, is out with the messages of batch, or
// the transport refused it.
func (c *Conn) settle(buf *buffer, b []byte, batch list, err error) error {
	if err != nil && c.out.err == nil {
		c.out.err = c.refused(err)
	}
	if err != nil {
		err = c.out.err
	}
	if c.out.enc.Closed() && !c.sentClose.happened.Load() {
		c.fire(&c.sentClose)
		if p := c.polled.Load(); p != nil {
			p.step()
		}
	}
	buf.putBack(b)
	o := &c.out
	o.mu.Lock()
	for batch.first != nil {
		c.finish(batch.pop(), err)
	}
	drained := o.full && o.buffered == 0
	if drained {
		o.full = false
	}
	lost := int(o.lost)
	o.lost = 0
	c.passLocked()
	o.mu.Unlock()
	c.tellDropped(lost)
	if drained && c.cfg.queue.OnDrain != nil {
		c.cfg.queue.OnDrain(c)
	}
	return err
}
