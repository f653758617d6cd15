package session

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

// enter adds the client to the channel's presence, where that is kept.
// What goes wrong is the broker's trouble, and does not keep a client from its messages.
func (s *Session) enter(ctx context.Context, sub *subscription) {
	if !sub.options.Presence {
		return
	}
	entered := make(chan struct{})
	defer close(entered)
	s.mu.Lock()
	ended := sub.phase == gone
	if !ended {
		sub.entered = entered
	}
	s.mu.Unlock()
	if !ended {
		_ = s.Hub.Enter(ctx, sub.target.Channel, hub.Member{Client: s.Identity.Client, User: s.User, Info: s.Info})
	}
}

// leavePresence is for subscriptions that are gone, and enter no more.
func (s *Session) leavePresence(sub *subscription) {
	if sub.handOver() {
		leave(s.Hub, sub.target.Channel, s.Identity.Client)
	}
}

// handOver makes the caller the one who has the client leave, if it has entered, be it
// with an error: that may have come through. The subscription is gone. It blocks while
// the client is entering, so that leaving does not overtake that.
func (sub *subscription) handOver() bool {
	s := sub.session
	s.mu.Lock()
	entered := sub.entered
	sub.entered = nil
	s.mu.Unlock()
	if entered == nil {
		return false
	}
	<-entered
	return true
}

func leave(h *hub.Hub, channel, client string) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	_ = h.Leave(ctx, channel, client)
}
