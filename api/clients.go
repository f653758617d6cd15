package api

import (
	"context"
	"errors"
	"time"

	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// maxReason bounds, in bytes, the reason that a client is disconnected for: it
// must fit into a Close frame.
const maxReason = 100

// Clients are the clients of a node. All methods may be called at once by many
// goroutines.
type Clients interface {
	// Len returns how many there are.
	Len() int

	// Client returns the client of that public name, or nil.
	Client(name string) Client

	// List returns up to limit clients in the order of their names, from behind
	// after on, and whether there are more. A user, unless empty, leaves out those
	// of others.
	List(user, after string, limit int) (clients []Client, more bool)
}

// A Client is one of them. All methods may be called at once by many goroutines.
type Client interface {
	// Describe says what it is at the moment.
	Describe() Description

	// Subscribe subscribes it to a channel and tells it so. The error is one of
	// package hub's or session's, among them [hub.ErrAlreadySubscribed], and
	// [session.ErrClosed] for one that is not there any more, or not at the moment.
	Subscribe(ctx context.Context, channel string) error

	// Unsubscribe ends that and tells it so. The error is [hub.ErrNotSubscribed] or
	// [session.ErrClosed].
	Unsubscribe(channel string) error

	// Send sends it a message past all channels. It never blocks. The error is
	// [session.ErrClosed].
	Send(data []byte, contentType string) error

	// Disconnect ends it, tells it why, and whether to come back. One that is away is
	// not waited for any longer. It does not block.
	Disconnect(reason string, retry bool)
}

// A Description says what a client is.
type Description struct {
	Name          string
	User          string
	Format        hub.Format
	Since         time.Time
	Subscriptions int
	Queued        int    // bytes that wait to be sent
	LeftOut       int    // publications that were left out because it is slow
	Lagged        int    // times that a subscription was left to history because it is slow
	Away          bool   // its connection was lost, and it may come back
	Info          []byte // JSON text, or empty
}

// nobody is a node without clients.
type nobody struct{}

func (nobody) Len() int                                  { return 0 }
func (nobody) Client(string) Client                      { return nil }
func (nobody) List(string, string, int) ([]Client, bool) { return nil, false }

// connections is Connections with the clients of this node.
func (s *service) connections(_ context.Context, r *apipb.ConnectionsRequest) (*apipb.ConnectionsResponse, error) {
	clients, more := s.Clients.List(r.User, r.After, page(r.Limit))
	answer := &apipb.ConnectionsResponse{More: more}
	for _, c := range clients {
		d := c.Describe()
		answer.Connections = append(answer.Connections, &apipb.Connection{
			Client: d.Name, User: d.User, Format: string(d.Format), Since: d.Since.UnixMilli(),
			Subscriptions: uint64(d.Subscriptions), Queued: uint64(d.Queued), Away: d.Away, Info: d.Info,
			LeftOut: uint64(d.LeftOut), Lagged: uint64(d.Lagged),
		})
	}
	return answer, nil
}

// each calls f for the client of that name, or for all of a user, and returns how
// many it was true for. It is an error when there is no such client, while a
// user may have none. The first error of f ends the walk.
func (s *service) each(client, user string, f func(Client) (bool, error)) (uint64, error) {
	if (client == "") == (user == "") {
		return 0, errorf(BadRequest, "the request needs either client or user")
	}
	if client != "" {
		c := s.Clients.Client(client)
		if c == nil {
			return 0, errorf(NoClient, "no such client is connected")
		}
		return count(0, []Client{c}, f)
	}
	var n uint64
	after := ""
	for {
		clients, more := s.Clients.List(user, after, maxMany)
		var err error
		if n, err = count(n, clients, f); err != nil || !more || len(clients) == 0 {
			return n, err
		}
		after = clients[len(clients)-1].Describe().Name
	}
}

func count(n uint64, clients []Client, f func(Client) (bool, error)) (uint64, error) {
	for _, c := range clients {
		ok, err := f(c)
		if err != nil {
			return n, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}

// subscribe is Subscribe with the clients of this node.
func (s *service) subscribe(ctx context.Context, r *apipb.SubscribeRequest) (*apipb.SubscribeResponse, error) {
	if err := hub.CheckChannel(r.Channel); err != nil {
		return nil, err
	}
	n, err := s.each(r.Client, r.User, func(c Client) (bool, error) {
		err := c.Subscribe(ctx, r.Channel)
		if errors.Is(err, hub.ErrAlreadySubscribed) || errors.Is(err, session.ErrClosed) {
			return false, nil
		}
		return err == nil, err
	})
	return &apipb.SubscribeResponse{Clients: n}, err
}

// unsubscribe is Unsubscribe with the clients of this node.
func (s *service) unsubscribe(_ context.Context, r *apipb.UnsubscribeRequest) (*apipb.UnsubscribeResponse, error) {
	if err := hub.CheckChannel(r.Channel); err != nil {
		return nil, err
	}
	n, err := s.each(r.Client, r.User, func(c Client) (bool, error) {
		err := c.Unsubscribe(r.Channel)
		if errors.Is(err, hub.ErrNotSubscribed) || errors.Is(err, session.ErrClosed) {
			return false, nil
		}
		return err == nil, err
	})
	return &apipb.UnsubscribeResponse{Clients: n}, err
}

// disconnect is Disconnect with the clients of this node.
func (s *service) disconnect(_ context.Context, r *apipb.DisconnectRequest) (*apipb.DisconnectResponse, error) {
	if len(r.Reason) > maxReason {
		return nil, errorf(BadRequest, "reason of %d bytes, the limit is %d", len(r.Reason), maxReason)
	}
	n, err := s.each(r.Client, r.User, func(c Client) (bool, error) {
		c.Disconnect(r.Reason, r.Retry)
		return true, nil
	})
	return &apipb.DisconnectResponse{Clients: n}, err
}

// send is Send with the clients of this node.
func (s *service) send(_ context.Context, r *apipb.SendRequest) (*apipb.SendResponse, error) {
	if err := s.checkData(r.Data, r.ContentType); err != nil {
		return nil, err
	}
	n, err := s.each(r.Client, r.User, func(c Client) (bool, error) {
		return c.Send(r.Data, r.ContentType) == nil, nil
	})
	return &apipb.SendResponse{Clients: n}, err
}
