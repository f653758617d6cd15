package session

import (
	"context"
	"sync"

	"github.com/seed-15847954/ropewalk/hub"
)

// presence is whether a subscription has entered its channel's presence. The lock is
// held around the calls that change that, so that none overtakes another.
type presence struct {
	changing sync.Mutex
	entered  bool
}

// enter adds the client to the channel's presence, where that is kept.
// What goes wrong is the broker's trouble, and does not keep a client from its messages.
func (s *Session) enter(ctx context.Context, sub *subscription) {
	if !sub.options.Presence {
		return
	}
	sub.changing.Lock()
	defer sub.changing.Unlock()
	s.mu.Lock()
	ended := sub.phase == gone
	s.mu.Unlock()
	if ended {
		return
	}
	sub.entered = true // also after an error: it may have come through
	_ = s.Hub.Enter(ctx, sub.target.Channel, hub.Member{Client: s.Identity.Client, User: s.User, Info: s.Info})
}

// leavePresence is for subscriptions that are gone, and enter no more.
func (s *Session) leavePresence(sub *subscription) {
	if sub.handOver() {
		leave(s.Hub, sub.target.Channel, s.Identity.Client)
	}
}

// handOver makes the caller the one who has the client leave, if it has entered.
func (p *presence) handOver() bool {
	p.changing.Lock()
	defer p.changing.Unlock()
	entered := p.entered
	p.entered = false
	return entered
}

func leave(h *hub.Hub, channel, client string) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	_ = h.Leave(ctx, channel, client)
}
