package service

import (
	"context"
	"errors"
	"os"
	"sync"
)

// A Group is several servers that are one.
type Group struct {
	// Members are its servers that keep something, and Watchers those that they need besides.
	Members, Watchers []*Process
}

// Discard ends all of them and removes their folders.
func (g *Group) Discard() {
	for _, p := range append(g.Watchers, g.Members...) {
		p.Discard()
	}
}

// newGroup makes a group of servers that do not run yet.
func newGroup(n int, one func(i int) (*Process, error)) (*Group, error) {
	g := new(Group)
	for i := range n {
		p, err := one(i)
		if err != nil {
			g.remove()
			return nil, err
		}
		g.Members = append(g.Members, p)
	}
	return g, nil
}

// remove removes the folders of servers that never ran.
func (g *Group) remove() {
	for _, p := range g.Members {
		_ = os.RemoveAll(p.Dir)
	}
}

// startAtOnce starts servers that wait for each other.
func (g *Group) startAtOnce(ctx context.Context) error {
	errs := make([]error, len(g.Members))
	var all sync.WaitGroup
	for i, p := range g.Members {
		all.Go(func() { errs[i] = p.Start(ctx) })
	}
	all.Wait()
	err := errors.Join(errs...)
	if err != nil {
		g.Discard()
	}
	return err
}

// startInTurn starts servers of which each joins those before.
func (g *Group) startInTurn(ctx context.Context) error {
	for i, p := range g.Members {
		if err := p.Start(ctx); err != nil {
			for _, before := range g.Members[:i] {
				before.Kill()
			}
			g.remove()
			return err
		}
	}
	return nil
}
