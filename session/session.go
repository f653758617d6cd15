// Package session is one client, whatever language it speaks: its identity, its
// subscriptions, and the bounded queue of what is to be sent to it. It knows no
// wire format; a [Transport] and a [Codec] of a protocol package do.
package session

import (
	"crypto/rand"
	"encoding/hex"
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

	// leaveTime bounds the call that ends one of its subscriptions.
	leaveTime = 5 * time.Second
)

// A Transport carries encoded messages to one client.
type Transport interface {
	// Send sends packets in their order. It blocks until all are handed to the
	// network, and is called by one goroutine at a time. The packets are shared with
	// other sessions. After an error the session ends.
	Send(packets []hub.Packet) error

	// Close tells the client why its session ends, as far as that can still be
	// sent, and ends the connection. A Send that is blocked returns soon after.
	// It is called once and blocks for a few seconds at most.
	Close(cause error)

	// Abort ends the connection at once. It may be called at any time.
	Abort()
}

// A Codec encodes what sessions of one wire format share, as packets that the
// Transport understands. A codec is used by many goroutines at once.
type Codec interface {
	// Format names the wire format. Two codecs of the same name encode alike.
	Format() hub.Format

	// Publication returns p as it goes to a subscriber.
	Publication(p *hub.Publication) hub.Packet
}

// Config says what a session stands on.
type Config struct {
	Hub       *hub.Hub
	Transport Transport
	Codec     Codec

	// MaxQueue bounds the messages that wait to be sent or are being sent, in
	// bytes. Zero means 1 MiB. A session that exceeds it ends with ErrSlowConsumer.
	MaxQueue int

	// MaxSubscriptions bounds the channels subscribed to. Zero means 128.
	MaxSubscriptions int
}

// A Session is one client. All methods may be called at once by many goroutines.
// Lock order: hub, then mu. No method of the hub or the transport is called
// while mu is held.
type Session struct {
	// Constant after New.
	id string
	Config

	mu            sync.Mutex
	queue         outbox
	subscriptions map[string]*subscription
	cause         error // why the session ends; nil while it lives

	done chan struct{} // closed exactly once, by finish
}

// New returns a live session with a random id of 128 bits. Its owner calls Close
// at the end and waits for Done.
func New(config Config) *Session {
	if config.MaxQueue == 0 {
		config.MaxQueue = 1 << 20
	}
	if config.MaxSubscriptions == 0 {
		config.MaxSubscriptions = 128
	}
	var id [16]byte
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return &Session{
		id:            hex.EncodeToString(id[:]),
		Config:        config,
		subscriptions: make(map[string]*subscription),
		done:          make(chan struct{}),
	}
}

// ID returns the name of the session, which nobody can guess.
func (s *Session) ID() string { return s.id }

// Done is closed when the session has ended: its connection is closed, its
// subscriptions are gone and its goroutines have returned.
func (s *Session) Done() <-chan struct{} { return s.done }

// Cause returns why the session ends or has ended, and nil while it lives.
func (s *Session) Cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Send queues a packet. It never blocks. The error is ErrClosed, also when this message was too much.
func (s *Session) Send(p hub.Packet) error {
	s.mu.Lock()
	err := s.push(p)
	s.mu.Unlock()
	return s.settle(err)
}

// Close ends the session for the given cause; only the first one counts. It does
// not block: Done tells the end. What was queued is still sent if that takes two
// seconds at most, unless the cause is ErrSlowConsumer.
func (s *Session) Close(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	if errors.Is(cause, ErrSlowConsumer) {
		s.queue.drop()
	}
	go s.finish(cause, s.queue.drained(), s.leaveAll())
}

// finish does the part of Close that blocks.
func (s *Session) finish(cause error, drained <-chan struct{}, subs []*subscription) {
	defer close(s.done)
	if !errors.Is(cause, ErrSlowConsumer) {
		flush := time.NewTimer(flushTime)
		defer flush.Stop()
		select {
		case <-drained:
		case <-flush.C:
		}
	}
	s.Transport.Close(cause)
	<-drained
	for _, sub := range subs {
		s.leave(sub)
	}
}

// Abort ends the session's connection at once, without a word to the client.
// It does not block.
func (s *Session) Abort() {
	s.Close(ErrShutdown)
	s.Transport.Abort()
}
