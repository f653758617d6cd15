package websocket

import (
	"context"

	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// An EventHandler is told what happens on a connection that [Conn.Handle] was
// given. Calls for one connection come one after another.
type EventHandler interface {
	// Message is called with each message. p is valid until Message returns and may
	// be changed. What is sent on c meanwhile leaves together when all messages
	// that have arrived were handled: Write returns at once then, and what goes
	// wrong later Closed tells. Message must not wait for something that c
	// receives, a Pong above all.
	Message(c *Conn, typ MessageType, p []byte)

	// Closed is called once, after the last call of Message, when the connection
	// has ended, as Read would tell: err wraps the [CloseError] that says how, and c
	// is released.
	Closed(c *Conn, err error)
}

// Handle has h called for each message that comes, and returns at once. Nobody
// else must read from c any more, and Close no longer waits for the peer: Closed
// tells of the end.
//
// On Linux, a connection over plain TCP or a Unix socket costs no goroutine and
// no buffer while nothing comes: a few loops wait for all such connections and
// call the handlers. The net.Conn that c was made of is closed by Handle, which
// keeps its descriptor. A handler may take its time or block: a loop whose handler
// has not returned after some 10 ms goes on in another goroutine with its other
// connections, up to 256 of them a loop. On other systems and streams each
// connection has a goroutine of its own. All else is the same.
func (c *Conn) Handle(h EventHandler) {
	if err := c.acquire(context.Background(), &c.reading); err != nil {
		go h.Closed(c, err)
		return
	}
	c.handler = h
	c.events.Store(true)
	// Where reading has ended already somebody waits for the end on the transport.
	if c.msg.reader == nil && c.readErr == nil && c.poll() {
		return
	}
	if !c.spawn(c.handle) {
		c.reading.release()
		go h.Closed(c, c.err())
	}
}

// handle reads and calls the handler until the end, or until a loop takes over. It
// has reading.
func (c *Conn) handle() {
	_ = c.discardOpen(context.Background()) // the error is in readErr
	for c.deliver(); c.readErr == nil; c.deliver() {
		if c.poll() {
			return
		}
		if err := c.fill(context.Background()); err != nil {
			break
		}
	}
	c.endRead()
	select {
	case <-c.wait(&c.sentClose): // or the peer has broken the rules, and is told
	case <-c.wait(&c.ended):
	}
	// In a goroutine that CloseNow does not wait for: Closed may call it.
	go c.handler.Closed(c, c.readErr)
}

// deliver handles everything in the input. What is sent meanwhile leaves
// afterwards. The caller has reading.
func (c *Conn) deliver() {
	c.startCork()
	for c.readErr == nil && c.input.pos < c.input.end {
		if typ, p := c.whole(); p != nil {
			c.message(typ, p)
			continue
		}
		ev, err := c.decode(stopped)
		if err != nil || ev.Kind == protocol.None {
			break
		}
		c.handleEvent(ev)
	}
	c.endCork()
}

// stopped is a context that has ended, for calls that must not wait.
var stopped = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (c *Conn) handleEvent(ev protocol.Event) {
	if ev.Kind != protocol.Data {
		_ = c.takeControl(stopped, ev) // the error is in readErr
		return
	}
	m := &c.msg
	if ev.First {
		m.begin(ev)
	}
	if !ev.First || !ev.Last {
		if m.store == nil {
			m.store = getBuffer()
			m.gathered = append(m.store.b, m.gathered...) // what a Read that gave up has left
		}
		m.gathered = append(reserve(m.gathered, c.expected(len(m.gathered), ev)), ev.Payload...)
		ev.Payload = m.gathered
	}
	if !ev.Last {
		return
	}
	c.handleMessage(ev)
	m.reset()
}

// expected returns how much room the payload of ev and what follows it in its frame
// are worth when had bytes of the message have come before: memory follows what
// has come, not what was announced.
func (c *Conn) expected(had int, ev protocol.Event) int {
	n := len(ev.Payload)
	return n + int(min(c.in.Left(), uint64(3*(had+n))))
}

// handleMessage calls the handler with the message ev.Payload.
func (c *Conn) handleMessage(ev protocol.Event) {
	p := ev.Payload
	if ev.Compressed {
		buf := getBuffer()
		var err error
		if p, err = c.inflater.Append(buf.b, ev.Type, p); err != nil {
			buf.putBack(buf.b)
			_ = c.violation(stopped, err)
			return
		}
		defer func() { buf.putBack(p) }()
	}
	c.message(MessageType(ev.Type), p)
}

// message calls the handler, unless the connection has ended meanwhile.
func (c *Conn) message(typ MessageType, p []byte) {
	if !c.ended.happened.Load() {
		c.handler.Message(c, typ, p)
	}
}

// startCork has everything that is sent wait for endCork.
func (c *Conn) startCork() {
	o := &c.out
	o.mu.Lock()
	o.handling = true
	c.tryCork()
	o.mu.Unlock()
}

// tryCork takes the turn for what is sent while messages are handled, if it is
// free. The caller holds out.mu.
func (c *Conn) tryCork() {
	o := &c.out
	if o.handling && !o.busy && !o.open && o.waiting.first == nil && o.err == nil {
		o.busy = true
		o.corked = getBuffer()
	}
}

// cork appends what add appends to what waits for endCork. The caller holds
// out.mu and has seen that corked is not nil; it is released before cork returns.
func (c *Conn) cork(add func([]byte) ([]byte, error)) error {
	o := &c.out
	buf := o.corked
	if !o.control.empty() {
		buf.b, _ = c.appendControlLocked(buf.b)
	}
	b, err := add(buf.b)
	if err == nil {
		buf.b = b
	}
	full := len(b) >= maxBatch
	o.mu.Unlock()
	if full {
		c.uncork()
		o.mu.Lock()
		c.tryCork()
		o.mu.Unlock()
	}
	return err
}

// uncork sends what was sent since startCork, and has what follows go on its own.
func (c *Conn) uncork() {
	o := &c.out
	o.mu.Lock()
	buf := o.corked
	o.corked = nil
	o.mu.Unlock()
	if buf != nil {
		c.flushBehind(buf)
	}
}

func (c *Conn) endCork() {
	o := &c.out
	o.mu.Lock()
	o.handling = false
	buf := o.corked
	o.corked = nil
	o.mu.Unlock()
	if buf != nil {
		c.flushBehind(buf)
	}
}
