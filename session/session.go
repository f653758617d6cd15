// Package session is one client, whatever language it speaks: its identity, its
// subscriptions, and the bounded queue of what is to be sent to it. It knows no
// wire format; a [Transport] and a [Codec] of a protocol package do.
package session

import (
	"errors"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// Causes of a session's end that have nothing to do with its protocol.
var (
	// ErrSlowConsumer means that the client did not take its messages in time and
	// its queue was full. What was queued is dropped.
	ErrSlowConsumer = errors.New("slow consumer")

	// ErrShutdown means that the server is going away.
	ErrShutdown = errors.New("server is shutting down")

	// ErrLeft means that the client has ended its session on purpose.
	ErrLeft = errors.New("client has left")

	// ErrTakenOver means that the client goes on over another connection.
	ErrTakenOver = errors.New("session was resumed over another connection")
)

// Errors that callers compare. Errors of package hub are passed on as well.
var (
	// ErrClosed means that the session has ended.
	ErrClosed = errors.New("session closed")

	// ErrTooManySubscriptions means that Config.MaxSubscriptions is reached.
	ErrTooManySubscriptions = errors.New("too many subscriptions")
)

const (
	// flushTime is how long an ending session goes on sending what was queued.
	flushTime = 2 * time.Second

	// brokerTime bounds the calls of the broker that nobody waits for.
	brokerTime = 5 * time.Second
)

// Config says what a session stands on.
type Config struct {
	Hub       *hub.Hub
	Transport Transport
	Codec     Codec

	// Identity is who the session is. Zero means a new one without a node.
	Identity Identity

	// User and Info are what presence says about the client.
	User string
	Info []byte

	// MaxQueue bounds the packets that wait to be sent, in bytes. Zero means 1 MiB.
	// What happens to more is the policy of the channels; where that makes no room
	// the session ends with ErrSlowConsumer. Publications that are held while a
	// subscription is on its way are bounded by it as well, apart from these.
	MaxQueue int

	// MaxSubscriptions bounds the channels and patterns. Zero means 128.
	MaxSubscriptions int

	// Lobby keeps the session's presence for a while when its connection is lost.
	// Nil means that it leaves at once.
	Lobby *Lobby

	// Stats counts what becomes of slow consumers. Nil means nobody does.
	Stats *Stats
}

// A Session is one client. All methods may be called at once by many goroutines.
// Lock order: hub, then mu, then the transport's. No method of the hub is called while
// mu is held.
type Session struct {
	// Constant after New.
	Config
	since int64 // milliseconds since 1970

	mu              sync.Mutex
	queue           queue
	subs            subscriptions
	tasks           *tasks // nil until there was one
	cause           error  // why the session ends; nil while it lives
	leftOut, lagged uint32 // for Slowness

	going chan struct{} // closed when the subscriptions are given up; nil unless somebody waits

	done chan struct{} // closed exactly once, by finish
}

// New returns a live session. Its owner calls Close or Lost at the end and waits for Done.
func New(config Config) *Session {
	if config.MaxQueue == 0 {
		config.MaxQueue = 1 << 20
	}
	if config.MaxSubscriptions == 0 {
		config.MaxSubscriptions = 128
	}
	if config.Identity == (Identity{}) {
		config.Identity = NewIdentity("")
	}
	if config.Stats == nil {
		config.Stats = new(Stats)
	}
	return &Session{Config: config, since: time.Now().UnixMilli(), done: make(chan struct{})}
}

// ID returns the secret name of the session.
func (s *Session) ID() string { return s.Identity.ID }

// Client returns its public name.
func (s *Session) Client() string { return s.Identity.Client }

// Since returns when the session began, to the millisecond.
func (s *Session) Since() time.Time { return time.UnixMilli(s.since) }

// Queued returns how many bytes wait to be sent, as Config.MaxQueue counts them.
func (s *Session) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.bytes
}

// Done is closed when the session has ended: its connection is closed and its
// subscriptions are gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// Cause returns why the session ends or has ended, and nil while it lives.
func (s *Session) Cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Send queues a packet. It never blocks. The error is ErrClosed, also when this
// packet was too much.
func (s *Session) Send(p hub.Packet) error {
	s.mu.Lock()
	err := s.enqueue(item{packet: p})
	s.mu.Unlock()
	return s.settle(err)
}

// Message sends data to this client alone. It answers as Send does.
func (s *Session) Message(data []byte, contentType string) error {
	return s.Send(s.Codec.Message(data, contentType))
}

// Ready is called by the transport when it has room again. It does not block, and
// may be called by anyone, with any lock held.
func (s *Session) Ready() { go s.flush() }

// Close ends the session for the given cause; only the first one counts. It does
// not block: Done tells the end. What was queued is still sent if that takes two
// seconds at most, unless the cause is ErrSlowConsumer or ErrTakenOver.
func (s *Session) Close(cause error) {
	s.end(cause, errors.Is(cause, ErrSlowConsumer) || errors.Is(cause, ErrTakenOver))
}

// Lost is Close when the connection has ended already: nothing of what was queued is
// sent any more. It may be called after Close as well, which then waits no longer.
func (s *Session) Lost(cause error) { s.end(cause, true) }

// Abort ends the session's connection at once, without a word to the client.
// It does not block.
func (s *Session) Abort() {
	s.Lost(ErrShutdown)
	s.Transport.Abort()
}

func (s *Session) end(cause error, atOnce bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if atOnce {
		s.queue.clear()
	}
	if s.cause != nil {
		return
	}
	s.cause = cause
	drained := s.queue.drained()
	subs, leaving := s.subs.endAll()
	go s.finish(cause, drained, subs, leaving, s.tasks)
}

// finish does the part of the end that blocks. The subscriptions go before the
// connection does, so that a client which comes back does not wait for its old connection.
func (s *Session) finish(cause error, drained <-chan struct{}, subs []*subscription, leaving []*stay, t *tasks) {
	defer close(s.done)
	flush := time.NewTimer(flushTime)
	defer flush.Stop()
	select {
	case <-drained:
	case <-flush.C:
	}
	t.end()
	for _, sub := range subs {
		s.leaveHub(sub)
	}
	// Who comes back may enter again, and is not to be overtaken.
	for _, st := range leaving {
		<-st.left
	}
	if s.Lobby != nil && resumable(cause) {
		s.Lobby.wait(s, subs)
	} else {
		for _, sub := range subs {
			s.leavePresence(sub)
		}
	}
	s.letGo()
	s.Transport.Close(cause)
}

// letGo tells those who wait that the subscriptions are given up.
func (s *Session) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs.gone = true
	if s.going != nil {
		close(s.going)
	}
}

// awaitGone waits until the subscriptions of a session that ends are given up.
func (s *Session) awaitGone() {
	s.mu.Lock()
	if s.going == nil && !s.subs.gone {
		s.going = make(chan struct{})
	}
	gone, going := s.subs.gone, s.going
	s.mu.Unlock()
	if !gone {
		<-going
	}
}
