package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// maxFirst bounds the subscriptions that go with connect, in bytes: a server takes
// less from those who have not connected yet.
const maxFirst = 8 << 10

// run keeps the client connected until ctx ends or the server does not want it.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	var backoff time.Duration
	for {
		var lasted time.Duration
		l, err := c.open(ctx)
		if err == nil {
			begin := time.Now()
			err = c.serve(ctx, l)
			lasted = time.Since(begin)
		}
		if ctx.Err() != nil {
			c.options.OnDisconnected(ErrClosed, -1)
			return
		}
		backoff = c.options.following(backoff, lasted)
		wait, again := after(err, backoff)
		if !again {
			c.end(err)
			c.options.OnDisconnected(err, -1)
			return
		}
		c.options.OnDisconnected(err, wait)
		if !sleep(ctx, wait) {
			return
		}
	}
}

// following returns the backoff behind a connection that has lasted so long, or an attempt.
// One that the server ends at once, again and again, is no success.
func (o *Options) following(backoff, lasted time.Duration) time.Duration {
	if lasted > backoff || backoff == 0 {
		return o.MinBackoff
	}
	return min(2*backoff, o.MaxBackoff)
}

// after returns how long to stay away after a connection or an attempt has ended
// with err, and whether to come back at all.
func after(err error, backoff time.Duration) (wait time.Duration, again bool) {
	wait = rand.N(backoff)
	if d, ok := errors.AsType[*Disconnect](err); ok {
		return max(d.After, wait), d.Retry
	}
	if refused, ok := errors.AsType[*Error](err); ok { // of connect
		return wait, refused.Retry
	}
	return wait, true
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// open connects, up to the server's answer, and subscribes to everything anew.
func (c *Client) open(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.ConnectTimeout, errors.New("client: connect timeout"))
	defer cancel()
	var dial websocket.DialOptions
	if c.options.Dial != nil {
		dial = *c.options.Dial
	}
	dial.Subprotocols = []string{c.codec.subprotocol()}
	conn, _, err := websocket.Dial(ctx, c.url, &dial)
	if err != nil {
		return nil, err
	}
	l := newLink(c, conn)
	if err := c.greet(ctx, l); err != nil {
		c.drop(l)
		return nil, err
	}
	return l, nil
}

// drop forgets a connection that has ended or is of no use.
func (c *Client) drop(l *link) {
	_ = l.conn.CloseNow()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = nil
	for _, s := range c.subs {
		s.state = idle
	}
	close(l.gone)
}

// greet exchanges connect and its reply.
func (c *Client) greet(ctx context.Context, l *link) error {
	if l.conn.Subprotocol() != c.codec.subprotocol() {
		return fmt.Errorf("client: the server does not speak %s", c.codec.subprotocol())
	}
	first, rest := c.wanted()
	request := connectRequest{Session: c.session, Info: c.options.Info}
	for _, s := range first {
		request.Subscriptions = append(request.Subscriptions, s.request())
	}
	var reply *message
	if err := l.send(ctx, "connect", request, func(m *message) { reply = m }); err != nil {
		return err
	}
	m, err := l.read(ctx)
	if err != nil {
		return ended(err)
	}
	if l.reply(m); reply == nil || reply.Error == nil && reply.Connect == nil {
		return disconnected(m)
	}
	if reply.Error != nil {
		return reply.Error
	}
	if len(reply.Connect.Subscriptions) != len(first) {
		return errors.New("client: the server's answer to connect has another number of subscriptions")
	}
	if err := c.welcome(ctx, l, reply.Connect, first); err != nil {
		return err
	}
	for _, s := range rest {
		if err := c.ask(ctx, l, s); err != nil {
			return err
		}
	}
	return nil
}

// wanted returns the subscriptions that go with connect, and those that have to follow.
func (c *Client) wanted() (first, rest []*Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 0
	for _, s := range c.subs {
		b, err := json.Marshal(s.request())
		if size += len(b) + 1; err == nil && size <= maxFirst {
			s.state = asked
			first = append(first, s)
			continue
		}
		rest = append(rest, s)
	}
	return first, rest
}

// welcome takes the answer to connect over.
func (c *Client) welcome(ctx context.Context, l *link, m *connected, first []*Subscription) error {
	if err := c.adopt(ctx, l, m, first); err != nil {
		return err
	}
	c.options.OnConnected(Connected{Client: m.Client, Node: m.Node, Resumed: m.Resumed})
	c.mu.Lock()
	for i, s := range first {
		c.answered(l, s, m.Subscriptions[i].Subscribe, m.Subscriptions[i].Error)
	}
	// Whoever has subscribed since wanted looked.
	var late []*Subscription
	for _, s := range c.subs {
		if s.state == idle {
			late = append(late, s)
		}
	}
	c.mu.Unlock()
	for _, s := range late {
		c.resubscribe(l, s)
	}
	return nil
}

// adopt makes l the client's connection, once the server knows which of the subscriptions
// that went with connect the program has ended since: it had no connection to say so.
func (c *Client) adopt(ctx context.Context, l *link, m *connected, first []*Subscription) error {
	first = slices.Clone(first)
	for {
		c.mu.Lock()
		i := slices.IndexFunc(first, func(s *Subscription) bool { return s.err != nil })
		if i < 0 {
			c.session = m.Session
			c.link = l
			c.signal()
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		if err := l.send(ctx, "unsubscribe", first[i].target.unsubscribe(), func(*message) {}); err != nil {
			return err
		}
		first = slices.Delete(first, i, i+1)
	}
}

// serve reads until the connection ends, and returns why.
func (c *Client) serve(ctx context.Context, l *link) error {
	// A reader that waits for room must see the end.
	stop := context.AfterFunc(ctx, func() {
		_ = l.conn.Close(websocket.CloseNormal, "")
		c.room.Broadcast()
	})
	defer stop()
	var err error
	for err == nil {
		var m *message
		if m, err = l.read(context.Background()); err == nil {
			err = c.receive(l, m)
		}
	}
	c.drop(l)
	return ended(err)
}

// receive deals with one message of the server.
func (c *Client) receive(l *link, m *message) error {
	switch {
	case m.ID != 0:
		l.reply(m)
	case m.Publication != nil:
		c.publication(l, m.Publication)
	case m.Skip != nil:
		c.skip(l, m.Skip)
	case m.Join != nil:
		c.change(l, m.Join.Channel, &Joined{m.Join.Member})
	case m.Leave != nil:
		c.change(l, m.Leave.Channel, &Left{m.Leave.Member})
	case m.Subscribed != nil:
		c.begun(l, m.Subscribed)
	case m.Unsubscribed != nil:
		c.unsubscribed(l, m.Unsubscribed)
	case m.Message != nil:
		c.options.OnMessage(m.Message.bytes(), m.Message.ContentType)
	case m.Disconnect != nil:
		return disconnected(m)
	}
	return nil // a later version of the protocol may say more
}

// disconnected returns the error that m, which ends the connection, is.
func disconnected(m *message) error {
	if m.Disconnect == nil {
		return errors.New("client: the server did not answer connect")
	}
	d := m.Disconnect.Disconnect
	d.After = time.Duration(m.Disconnect.After) * time.Millisecond
	return &d
}

// ended turns the end of a connection by a close code of the protocol into a
// Disconnect: a slow consumer, for one, gets no push that says so.
func ended(err error) error {
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || closed.Code < 4000 || closed.Code > 4199 {
		return err
	}
	return &Disconnect{Code: int(closed.Code), Reason: closed.Reason, Retry: closed.Code < 4100}
}
