package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// PublishOptions say more about a message.
type PublishOptions struct {
	// ID names the message: two of the same ID are one. Empty means a random one.
	ID string

	// Key says which messages supersede one another for slow subscribers, where the
	// channel conflates.
	Key string

	// Tags are for the subscribers.
	Tags map[string]string

	// ContentType is the media type of the data. Empty means that it is JSON.
	ContentType string

	// Expect, unless nil, is the position that the channel must be at.
	Expect *Position

	// ExcludeSelf keeps the message from this client's own subscriptions.
	ExcludeSelf bool
}

// Published says where a message is.
type Published struct {
	Position `json:"position"`

	// Duplicate says that the ID was known, and Position is that of the first time.
	Duplicate bool `json:"duplicate"`
}

// again is how long to wait before a message is sent once more that the server
// could not publish for the moment.
const again = 200 * time.Millisecond

// Publish publishes data, JSON text unless ContentType says something else. It
// blocks until the server has answered or ctx ends, over more than one connection if
// need be: the message is sent again with the same ID.
//
// The error is an *Error of the server, ErrIndeterminate when ctx has ended
// while nobody knew, the context's when the message was never sent, ErrClosed, or why the
// client does not come back.
func (c *Client) Publish(ctx context.Context, channel string, b []byte, o *PublishOptions) (Published, error) {
	var options PublishOptions
	if o != nil {
		options = *o
	}
	if options.ID == "" {
		options.ID = rand.Text()
	}
	d, err := newData(b, options.ContentType)
	if err != nil {
		return Published{}, err
	}
	request := publishRequest{
		Channel: channel, ID: options.ID, Key: options.Key, Tags: options.Tags,
		data: d, Expect: options.Expect, ExcludeSelf: options.ExcludeSelf,
	}
	maybe := false // the server may have taken it already
	for {
		m, err := c.do(ctx, "publish", request)
		refused, answered := errors.AsType[*Error](err)
		never, unsent := errors.AsType[*neverSentError](err)
		switch {
		case unsent && !maybe:
			return Published{}, never.error
		case err == nil && m.Publish != nil:
			return *m.Publish, nil
		case err == nil:
			return Published{}, errors.New("client: the server's answer to publish has no position")
		case answered && !refused.Retry:
			return Published{}, refused
		case !answered && ctx.Err() != nil:
			return Published{}, fmt.Errorf("%w: %w", ErrIndeterminate, err)
		case !answered:
			return Published{}, err
		}
		maybe = true
		if !sleep(ctx, again) {
			return Published{}, fmt.Errorf("%w: %w", ErrIndeterminate, refused)
		}
	}
}

// HistoryQuery asks for a part of a channel's log.
type HistoryQuery struct {
	// From is where to begin: what lies behind it, or up to it if Reverse. Nil means
	// the oldest end, or the newest.
	From *Position

	// Limit bounds the publications of the page. Zero means what the server likes.
	Limit int

	// Reverse has the newest come first.
	Reverse bool
}

// A HistoryPage is a part of a channel's log.
type HistoryPage struct {
	Top          Position // of the channel's last publication
	Publications []*Publication
	More         bool // there is more in that direction
}

// History returns a part of a channel's log. The error is as that of Publish, but
// never ErrIndeterminate.
func (c *Client) History(ctx context.Context, channel string, q HistoryQuery) (HistoryPage, error) {
	m, err := c.do(ctx, "history", historyRequest{
		Channel: channel, From: q.From, Limit: uint32(max(q.Limit, 0)), Reverse: q.Reverse,
	})
	if err != nil || m.History == nil {
		return HistoryPage{}, orMissing(err, "history")
	}
	page := HistoryPage{Top: m.History.Top, More: m.History.More}
	for i := range m.History.Publications {
		page.Publications = append(page.Publications, m.History.Publications[i].event())
	}
	return page, nil
}

// Presence returns up to limit members of a channel, in the order of their client
// names, from behind after on, and whether there are more. A limit of zero means what
// the server likes. The error is as that of History.
func (c *Client) Presence(ctx context.Context, channel, after string, limit int) (members []Member, more bool, err error) {
	m, err := c.do(ctx, "presence", presenceRequest{Channel: channel, After: after, Limit: uint32(max(limit, 0))})
	if err != nil || m.Presence == nil {
		return nil, false, orMissing(err, "presence")
	}
	return m.Presence.Members, m.Presence.More, nil
}

// PresenceCount returns how many clients are in a channel, and how many users.
// The error is as that of History.
func (c *Client) PresenceCount(ctx context.Context, channel string) (clients, users int, err error) {
	m, err := c.do(ctx, "presence_count", presenceCountRequest{channel})
	if err != nil || m.PresenceCount == nil {
		return 0, 0, orMissing(err, "presence_count")
	}
	return int(m.PresenceCount.Clients), int(m.PresenceCount.Users), nil
}

// Call calls a method of the server with data as Publish takes it, and returns its
// result. It is sent again when the connection is lost before the answer came.
// The error is as that of History.
func (c *Client) Call(ctx context.Context, method string, b []byte, contentType string) (result []byte, resultType string, err error) {
	d, err := newData(b, contentType)
	if err != nil {
		return nil, "", err
	}
	m, err := c.do(ctx, "rpc", rpcRequest{Method: method, data: d})
	if err != nil || m.RPC == nil {
		return nil, "", orMissing(err, "rpc")
	}
	return m.RPC.bytes(), m.RPC.ContentType, nil
}

// Ping returns the time that a command takes to the server and back.
func (c *Client) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	_, err := c.do(ctx, "ping", pingRequest{})
	return time.Since(start), err
}

// orMissing returns err, or says that the reply had no such member.
func orMissing(err error, name string) error {
	if err == nil {
		err = fmt.Errorf("client: the server's answer has no %s", name)
	}
	return err
}
