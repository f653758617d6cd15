package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// Errors that callers compare.
var (
	// ErrClosed means that the client was closed.
	ErrClosed = errors.New("client: closed")

	// ErrIndeterminate means that a message was sent and no answer came in time:
	// nobody knows whether it was published. Publishing it again with the same ID
	// settles that.
	ErrIndeterminate = errors.New("client: the publication may or may not have been taken")

	// ErrSubscribed means that the client is subscribed to the channel already.
	ErrSubscribed = errors.New("client: subscribed already")
)

// Options say how a client behaves. The zero value is fine.
type Options struct {
	// Encoding is how messages look on the wire. Empty means JSON.
	Encoding Encoding

	// Info is JSON that presence shows about the client. Nil means none.
	Info json.RawMessage

	// Dial is for the WebSocket; its Subprotocols are the client's business.
	// Nil means the defaults.
	Dial *websocket.DialOptions

	// MinBackoff and MaxBackoff bound the time before the client comes back: a random
	// one up to MinBackoff at first, up to twice as long after each failure, and up
	// to MaxBackoff in the end. A connection that lasted for longer than that begins
	// anew. A time that the server asks for goes before.
	// Zero means 500 milliseconds and 20 seconds.
	MinBackoff, MaxBackoff time.Duration

	// ConnectTimeout bounds each attempt to connect. Zero means 10 seconds.
	ConnectTimeout time.Duration

	// Queue is how many events of a subscription wait for its reader. When there
	// are more the client stops reading from the server, unless it waits for an answer.
	// Zero means 1024.
	Queue int

	// OnConnected is told of each connection, OnDisconnected of its end and of failed
	// attempts, with the time until the next one; a negative time means that
	// there is none. OnMessage gets what the server sends to this client alone.
	// OnSubscribed gets the subscriptions that the server makes of its own accord, which
	// then are like others; without it what comes in them is dropped.
	// Each is called by one goroutine at a time and must not block. Nil means nobody.
	OnConnected    func(c Connected)
	OnDisconnected func(err error, next time.Duration)
	OnMessage      func(data []byte, contentType string)
	OnSubscribed   func(s *Subscription)
}

// Connected tells of a connection.
type Connected struct {
	// Client is the public name of this client, Node that of the server.
	Client, Node string

	// Resumed says that the client is the same one to others as before.
	Resumed bool
}

// A Client is one client of a server, through all of its connections. All methods
// may be called at once by many goroutines.
type Client struct {
	// Constant after New.
	url     string
	options Options
	codec   codec
	cancel  context.CancelFunc
	done    chan struct{} // closed when run has returned

	mu      sync.Mutex
	room    sync.Cond // a queue has room again, or nobody waits for it any more
	subs    map[target]*Subscription
	session string
	link    *link         // nil while there is no connection
	changed chan struct{} // closed when link or err is set
	err     error         // why the client does not come back
}

// New returns a client of the server at a WebSocket URL, which connects at once and
// until Close. The error says what is wrong with the URL or the encoding.
func New(rawURL string, o *Options) (*Client, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return nil, errors.New("client: the URL is not a ws:// or wss:// one")
	}
	c := &Client{
		url:     rawURL,
		done:    make(chan struct{}),
		subs:    make(map[target]*Subscription),
		changed: make(chan struct{}),
	}
	if o != nil {
		c.options = *o
	}
	if c.codec, err = c.options.Encoding.codec(); err != nil {
		return nil, err
	}
	c.options.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.room.L = &c.mu
	go c.run(ctx)
	return c, nil
}

func (o *Options) setDefaults() {
	if o.MinBackoff == 0 {
		o.MinBackoff = 500 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 20 * time.Second
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.Queue == 0 {
		o.Queue = 1024
	}
	if o.OnConnected == nil {
		o.OnConnected = func(Connected) {}
	}
	if o.OnDisconnected == nil {
		o.OnDisconnected = func(error, time.Duration) {}
	}
	if o.OnMessage == nil {
		o.OnMessage = func([]byte, string) {}
	}
}

// Close ends the client: its connection, its subscriptions and the calls that are
// under way. It blocks until all of it has ended, a few seconds at most.
func (c *Client) Close() {
	c.end(ErrClosed)
	c.cancel()
	<-c.done
}

// end makes err the reason why the client does not come back, if there is none.
func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.signal()
	for _, s := range c.subs {
		s.end(err)
	}
	c.room.Broadcast()
}

// signal wakes those who wait for a connection. mu is held.
func (c *Client) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// connection waits for a connection.
func (c *Client) connection(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		l, err, changed := c.link, c.err, c.changed
		c.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("client: not connected: %w", context.Cause(ctx))
		}
	}
}

// A neverSentError says that a command was given up before it was sent.
type neverSentError struct{ error }

func (e *neverSentError) Unwrap() error { return e.error }

// do sends a command and returns its reply. When the connection is lost before
// the reply came it is sent again over the next one: a command that must not be
// carried out twice says so by itself.
func (c *Client) do(ctx context.Context, name string, body any) (*message, error) {
	sent := false
	for {
		l, err := c.connection(ctx)
		if err != nil && !sent {
			return nil, &neverSentError{err}
		}
		if err != nil {
			return nil, err
		}
		reply := make(chan *message, 1)
		err = l.send(ctx, name, body, func(m *message) { reply <- m })
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		sent = true
		select {
		case m := <-reply:
			if m.Error != nil {
				return nil, m.Error
			}
			return m, nil
		case <-l.gone: // soon, where sending has failed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
