package websocket

import (
	"errors"
	"sync"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// An Overflow says what Send does with a message for which the queue has no room.
type Overflow uint8

// The policies. Only the first two lose nothing.
const (
	// OverflowClose fails the connection with ClosePolicyViolation: a peer that
	// cannot keep up is let go, and knows it.
	OverflowClose Overflow = iota

	// OverflowBlock has Send wait for room. One peer that does not read can then
	// hold up whoever sends to many.
	OverflowBlock

	// OverflowDropNew refuses the new message: Send returns ErrQueueFull.
	OverflowDropNew

	// OverflowDropOldest drops messages from the head of the queue until there is
	// room: for states of which only the latest counts. Queue.OnDrop tells of them.
	OverflowDropOldest
)

// A Queue bounds what Send and SendPrepared leave waiting. The zero value is
// 1 MiB and OverflowClose.
type Queue struct {
	// MaxBytes bounds Buffered, in bytes. A single message may exceed it if the
	// queue is empty. Zero means 1 MiB; a negative value means no bound.
	MaxBytes int

	// Overflow is what happens to a message that exceeds the bound.
	Overflow Overflow

	// OnDrop, if not nil, is called with the number of messages that were taken by
	// Send and are given up without being sent: one by one with OverflowDropOldest,
	// and those still in the queue when the connection ends.
	//
	// OnDrain, if not nil, is called when all that waited has been handed to the
	// transport after a message found no room.
	//
	// Both are called by whoever sends, perhaps at once; they must not block.
	OnDrop  func(c *Conn, messages int)
	OnDrain func(c *Conn)
}

const defaultQueue = 1 << 20

// ErrQueueFull says that Send has refused a message because of OverflowDropNew.
var ErrQueueFull = errors.New("websocket: send queue is full")

var errSlowPeer = errors.New("send queue is full")

// A Prepared is a message for many connections. It is encoded once, and
// compressed once for each window that was negotiated, when the first connection
// wants it. It may be sent by many goroutines at once.
type Prepared struct {
	m protocol.Prepared
}

// Prepare makes a message for SendPrepared. It copies p. The error is
// ErrInvalidUTF8, or says that typ is no type of message.
func Prepare(typ MessageType, p []byte) (*Prepared, error) {
	if err := checkMessage(typ, p); err != nil {
		return nil, err
	}
	m := &Prepared{}
	m.m.Init(frame.Opcode(typ), p)
	return m, nil
}

// Send queues p as one message and returns. It copies p, and never waits for the
// peer unless the policy is OverflowBlock: what cannot be sent at once waits in a
// queue that Params.Queue bounds, and leaves together with what else waits.
//
// A message for which there is no room meets the policy of the queue. The
// connection's end gives up what is still queued; a closing handshake that Close
// begins sends it first. Send and Write keep the order in which they are called.
func (c *Conn) Send(typ MessageType, p []byte) error {
	if err := checkMessage(typ, p); err != nil {
		return err
	}
	return c.enqueue(typ, p, nil)
}

// SendPrepared is Send for a message of Prepare, whose bytes are shared.
func (c *Conn) SendPrepared(m *Prepared) error {
	return c.enqueue(MessageType(m.m.Type()), m.m.Payload(), m)
}

// Buffered returns the bytes that Send and SendPrepared have taken and the
// transport has not: payloads, before compression, and 14 bytes for each
// message's header.
func (c *Conn) Buffered() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.buffered
}

func checkMessage(typ MessageType, p []byte) error {
	if typ != Text && typ != Binary {
		return badType(typ)
	}
	if typ == Text && !frame.ValidUTF8(p) {
		return ErrInvalidUTF8
	}
	return nil
}

// enqueue takes the message, which is p and in shared if that is not nil.
func (c *Conn) enqueue(typ MessageType, p []byte, shared *Prepared) error {
	if err := c.err(); err != nil {
		return err
	}
	o := &c.out
	o.mu.Lock()
	if o.corked != nil && o.waiting.first == nil {
		err := c.cork(func(b []byte) ([]byte, error) { return c.appendShared(b, typ, p, shared) })
		return c.sendError(err)
	}
	dropped, err := c.makeRoom(len(p) + frame.MaxHeader)
	if err == nil {
		o.push(newOutgoing(typ, p, shared), true)
		if !o.busy {
			c.passLocked()
		}
	}
	o.mu.Unlock()
	c.tellDropped(dropped)
	if err == errSlowPeer {
		return c.failSlow()
	}
	return err
}

// push takes w, for which nobody waits, into the queue. The caller holds mu.
func (o *outbox) push(w *outgoing, compress bool) {
	w.compress = compress
	o.buffered += w.cost
	o.waiting.push(w)
}

// makeRoom does what the policy says if size more bytes exceed the bound. The
// caller holds out.mu. It returns the number of messages dropped.
func (c *Conn) makeRoom(size int) (dropped int, err error) {
	o, q := &c.out, &c.cfg.queue
	for o.buffered > 0 && q.MaxBytes >= 0 && o.buffered+size > orDefault(q.MaxBytes, defaultQueue) {
		o.full = true
		switch q.Overflow {
		case OverflowDropNew:
			return dropped, ErrQueueFull
		case OverflowDropOldest:
			w := o.waiting.oldest()
			if w == nil {
				return dropped, nil // all of it is on its way
			}
			o.waiting.remove(w)
			o.buffered -= w.cost
			dropped++
			w.release()
		case OverflowBlock:
			if err := c.awaitRoom(); err != nil {
				return dropped, err
			}
		default:
			return dropped, errSlowPeer
		}
	}
	return dropped, nil
}

// awaitRoom waits until the queue has become shorter. The caller holds out.mu,
// which is released meanwhile.
func (c *Conn) awaitRoom() error {
	o := &c.out
	if o.room == nil {
		o.room = make(chan struct{})
	}
	room := o.room
	o.mu.Unlock()
	select {
	case <-room:
	case <-c.wait(&c.ended):
	}
	o.mu.Lock()
	if c.ended.happened.Load() {
		return c.err()
	}
	return nil
}

// failSlow lets go of a peer that does not read.
func (c *Conn) failSlow() error {
	c.startClose(&CloseError{Code: ClosePolicyViolation, Reason: errSlowPeer.Error(), Err: errSlowPeer})
	c.closeBehind()
	return c.err()
}

func (c *Conn) tellDropped(n int) {
	if f := c.cfg.queue.OnDrop; n > 0 && f != nil {
		f(c, n)
	}
}

// appendShared appends a message, whose encoded form may be shared.
func (c *Conn) appendShared(b []byte, typ MessageType, p []byte, shared *Prepared) ([]byte, error) {
	if shared != nil {
		return c.out.enc.AppendPrepared(b, &shared.m)
	}
	b, err := c.out.enc.AppendMessage(reserve(b, len(p)+frame.MaxHeader), frame.Opcode(typ), p, true)
	c.out.enc.Sent()
	return b, err
}

// dropQueue gives up what Send has queued. The connection has ended.
func (c *Conn) dropQueue() {
	o := &c.out
	dropped := 0
	o.mu.Lock()
	for w := o.waiting.oldest(); w != nil; w = o.waiting.oldest() {
		o.waiting.remove(w)
		o.buffered -= w.cost
		dropped++
		w.release()
	}
	o.mu.Unlock()
	c.tellDropped(dropped)
}

// outgoings holds what Send queues. What callers wait on is not pooled.
var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

const maxPooledMessage = 4 << 10

func newOutgoing(typ MessageType, p []byte, shared *Prepared) *outgoing {
	w := outgoings.Get().(*outgoing)
	w.typ, w.shared, w.cost = typ, shared, len(p)+frame.MaxHeader
	if shared == nil {
		w.p = append(w.p[:0], p...)
	}
	return w
}

// release gives w back to the pool, if nobody waits for it.
func (w *outgoing) release() {
	if w.done != nil {
		return
	}
	p := w.p
	if poison {
		overwrite(p[:cap(p)])
	}
	if cap(p) > maxPooledMessage {
		p = nil
	}
	*w = outgoing{p: p[:0]}
	outgoings.Put(w)
}
