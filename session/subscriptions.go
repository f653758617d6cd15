package session

import (
	"slices"

	"github.com/seed-15847954/ropewalk/hub"
)

// indexFrom is how many subscriptions a session has before it keeps a map of them:
// most have one or two.
const indexFrom = 8

// subscriptions are those of a session. It is guarded by Session.mu.
type subscriptions struct {
	list    []*subscription
	index   map[Target]*subscription // nil while there are few
	held    int                      // bytes that those which are joining hold
	lagging int32
	leaving *stay // the latest of those that were removed and have not left presence yet
	gone    bool  // they were ended, and given up in the hub
}

func (l *subscriptions) find(t Target) *subscription {
	if l.index != nil {
		return l.index[t]
	}
	for _, sub := range l.list {
		if sub.target == t {
			return sub
		}
	}
	return nil
}

func (l *subscriptions) add(sub *subscription) {
	l.list = append(l.list, sub)
	if l.index == nil && len(l.list) > indexFrom {
		l.index = make(map[Target]*subscription)
		for _, sub := range l.list {
			l.index[sub.target] = sub
		}
	}
	if l.index != nil {
		l.index[sub.target] = sub
	}
}

// remove takes sub, which has ended, out. It may be out already.
func (l *subscriptions) remove(sub *subscription) {
	if sub.phase == gone {
		return
	}
	if sub.phase == lagging {
		l.lagging--
	}
	l.unhold(sub)
	sub.phase = gone
	if sub.stay != nil {
		sub.stay.earlier = l.leaving
		l.leaving = sub.stay
	}
	i := slices.Index(l.list, sub)
	l.list = slices.Delete(l.list, i, i+1)
	delete(l.index, sub.target)
}

// stillLeaving returns the last stay in a channel that is not over yet, or nil.
func (l *subscriptions) stillLeaving(channel string) *stay {
	st := l.leaving
	for st != nil && st.channel != channel {
		st = st.earlier
	}
	return st
}

// left takes out a stay that is over.
func (l *subscriptions) left(st *stay) {
	for at := &l.leaving; *at != nil; at = &(*at).earlier {
		if *at == st {
			*at = st.earlier
			return
		}
	}
}

// endAll ends every subscription. It returns them, and the stays of earlier ones that
// are not over yet.
func (l *subscriptions) endAll() (subs []*subscription, leaving []*stay) {
	subs = l.list
	for st := l.leaving; st != nil; st = st.earlier {
		leaving = append(leaving, st)
	}
	for _, sub := range subs {
		sub.phase, sub.merging = gone, nil
	}
	*l = subscriptions{}
	return subs, leaving
}

// hold keeps p until its subscription, which is joining, is live, if all of the
// session hold no more than limit bytes.
func (l *subscriptions) hold(sub *subscription, p *hub.Publication, limit int) {
	m := sub.merging
	size := len(p.Data) + itemOverhead
	if m.overflow || l.held+size > limit {
		l.held -= m.bytes
		*m = merging{overflow: true}
		return
	}
	m.held = append(m.held, p)
	m.bytes += size
	l.held += size
}

// unhold returns what is held, and whether that is not all since there was too much.
func (l *subscriptions) unhold(sub *subscription) (held []*hub.Publication, overflow bool) {
	m := sub.merging
	if m == nil {
		return nil, false
	}
	sub.merging = nil
	l.held -= m.bytes
	return m.held, m.overflow
}
