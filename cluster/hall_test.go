package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/hub"
)

// A hall is a bus in this process.
type hall struct {
	mu    sync.Mutex
	seats []*seat
}

// A seat is what one node has of it.
type seat struct {
	hall *hall

	// Guarded by hall.mu.
	hear func(message []byte)
	deaf bool                      // nothing is heard
	mute bool                      // nothing is taken
	lose func(message []byte) bool // unless nil: what is not heard here
}

var errHall = errors.New("the bus takes nothing")

func (h *hall) seat() *seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &seat{hall: h}
	h.seats = append(h.seats, s)
	return s
}

func (s *seat) Broadcast(_ context.Context, message []byte) error {
	if len(message) == 0 || len(message) > MaxMessage {
		return fmt.Errorf("a message of %d bytes", len(message))
	}
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	if s.mute {
		return errHall
	}
	for _, other := range s.hall.seats {
		if other.hear != nil && !other.deaf && (other.lose == nil || !other.lose(message)) {
			other.hear(message)
		}
	}
	return nil
}

func (s *seat) Listen(_ context.Context, hear func(message []byte)) error {
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	s.hear = hear
	return nil
}

// set changes what the bus does with this seat.
func (s *seat) set(change func(s *seat)) {
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	change(s)
}

// A member of the tests is a node with what its subscribers were told.
type node struct {
	*Cluster
	*seat
	t *testing.T

	mu   sync.Mutex
	told map[string]int // joins without the leaves, by client
	text []string       // of all, such as +a and -a
}

func (h *hall) node(t *testing.T, name string, answer func(ctx context.Context, method string, request []byte) ([]byte, error)) *node {
	t.Helper()
	n := &node{seat: h.seat(), t: t, told: make(map[string]int)}
	n.Cluster = New(Config{Node: name, Version: "1", Bus: n.seat, Changed: n.changed, Answer: answer, Log: slog.New(slog.DiscardHandler)})
	if err := n.Start(t.Context(), name+":80"); err != nil {
		t.Fatal(err)
	}
	return n
}

// changed checks that joins and leaves of a client alternate.
func (n *node) changed(channel string, c *hub.PresenceChange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sign, step := "+", 1
	if c.Left {
		sign, step = "-", -1
	}
	key := channel + " " + c.Member.Client
	n.told[key] += step
	n.text = append(n.text, sign+c.Member.Client)
	if there := n.told[key]; there < 0 || there > 1 {
		n.t.Errorf("%s is told of %s%s, and has been told of %d joins more than leaves", n.config.Node, sign, key, there-step)
	}
}

func (n *node) heard() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.text...)
}

func (n *node) enter(channel, client string) {
	n.t.Helper()
	if err := n.Enter(n.t.Context(), channel, hub.Member{Client: client, User: "user of " + client, Info: []byte(`"` + client + `"`)}, true); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) leave(channel, client string) {
	n.t.Helper()
	if err := n.Leave(n.t.Context(), channel, client, true); err != nil {
		n.t.Fatal(err)
	}
}

// present returns who is in a channel, in their order.
func (n *node) present(channel string) []string {
	n.t.Helper()
	members, more, err := n.Members(n.t.Context(), channel, "", 1e6)
	if err != nil || more {
		n.t.Fatalf("more: %v, %v", more, err)
	}
	names := []string{}
	for _, m := range members {
		if string(m.Info) != `"`+m.Client+`"` || m.User != "user of "+m.Client {
			n.t.Errorf("%s is %q with %s", m.Client, m.User, m.Info)
		}
		names = append(names, m.Client)
	}
	clients, users, err := n.Count(n.t.Context(), channel)
	if err != nil || clients != len(names) || users != len(names) {
		n.t.Errorf("%d clients of %d users are counted, want %d, %v", clients, users, len(names), err)
	}
	return names
}
