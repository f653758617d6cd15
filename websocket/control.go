package websocket

import "github.com/seed-15847954/ropewalk/websocket/frame"

// maxPongs bounds the pongs that wait to be sent. RFC 6455, section 5.5.3: of
// several pings that wait, only the latest needs an answer.
const maxPongs = 16

// A controlQueue holds the control frames that wait to be sent. Whoever has the
// turn to send takes them along; if nobody has, a goroutine of the connection
// does, so that the reader never waits for a peer that does not read.
type controlQueue struct {
	pongs [][]byte    // payloads, at most maxPongs
	ping  bool        // a Ping of the keepalive
	close *CloseError // a Close frame with its code and reason
	last  bool        // close stands behind the messages that wait
}

func (q *controlQueue) empty() bool {
	return q == nil || len(q.pongs) == 0 && !q.ping && q.close == nil
}

// queuePong answers a Ping. RFC 6455, section 5.5.3: with the same payload.
func (c *Conn) queuePong(payload []byte) {
	c.queueControl(func(q *controlQueue) {
		if len(q.pongs) == maxPongs {
			copy(q.pongs, q.pongs[1:])
			q.pongs = q.pongs[:maxPongs-1]
		}
		q.pongs = append(q.pongs, append([]byte(nil), payload...))
	})
}

func (c *Conn) queuePing() {
	c.queueControl(func(q *controlQueue) { q.ping = true })
}

// queueClose queues a Close frame; last has it stand behind the messages that wait.
func (c *Conn) queueClose(e *CloseError, last bool) {
	c.queueControl(func(q *controlQueue) {
		if q.close == nil { // the first is the one that counts
			q.close = e
		}
		q.last = last
	})
}

// queueControl changes the queue and sees to it that it is sent.
func (c *Conn) queueControl(change func(*controlQueue)) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.control == nil {
		o.control = new(controlQueue)
	}
	change(o.control)
	if !o.busy {
		c.passLocked()
	}
}

// appendControl appends the frames that wait and empties the queue. It returns
// the bytes and how many of them are control frames. The caller has the turn.
func (c *Conn) appendControl(b []byte) ([]byte, int) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.appendControlLocked(b)
}

// appendControlLocked is appendControl for who holds mu.
func (c *Conn) appendControlLocked(b []byte) ([]byte, int) {
	o := &c.out
	q := o.control
	if q.empty() {
		return b, 0
	}
	if c.gotClose.happened.Load() && o.enc.Closed() {
		q.pongs = nil // 5.5.2: they are not due any more
	}
	for _, p := range q.pongs {
		b, _ = o.enc.AppendControl(b, frame.Pong, p)
	}
	if q.ping {
		b, _ = o.enc.AppendControl(b, frame.Ping, nil)
	}
	if q.close != nil && q.last && !o.open && o.waiting.first != nil {
		q.pongs, q.ping = nil, false
		return b, len(b)
	}
	if q.close != nil {
		b = o.enc.AppendClose(b, q.close.Code, q.close.Reason)
	}
	o.control = nil
	return b, len(b)
}
