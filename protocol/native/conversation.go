package native

import (
	"context"
	"sync"

	"github.com/seed-15847954/ropewalk/session"
)

// maxWaiting bounds the commands of one client that wait to be carried out, and
// maxWaitingBytes the messages that they came in. The last message may exceed both.
const (
	maxWaiting      = 256
	maxWaitingBytes = 256 << 10
)

// A conversation is what a client and the server say to each other, whatever carries
// it. A transport makes one when a connection opens, hands it every message of the
// client with receive, calls ready when it has room again after its Send returned
// false, and calls lost when the connection has ended. Replies, pushes and the end
// come through session.Transport.
//
// Commands are carried out in their order by one goroutine, which exists while there
// are some.
type conversation struct {
	// Constant after start.
	handler   *Handler
	codec     codec
	transport session.Transport
	ctx       context.Context // commands see its values; it may end with the connection
	gate      gate            // what the session sends through
	resume    string          // the session to resume, where connect names none; set before the first command
	posted    bool            // commands come in requests, which may overtake one another; set before the first

	worker sync.WaitGroup // the goroutine that carries out commands, if there is one

	// Owned by whoever carries out commands.
	lastID    uint64
	connectID uint64

	mu        sync.Mutex
	session   *session.Session // before connect one that only holds the place
	connected bool
	waiting   []command
	bytes     int           // of the messages that brought them
	working   bool          // somebody carries out commands
	room      chan struct{} // closed when fewer wait; nil unless somebody waits for that
	cancel    func()        // of the context of the command under way, if there is one
	over      bool          // nothing is carried out any more
}

// start begins the conversation over a transport. ctx may end with the connection; lost
// ends what is under way in any case. From here on
// the handler's Sessions know of it: the first thing that Send or Close of the
// transport are called with may come before start returns.
func (c *conversation) start(ctx context.Context, h *Handler, codec codec, t session.Transport) {
	c.handler, c.codec, c.transport, c.ctx = h, codec, t, ctx
	c.gate.Transport = t
	// Before connect nobody knows who it is, and a drain must find it all the same.
	c.session = session.New(session.Config{Hub: h.Hub, Transport: t, Codec: codec})
	if err := h.Sessions.AddStranger(c.session); err != nil {
		c.end(err)
	}
}

// receive takes one message of the client, as it came, and keeps nothing of it. It
// returns before the commands are carried out, but waits while too many wait, until
// ctx or the connection ends. What is wrong with the message ends the connection once
// the commands before it are answered. It is false when no more messages are taken.
// It is called by one goroutine at a time.
func (c *conversation) receive(ctx context.Context, b []byte) bool {
	if len(b) > maxEarly && !c.awaitConnect(ctx) {
		return false
	}
	commands, err := c.decode(b)
	if err != nil {
		commands = []command{{broken: err}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for (len(c.waiting) >= maxWaiting || c.bytes >= maxWaitingBytes) && !c.over {
		if !c.awaitRoom(ctx) {
			return false
		}
	}
	if c.over {
		return false
	}
	c.waiting = append(c.waiting, commands...)
	c.bytes += len(b)
	switch {
	case c.working:
	case quick(c.waiting):
		c.working = true
		c.mu.Unlock()
		c.work()
		c.mu.Lock()
	default:
		c.working = true
		c.worker.Go(c.work)
	}
	return err == nil && !c.over
}

// awaitConnect waits until the first commands are carried out, of which one may be connect.
// It is false when no more messages are taken.
func (c *conversation) awaitConnect(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.connected && c.working && !c.over {
		if !c.awaitRoom(ctx) {
			return false
		}
	}
	return !c.over
}

// decode reads a message, which has less room before connect.
func (c *conversation) decode(b []byte) ([]command, error) {
	if len(b) > maxEarly && !c.isConnected() {
		return nil, MessageTooBig
	}
	return c.codec.decode(b, c.handler.MaxData)
}

// awaitRoom waits until fewer commands wait. mu is held, and is not meanwhile.
func (c *conversation) awaitRoom(ctx context.Context) bool {
	if c.room == nil {
		c.room = make(chan struct{})
	}
	room := c.room
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-room:
		return true
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
	return false
}

// quick reports whether commands ask nobody else.
func quick(commands []command) bool {
	for i := range commands {
		if name := commands[i].name; name != ping && name != refresh {
			return false
		}
	}
	return true
}

// work carries out commands until there is none.
func (c *conversation) work() {
	for commands := c.next(); len(commands) > 0; commands = c.next() {
		for i := range commands {
			if err := c.one(&commands[i]); err != nil {
				c.end(err)
				break
			}
		}
	}
}

// next returns the commands that wait. Where there is none, nobody works any more.
func (c *conversation) next() []command {
	c.mu.Lock()
	defer c.mu.Unlock()
	commands := c.waiting
	c.waiting, c.bytes = nil, 0
	if c.over {
		commands = nil
	}
	c.working = len(commands) > 0
	c.makeRoom()
	return commands
}

// makeRoom wakes who waits for room. mu is held.
func (c *conversation) makeRoom() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// commandContext returns a context for one command, and what its end has to call. The
// broker is not waited for when the client has gone. (A child of a context that lives as
// long as the connection would cost each connection some 400 bytes.)
func (c *conversation) commandContext() (context.Context, func()) {
	ctx, cancel := context.WithTimeout(c.ctx, brokerTime)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = cancel
	if c.over {
		cancel()
	}
	return ctx, func() {
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cancel = nil
	}
}

// end ends the session, whose transport tells the client why. It does not block.
func (c *conversation) end(cause error) {
	c.mu.Lock()
	s := c.session
	c.over = true
	c.mu.Unlock()
	s.Close(cause)
}

// ready tells the session that its transport has room again. It does not block.
func (c *conversation) ready() { c.current().Ready() }

// lost ends the conversation for what the connection has ended with, and returns
// when all of it has ended. It is called once. The returned error is the cause of
// the end, which may be an earlier one.
func (c *conversation) lost(err error) error {
	c.mu.Lock()
	first := c.session
	c.over = true
	c.makeRoom()
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	first.Lost(err)
	c.worker.Wait()
	s := c.current() // what connect has made of it meanwhile
	s.Lost(err)
	<-s.Done()
	if first != s {
		<-first.Done()
	}
	c.handler.Sessions.Remove(s)
	return s.Cause()
}

func (c *conversation) current() *session.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

func (c *conversation) isConnected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// become makes s the session of the conversation.
func (c *conversation) become(s *session.Session) {
	c.mu.Lock()
	place := c.session
	c.session, c.connected = s, true
	c.mu.Unlock()
	c.handler.Sessions.Remove(place)
}
