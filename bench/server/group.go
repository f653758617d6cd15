package server

import "sync"

// A Group is the connections that a broadcast goes to. Its methods may be called
// from any goroutine.
type Group[C comparable] struct {
	mu      sync.RWMutex
	members []C
	index   map[C]int // of each member in members
}

// Add makes c a member.
func (g *Group[C]) Add(c C) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.index == nil {
		g.index = make(map[C]int)
	}
	g.index[c] = len(g.members)
	g.members = append(g.members, c)
}

// Remove makes c no member any more.
func (g *Group[C]) Remove(c C) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, ok := g.index[c]
	if !ok {
		return
	}
	last := len(g.members) - 1
	g.members[i] = g.members[last]
	g.index[g.members[i]] = i
	g.members = g.members[:last]
	delete(g.index, c)
}

// Each calls visit for every member. visit must not call Add or Remove.
func (g *Group[C]) Each(visit func(c C)) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, c := range g.members {
		visit(c)
	}
}
