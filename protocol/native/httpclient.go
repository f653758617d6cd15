package native

import (
	"context"
	"errors"
	"sync"
)

// errStreamEnded is how a connection over HTTP has ended that nobody has closed.
var errStreamEnded = errors.New("nobody reads any more")

// An httpClient is a client that reads the answers to requests, and its conversation.
type httpClient struct {
	*carrier // the transport
	talk     conversation
	polls    *polls // nil: one answer takes all along

	taking sync.Mutex // held while a message of the client is taken
}

// newHTTPClient begins a conversation. ctx may end with the connection. The
// caller calls finish when that has ended.
func (h *Handler) newHTTPClient(ctx context.Context, codec codec) *httpClient {
	h.connections.Add(1)
	h.Observer.Opened()
	c := &httpClient{carrier: newCarrier(h.connQueue, codec.disconnect)}
	c.talk.posted = true
	c.talk.start(ctx, h, codec, c)
	return c
}

// take takes a message of commands; one at a time, since they are carried out in order.
func (c *httpClient) take(ctx context.Context, b []byte) {
	c.taking.Lock()
	defer c.taking.Unlock()
	c.talk.handler.Observer.Received(len(b))
	c.talk.receive(ctx, b)
}

// finish ends the conversation of a connection that has ended.
func (c *httpClient) finish(remote string) {
	h := c.talk.handler
	c.Abort()
	cause := c.talk.lost(errStreamEnded)
	h.Log.Debug("connection ended", "remote", remote, "cause", cause)
	h.Observer.Closed(c.closeCode())
	h.connections.Done()
}
