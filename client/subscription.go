package client

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// A target is what a subscription is to: a channel, or a pattern.
type target struct {
	name    string
	pattern bool
}

func (t target) unsubscribe() unsubscribeRequest {
	if t.pattern {
		return unsubscribeRequest{Pattern: t.name}
	}
	return unsubscribeRequest{Channel: t.name}
}

// SubscribeOptions say where a subscription begins and what it hears.
type SubscribeOptions struct {
	// From is a position to go on from. Nil means to begin with what is published
	// from now on, or with Latest.
	From *Position

	// Latest is how many publications of the history to begin with.
	Latest int

	// Joins has joins and leaves told.
	Joins bool

	// Pattern makes the name of the channel a pattern: "*" stands for any characters but
	// a dot, "**" for any. There is no history for it, and no Lost: what is
	// published while the client is away does not come.
	Pattern bool
}

// A state is where a subscription is with the server.
type state uint8

const (
	idle  state = iota // not asked for over this connection
	asked              // the answer is to come
	live               // publications come
)

// A Subscription is one channel or pattern that the client follows. All methods
// may be called at once by many goroutines; each event is for one of them.
type Subscription struct {
	// Constant after Subscribe.
	client  *Client
	target  target
	options SubscribeOptions

	// Guarded by Client.mu.
	state state
	asks  int       // how often it was asked for; the answer to the last one counts
	last  *Position // of the last event; nil until the first answer
	queue []Event
	err   error         // why it has ended
	wake  chan struct{} // has room for one: something was queued, or it has ended
}

// Subscribe follows a channel from now on, through all connections, until
// Unsubscribe. It does not block: the first event is *Subscribed. The error is
// ErrSubscribed, ErrClosed, or why the client does not come back.
func (c *Client) Subscribe(channel string, o *SubscribeOptions) (*Subscription, error) {
	s := &Subscription{client: c, wake: make(chan struct{}, 1)}
	if o != nil {
		s.options = *o
	}
	s.target = target{channel, s.options.Pattern}
	if s.options.From != nil && !s.options.Pattern {
		from := *s.options.From
		s.last = &from
	}
	c.mu.Lock()
	switch {
	case c.err != nil:
		defer c.mu.Unlock()
		return nil, c.err
	case c.subs[s.target] != nil:
		defer c.mu.Unlock()
		return nil, fmt.Errorf("%w: %q", ErrSubscribed, channel)
	}
	c.subs[s.target] = s
	l := c.link
	c.mu.Unlock()
	if l != nil {
		c.resubscribe(l, s)
	}
	return s, nil
}

// Channel returns the channel's name, or the pattern.
func (s *Subscription) Channel() string { return s.target.name }

// Position returns that of the last event, and whether there is one.
func (s *Subscription) Position() (Position, bool) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.last == nil {
		return Position{}, false
	}
	return *s.last, true
}

// Unsubscribe ends the subscription. Events that wait are dropped.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	c := s.client
	c.mu.Lock()
	if c.subs[s.target] != s {
		c.mu.Unlock()
		return nil
	}
	l, state := c.link, s.state
	s.end(ErrClosed)
	s.queue = nil
	c.room.Broadcast()
	c.mu.Unlock()
	if l == nil || state == idle {
		return nil
	}
	return l.send(ctx, "unsubscribe", s.target.unsubscribe(), func(*message) {})
}

// Next returns the next event. It blocks until there is one. The error is the
// context's, or why the subscription has ended: ErrClosed, an *Error of the server, or
// why the client does not come back. Events that came before the end come first.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		if e, err := s.pop(); e != nil || err != nil {
			return e, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Events returns an iterator over the events until ctx ends or the subscription
// does; the last pair is the error, but ErrClosed only ends it.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.Next(ctx)
			if err == ErrClosed || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *Subscription) pop() (Event, error) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if len(s.queue) == 0 {
		if s.err != nil {
			s.notify() // for others who wait
		}
		return nil, s.err
	}
	e := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if len(s.queue) == s.client.options.Queue-1 {
		s.client.room.Broadcast()
	}
	if len(s.queue) > 0 {
		s.notify()
	}
	return e, nil
}

// push queues an event. mu is held.
func (s *Subscription) push(e Event) {
	if s.err != nil {
		return
	}
	s.queue = append(s.queue, e)
	s.notify()
}

func (s *Subscription) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// end ends the subscription, once. mu is held.
func (s *Subscription) end(err error) {
	if s.err == nil {
		s.err = err
		s.state = idle
	}
	if s.client.subs[s.target] == s {
		delete(s.client.subs, s.target)
	}
	s.notify()
}

// request asks for the subscription from where it is. mu is held.
func (s *Subscription) request() subscribeRequest {
	if s.target.pattern {
		return subscribeRequest{Pattern: s.target.name}
	}
	r := subscribeRequest{Channel: s.target.name, Joins: s.options.Joins}
	if s.last == nil {
		r.Latest = uint32(max(s.options.Latest, 0))
		return r
	}
	from := *s.last
	r.From = &from
	return r
}

// resubscribe asks for s unless that was done. An error is the end of the
// connection, which asks again.
func (c *Client) resubscribe(l *link, s *Subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.ConnectTimeout)
	defer cancel()
	if err := c.ask(ctx, l, s); err != nil {
		_ = l.conn.CloseNow()
	}
}

func (c *Client) ask(ctx context.Context, l *link, s *Subscription) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return c.askNow(ctx, l, s)
}

// askNow is ask with l.sending held, so that no Unsubscribe is sent between the decision to
// ask and the asking.
func (c *Client) askNow(ctx context.Context, l *link, s *Subscription) error {
	c.mu.Lock()
	if s.state != idle || s.err != nil || c.link != l {
		c.mu.Unlock()
		return nil //nolint:nilerr // an end is no failure to ask
	}
	s.state = asked
	s.asks++
	asks, request := s.asks, s.request()
	c.mu.Unlock()
	return l.transmit(ctx, "subscribe", request, func(m *message) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s.asks == asks {
			c.answered(l, s, m.Subscribe, m.Error)
		}
	})
}

// retryTime is how long to wait before a subscription that was refused for the
// moment is asked for again.
const retryTime = time.Second

// answered takes the answer to subscribe. mu is held.
func (c *Client) answered(l *link, s *Subscription, m *subscribed, refused *Error) {
	switch {
	case s.err != nil:
		return
	case refused != nil && refused.Retry:
		s.state = idle
		time.AfterFunc(retryTime, func() { c.resubscribe(l, s) })
		return
	case refused != nil:
		s.end(refused)
		return
	case m == nil:
		s.end(&Error{Code: "bad_answer", Message: "the server's answer to subscribe has no position"})
		return
	}
	s.state = live
	if s.target.pattern {
		s.push(&Subscribed{})
		return
	}
	recovered := m.Recovered != nil && *m.Recovered
	if s.last != nil && (!recovered || s.last.Epoch != m.Position.Epoch) {
		s.push(&Lost{Since: *s.last, Reason: m.Reason})
	}
	pos := m.Position
	s.last = &pos
	s.push(&Subscribed{Position: pos, Recovered: recovered})
}

// publication queues one, if it continues what the subscription has.
func (c *Client) publication(l *link, p *publication) {
	t := target{p.Channel, false}
	if p.Pattern != "" {
		t = target{p.Pattern, true}
	}
	c.take(l, t, p.Position, p.Prev, func() Event { return p.event() })
}

func (c *Client) skip(l *link, m *skip) {
	c.take(l, target{m.Channel, false}, m.Position, m.Prev, func() Event {
		return &Skipped{Position: m.Position, Prev: m.Prev, Reason: m.Reason}
	})
}

// take queues an event that lies behind prev at pos. Where the chain is broken the
// subscription begins anew from its last position.
func (c *Client) take(l *link, t target, pos Position, prev uint64, event func() Event) {
	c.mu.Lock()
	s := c.subs[t]
	if s == nil || s.state != live {
		c.mu.Unlock()
		return
	}
	if !t.pattern && (s.last.Epoch != pos.Epoch || s.last.Offset != prev) {
		c.mu.Unlock()
		c.again(l, s)
		return
	}
	if !t.pattern {
		s.last = &pos
	}
	s.push(event())
	c.awaitRoom(l, s)
	c.mu.Unlock()
}

// awaitRoom blocks the goroutine that reads while the queue of s is full. An answer
// that somebody waits for may stand behind what is read next, and that somebody may
// be the one who empties the queue. mu is held.
func (c *Client) awaitRoom(l *link, s *Subscription) {
	for len(s.queue) >= c.options.Queue && s.err == nil && c.err == nil && len(l.pending) == 0 {
		c.room.Wait()
	}
}

// again ends the subscription at the server and subscribes anew, unless the program has
// ended it meanwhile.
func (c *Client) again(l *link, s *Subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.ConnectTimeout)
	defer cancel()
	if err := c.renew(ctx, l, s); err != nil {
		_ = l.conn.CloseNow()
	}
}

func (c *Client) renew(ctx context.Context, l *link, s *Subscription) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	c.mu.Lock()
	ended := s.err != nil
	s.state = idle
	c.mu.Unlock()
	if ended {
		return nil // the one who ended it has told the server
	}
	if err := l.transmit(ctx, "unsubscribe", s.target.unsubscribe(), func(*message) {}); err != nil {
		return err
	}
	return c.askNow(ctx, l, s)
}

// change queues a join or a leave.
func (c *Client) change(l *link, channel string, e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subs[target{channel, false}]
	if s == nil || s.state != live {
		return
	}
	s.push(e)
	c.awaitRoom(l, s)
}

// begun takes a subscription that the server has made, which may have come before one of the
// client's own: that is begun anew where it would go on from another position.
func (c *Client) begun(l *link, m *subscribed) {
	t := target{m.Channel, false}
	if m.Pattern != "" {
		t = target{m.Pattern, true}
	}
	c.mu.Lock()
	s := c.subs[t]
	isNew := s == nil
	switch {
	case isNew && (c.options.OnSubscribed == nil || c.err != nil):
		c.mu.Unlock()
		return
	case isNew:
		s = &Subscription{client: c, target: t, wake: make(chan struct{}, 1)}
		c.subs[t] = s
	}
	s.asks++
	if s.last != nil && *s.last != m.Position {
		s.state = asked // whoever ends it meanwhile has to tell the server
		c.mu.Unlock()
		c.again(l, s)
		return
	}
	c.answered(l, s, m, nil)
	c.mu.Unlock()
	if isNew {
		c.options.OnSubscribed(s)
	}
}

// unsubscribed takes the end of a subscription by the server. One that is not live has not
// been answered: its end is that of an earlier one to the same channel.
func (c *Client) unsubscribed(l *link, m *unsubscribed) {
	t := target{m.Channel, false}
	if m.Pattern != "" {
		t = target{m.Pattern, true}
	}
	c.mu.Lock()
	s := c.subs[t]
	if s == nil || s.state != live {
		c.mu.Unlock()
		return
	}
	s.state = idle
	if !m.Retry {
		refused := m.Error
		s.end(&refused)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.resubscribe(l, s)
}
