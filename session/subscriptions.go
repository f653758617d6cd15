package session

import "slices"

// indexFrom is how many subscriptions a session has before it keeps a map of them:
// most have one or two.
const indexFrom = 8

// subscriptions are those of a session. It is guarded by Session.mu.
type subscriptions struct {
	list    []*subscription
	index   map[Target]*subscription // nil while there are few
	lagging int
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
	if sub.phase == lagging {
		l.lagging--
	}
	sub.phase, sub.held, sub.heldBytes = gone, nil, 0
	if i := slices.Index(l.list, sub); i >= 0 {
		l.list = slices.Delete(l.list, i, i+1)
		delete(l.index, sub.target)
	}
}

// endAll ends every subscription and returns those that the hub has to be told of.
// The ones that are still joining tell it themselves.
func (l *subscriptions) endAll() []*subscription {
	var subs []*subscription
	for _, sub := range l.list {
		if sub.phase != joining {
			subs = append(subs, sub)
		}
		sub.phase, sub.held, sub.heldBytes = gone, nil, 0
	}
	*l = subscriptions{}
	return subs
}
