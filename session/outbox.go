package session

import (
	"errors"

	"github.com/seed-15847954/ropewalk/hub"
)

// messageOverhead is added to the size of each queued message, so that empty ones
// are bounded as well. It is what a slice and its place in an array take.
const messageOverhead = 48

// errOverflow means that a message does not fit.
var errOverflow = errors.New("outbound queue is full")

// An outbox is the queue of messages to a client. It is guarded by Session.mu.
type outbox struct {
	messages []hub.Packet
	bytes    int // of messages and of the batch that is being sent

	// writing says that a goroutine is in Session.write. There is none while
	// nothing is queued, for most sessions are idle most of the time.
	writing bool

	// empty is closed when that goroutine ends. Nil unless somebody waits.
	empty chan struct{}
}

func (q *outbox) drop() {
	for _, m := range q.messages {
		q.bytes -= size(m)
	}
	q.messages = nil
}

// drained returns a channel that is closed when nothing is being sent any more.
// It is called once, when nothing more is queued.
func (q *outbox) drained() <-chan struct{} {
	q.empty = make(chan struct{})
	if !q.writing {
		close(q.empty)
	}
	return q.empty
}

func size(message hub.Packet) int { return message.Size() + messageOverhead }

// push queues b and starts the writer where there is none. It is called with mu held.
// When it returns errOverflow the caller calls settle without mu.
func (s *Session) push(b hub.Packet) error {
	if s.cause != nil {
		return ErrClosed
	}
	q := &s.queue
	if q.bytes+size(b) > s.MaxQueue {
		return errOverflow
	}
	q.bytes += size(b)
	q.messages = append(q.messages, b)
	if !q.writing {
		q.writing = true
		go s.write()
	}
	return nil
}

// settle ends a session whose queue has overflowed. It is called without mu.
func (s *Session) settle(err error) error {
	if errors.Is(err, errOverflow) {
		s.Close(ErrSlowConsumer)
		return ErrClosed
	}
	return err
}

// write sends what is queued, in batches, until nothing is. One at a time runs;
// the session's end waits for it.
func (s *Session) write() {
	var batch []hub.Packet
	for {
		batch = s.next(batch)
		if batch == nil {
			return
		}
		if err := s.Transport.Send(batch); err != nil {
			s.fail(err)
		}
	}
}

// fail ends the session after a Send has failed: nothing more can be sent.
func (s *Session) fail(err error) {
	s.Close(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.drop()
}

// next takes what is queued in exchange for the batch that was sent, whose array
// is used again. It returns nil, and the writer ends, when nothing is queued.
func (s *Session) next(sent []hub.Packet) []hub.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queue
	for i, m := range sent {
		q.bytes -= size(m)
		sent[i] = nil
	}
	if len(q.messages) == 0 {
		q.messages, q.writing = nil, false
		if q.empty != nil {
			close(q.empty)
		}
		return nil
	}
	batch := q.messages
	q.messages = sent[:0]
	return batch
}
