//go:build linux

// Package channels puts load on servers with channels: clients that subscribe, and
// publications that each of them must get once, in order and as it was published.
package channels

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/seed-15847954/ropewalk/bench/load"
)

// A crowd is the clients of a server. It is used by one goroutine, bound to its
// thread, except where a method says more.
type crowd struct {
	*load.Clients
	*publisher
	dialect *Dialect
	form    *form
	members []*member

	connected, subscribed int // members that are
	received              int // publications, each counted at each member
	skips                 int // that slow readers were told of
	ended                 int // connections that the server ended
	mustStay              int // of the first so many that is an error; 0 means of all

	lost, wrong int // publications that did not come, and that came again or late
	latencies   *load.Latencies

	last remembered
}

// A member is one client.
type member struct {
	conn     *load.Client
	channel  string
	idle     bool      // it connects, and does not subscribe
	session  string    // to come back in
	position *Position // to subscribe from, or where its subscription began
	want     int       // number of the publication that comes next

	isConnected, isSubscribed bool
}

// remembered is the last message that was one publication, to everybody in a channel.
type remembered struct {
	message []byte
	channel string
	seq     int
	at      time.Duration
}

// newCrowd returns one without members. close is to be called at the end.
func newCrowd(addr netip.AddrPort, d *Dialect, size int) (*crowd, error) {
	clients, err := load.NewClients(load.Target{Addr: addr, Path: d.path, Protocol: d.protocol})
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	c := &crowd{Clients: clients, publisher: newPublisher(addr, d), dialect: d, form: newForm(size), latencies: new(load.Latencies)}
	c.Opened, c.Received, c.Ended = c.hello, c.message, c.end
	return c, nil
}

func (c *crowd) close() {
	c.Close()
	c.publisher.close()
	runtime.UnlockOSThread()
}

// waiting is how long clients wait for a server at most.
const waiting = 120 * time.Second

// join adds n members, the i-th of which subscribes to channel(i), and returns when
// all have subscribed; without channel they only connect.
func (c *crowd) join(n int, channel func(i int) string) error {
	first, all := len(c.members), c.subscribed+n
	for i := range n {
		m := &member{idle: channel == nil}
		if channel != nil {
			m.channel = channel(i)
		}
		c.members = append(c.members, m)
	}
	if err := c.Open(first, n); err != nil {
		return err
	}
	if channel == nil {
		return c.Until(waiting, "connect", func() bool { return c.connected == len(c.members) })
	}
	return c.all(all)
}

// all waits until that many have subscribed.
func (c *crowd) all(n int) error {
	return c.Until(waiting, "subscribe", func() bool { return c.subscribed >= n })
}

// subscribe has members that are connected subscribe to channel.
func (c *crowd) subscribe(members []*member, channel string) error {
	n := c.subscribed + len(members)
	for _, m := range members {
		m.idle, m.channel = false, channel
		if err := c.Send(m.conn, c.dialect.opcode, c.dialect.subscribe(channel, nil)); err != nil {
			return err
		}
	}
	return c.all(n)
}

// cut closes all connections without a word.
func (c *crowd) cut() {
	for _, m := range c.members {
		c.Drop(m.conn)
		m.conn, m.isConnected, m.isSubscribed = nil, false, false
	}
	c.connected, c.subscribed = 0, 0
}

func (c *crowd) hello(conn *load.Client) error {
	m := c.members[conn.ID]
	m.conn = conn
	if !c.dialect.first {
		return nil
	}
	return c.Send(conn, c.dialect.opcode, c.dialect.connect(m.session))
}

func (c *crowd) end(conn *load.Client, cause error) error {
	if c.mustStay == 0 || conn.ID < c.mustStay {
		return fmt.Errorf("client %d: %w", conn.ID, cause)
	}
	c.ended++
	c.members[conn.ID].conn = nil
	return nil
}

func (c *crowd) message(conn *load.Client, message []byte) error {
	m := c.members[conn.ID]
	if r := &c.last; m.channel == r.channel && bytes.Equal(message, r.message) {
		return c.publication(m, r.seq, r.at)
	}
	return c.dialect.each(message, func(b []byte) error { return c.one(m, b) })
}

func (c *crowd) one(m *member, b []byte) error {
	switch c.dialect.kind(b) {
	case greeting:
		return c.Send(m.conn, c.dialect.opcode, c.dialect.connect(m.session))
	case ping:
		return c.Send(m.conn, c.dialect.opcode, c.dialect.pong)
	case connected:
		return c.isConnected(m, b)
	case subscribed:
		return c.isSubscribed(m, b)
	case publication:
		return c.publications(m, b)
	case skipped:
		c.skips++
		return nil
	}
	return fmt.Errorf("client of %q got %.300q", m.channel, b)
}

func (c *crowd) isConnected(m *member, b []byte) error {
	if m.isConnected {
		return fmt.Errorf("client of %q was connected twice: %.300q", m.channel, b)
	}
	m.isConnected = true
	c.connected++
	m.session = textOf(b, `"session":"`)
	if m.idle {
		return nil
	}
	return c.Send(m.conn, c.dialect.opcode, c.dialect.subscribe(m.channel, m.position))
}

// isSubscribed notes the position, and takes what was missed where the server sends it in
// the reply.
func (c *crowd) isSubscribed(m *member, b []byte) error {
	if m.isSubscribed {
		return fmt.Errorf("client of %q was subscribed twice: %.300q", m.channel, b)
	}
	m.isSubscribed = true
	c.subscribed++
	if m.position == nil {
		m.position = position(b)
	}
	return c.form.each(b, func(seq int, at time.Duration) error { return c.publication(m, seq, at) })
}

// publications takes what a message holds of them: at least one, of the member's channel.
func (c *crowd) publications(m *member, b []byte) error {
	if !bytes.Contains(b, []byte(m.channel)) {
		return fmt.Errorf("client of %q got %.300q", m.channel, b)
	}
	n := 0
	err := c.form.each(b, func(seq int, at time.Duration) error {
		n++
		c.last.seq, c.last.at = seq, at
		return c.publication(m, seq, at)
	})
	if err == nil && n == 0 {
		err = errDifferent
	}
	if err != nil {
		return fmt.Errorf("client of %q got %.300q: %w", m.channel, b, err)
	}
	c.last.channel, c.last.message = m.channel, c.last.message[:0]
	if n == 1 {
		c.last.message = append(c.last.message, b...)
	}
	return nil
}

func (c *crowd) publication(m *member, seq int, at time.Duration) error {
	c.received++
	c.latencies.Add(c.Now() - at)
	if seq < m.want {
		c.wrong++
		return nil
	}
	c.lost += seq - m.want
	m.want = seq + 1
	return nil
}

// verify returns an error if a publication was lost, came twice or out of order.
func (c *crowd) verify() error {
	if c.lost > 0 || c.wrong > 0 {
		return fmt.Errorf("%d publications were lost, %d came again or out of order", c.lost, c.wrong)
	}
	return nil
}

// textOf returns the text that stands behind name in JSON, or nothing.
func textOf(b []byte, name string) string {
	_, rest, ok := bytes.Cut(b, []byte(name))
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 0 {
		return ""
	}
	return string(rest[:end])
}

// position returns that of a reply to subscribe in JSON, or nil. An offset that is
// missing is 0.
func position(b []byte) *Position {
	epoch := textOf(b, `"epoch":"`)
	if epoch == "" {
		return nil
	}
	p := &Position{Epoch: epoch}
	if _, rest, ok := bytes.Cut(b, []byte(`"offset":`)); ok {
		if err := json.NewDecoder(bytes.NewReader(rest)).Decode(&p.Offset); err != nil {
			return nil
		}
	}
	return p
}
