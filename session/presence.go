package session

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

// A stay is that of a client in the presence of a channel.
type stay struct {
	// Constant.
	channel string
	entered chan struct{} // closed when the call that enters has returned
	left    chan struct{} // closed when the client has left

	// Guarded by Session.mu.
	taken   bool  // somebody has the client leave
	earlier *stay // the next of subscriptions.leaving
}

// enter adds the client to the channel's presence, where that is kept.
// What goes wrong is the broker's trouble, and does not keep a client from its messages.
func (s *Session) enter(ctx context.Context, sub *subscription) {
	if !sub.options.Presence {
		return
	}
	st := &stay{channel: sub.target.Channel, entered: make(chan struct{}), left: make(chan struct{})}
	defer close(st.entered)
	s.mu.Lock()
	before := s.subs.stillLeaving(st.channel)
	ended := sub.phase == gone
	if !ended {
		sub.stay = st
	}
	s.mu.Unlock()
	if before != nil {
		<-before.left // or its leaving would take the client out again
	}
	if !ended {
		_ = s.Hub.Enter(ctx, sub.target.Channel, hub.Member{Client: s.Identity.Client, User: s.User, Info: s.Info})
	}
}

// leavePresence is for subscriptions that are gone, and enter no more.
func (s *Session) leavePresence(sub *subscription) {
	if sub.handOver() {
		leave(s.Hub, sub.target.Channel, s.Identity.Client)
		s.forget(sub.stay)
	}
}

// forget tells those who wait that a stay is over.
func (s *Session) forget(st *stay) {
	close(st.left)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs.left(st)
}

// handOver makes the caller the one who has the client leave, if it has entered, be it
// with an error: that may have come through. The subscription is gone. It blocks while
// the client is entering, so that leaving does not overtake that.
func (sub *subscription) handOver() bool {
	s := sub.session
	s.mu.Lock()
	st := sub.stay
	ok := st != nil && !st.taken
	if ok {
		st.taken = true
	}
	s.mu.Unlock()
	if ok {
		<-st.entered
	}
	return ok
}

func leave(h *hub.Hub, channel, client string) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	_ = h.Leave(ctx, channel, client)
}
