package websocket

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// Check says what is wrong with o, so that a server learns of it before a client
// comes: a subprotocol that is no token, an origin pattern that does not parse, a
// window that does not exist.
func (o *AcceptOptions) Check() error {
	if _, err := o.server(); err != nil {
		return fmt.Errorf("websocket: AcceptOptions: %w", err)
	}
	return nil
}

// CheckOrigin applies the rule by which Accept lets pages connect to another request:
// for endpoints beside the WebSocket that give the same access, such as Server-Sent
// Events. The error says why the origin of r is not allowed, or what is wrong with o. A
// request without Origin passes: it comes from no page, or is a GET of the server's own,
// or one whose answer a page cannot read.
func (o *AcceptOptions) CheckOrigin(r *http.Request) error {
	server, err := o.server()
	if err != nil {
		return err
	}
	return server.CheckOrigin(r)
}

// Checked options are what a handshake goes by, with a copy of the patterns that
// they were made of.
type checkedOptions struct {
	server   handshake.Server
	patterns []string
}

// recentOptions are the latest options that were checked, since most programs use
// a few for all requests. They are found by their contents: so options are plain
// values, which may be copied, made anew for each request, and changed between
// requests.
var (
	recentOptions [8]atomic.Pointer[checkedOptions]
	nextOptions   atomic.Uint32
)

// server gives the options their form for the check, and checks them.
func (o *AcceptOptions) server() (*handshake.Server, error) {
	for i := range recentOptions {
		if c := recentOptions[i].Load(); c != nil && c.is(o) {
			return &c.server, nil
		}
	}
	c, err := o.checked()
	if err != nil {
		return nil, err
	}
	recentOptions[nextOptions.Add(1)%uint32(len(recentOptions))].Store(c)
	return &c.server, nil
}

// is reports whether c was made of options like o.
func (c *checkedOptions) is(o *AcceptOptions) bool {
	return c.server.AnyOrigin == o.InsecureSkipOriginCheck &&
		slices.Equal(c.server.Subprotocols, o.Subprotocols) &&
		slices.Equal(c.patterns, o.OriginPatterns) &&
		o.Compression.isWanted(c.server.Deflate)
}

func (o *AcceptOptions) checked() (*checkedOptions, error) {
	c := &checkedOptions{
		server: handshake.Server{
			Subprotocols: slices.Clone(o.Subprotocols),
			AnyOrigin:    o.InsecureSkipOriginCheck,
			Deflate:      o.Compression.wanted(),
		},
		patterns: slices.Clone(o.OriginPatterns),
	}
	if err := handshake.CheckSubprotocols(c.server.Subprotocols); err != nil {
		return nil, err
	}
	if err := c.server.Deflate.Check(); err != nil {
		return nil, err
	}
	for _, pattern := range c.patterns {
		p, err := handshake.ParseOriginPattern(pattern)
		if err != nil {
			return nil, err
		}
		c.server.Origins = append(c.server.Origins, p)
	}
	return c, nil
}

// wanted gives the options their form for the negotiation.
func (c *Compression) wanted() *handshake.Deflate {
	if c == nil {
		return nil
	}
	return &handshake.Deflate{
		NoContextTakeover:     c.NoContextTakeover,
		PeerNoContextTakeover: c.PeerNoContextTakeover,
		WindowBits:            c.WindowBits,
		PeerWindowBits:        c.PeerWindowBits,
	}
}

// isWanted reports whether d is equal to what wanted returns.
func (c *Compression) isWanted(d *handshake.Deflate) bool {
	if c == nil || d == nil {
		return c == nil && d == nil
	}
	return *c.wanted() == *d
}
