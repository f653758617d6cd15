package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"
)

const (
	// subscribeBatch is how many channels are subscribed to by one command.
	subscribeBatch = 500

	// maxPause is between one attempt to connect and the next: much less than askTime, in which
	// every node has to hear what another one asks.
	maxPause = 500 * time.Millisecond
)

// A link is the connection over which the subscriptions to one server come.
type link struct {
	l      *links
	addr   string // empty: there is one server, wherever that is
	ctx    context.Context
	cancel context.CancelFunc

	// Guarded by l.mu.
	conn    rueidis.DedicatedClient // nil while there is none
	end     context.CancelCauseFunc // ends it
	process string                  // who is at the other end
}

// errMoved is why a connection is made again whose partitions are not what they were.
var errMoved = errors.New("partitions have moved")

// run keeps a connection.
func (k *link) run() {
	for pause := time.Duration(0); k.ctx.Err() == nil; pause = min(max(2*pause, 50*time.Millisecond), maxPause) {
		began := time.Now()
		err := k.serve()
		if k.ctx.Err() != nil {
			return
		}
		k.l.kick()
		if time.Since(began) > 5*time.Second {
			pause = 0
		}
		k.l.b.config.Log.Warn("redis: subscriptions are interrupted", "server", k.addr, "error", err)
		select {
		case <-time.After(pause):
		case <-k.ctx.Done():
		}
	}
}

// dedicate returns a connection of the link's own.
func (k *link) dedicate() (rueidis.DedicatedClient, func(), error) {
	if k.addr == "" {
		conn, release := k.l.b.client.Dedicate()
		return conn, release, nil
	}
	node := k.l.b.client.Nodes()[k.addr]
	if node == nil {
		return nil, nil, fmt.Errorf("redis: %s is not known to be in the cluster", k.addr)
	}
	conn, release := node.Dedicate()
	return conn, release, nil
}

// serve has one connection for as long as it lasts.
func (k *link) serve() error {
	l := k.l
	conn, release, err := k.dedicate()
	if err != nil {
		return err
	}
	defer release()
	ended := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: l.message, OnSubscription: l.noted})
	info, err := conn.Do(k.ctx, conn.B().Info().Section("server", "replication").Build()).ToString()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(k.ctx) // as long as the connection
	defer cancel(nil)
	l.running.Go(func() {
		select {
		case err := <-ended:
			cancel(err)
		case <-ctx.Done():
		}
	})
	l.mu.Lock()
	_, own := l.feedsAt(k.addr)
	l.mu.Unlock()
	say := own[nodesPlace]
	if say {
		if err := l.ask(ctx, conn, []string{l.b.nodesChannel(), l.b.busChannel()}); err != nil {
			return err
		}
	}
	l.mu.Lock()
	feeds, own := l.feedsAt(k.addr) // what subscribes from now on is no part of them
	k.conn, k.end, k.process = conn, cancel, idOf(info)
	l.signal()
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		k.conn = nil
		l.mu.Unlock()
		conn.Close()
	}()
	if own[nodesPlace] != say {
		return errMoved
	}
	if err := k.check(ctx, own); err != nil {
		return err
	}
	if err := k.resume(ctx, conn, feeds, own); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// check fails if the server at the other end is not the one that serves the places: a master that was
// replaced may be back as a replica. From now on [links.servedBy] sees to that.
func (k *link) check(ctx context.Context, own map[partition]bool) error {
	for p := range own {
		if p == nodesPlace {
			continue
		}
		now, err := k.l.b.processOf(ctx, p)
		if err == nil && now.process != k.process {
			err = errMoved
		}
		return err // the others are where it is
	}
	return nil
}

// resume subscribes again to what there was, and hands over what has come meanwhile.
func (k *link) resume(ctx context.Context, conn rueidis.DedicatedClient, feeds []*feed, own map[partition]bool) error {
	b := k.l.b
	if b.patterns.hearing() {
		for p := range partition(partitions) {
			if !own[p] {
				continue
			}
			if err := k.l.ask(ctx, conn, []string{b.everything(p)}); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(feeds, func(x, y *feed) int { return int(x.place - y.place) })
	for len(feeds) > 0 {
		n := 1 // channels of one command are in one slot
		for n < min(subscribeBatch, len(feeds)) && feeds[n].place == feeds[0].place {
			n++
		}
		names := make([]string, n)
		for i, f := range feeds[:n] {
			f.hold()
			names[i] = f.name
		}
		if err := k.l.ask(ctx, conn, names); err != nil {
			return err
		}
		for _, f := range feeds[:n] {
			if err := b.catchUp(ctx, f, k.process); err != nil {
				return fmt.Errorf("catch up with %q: %w", f.channel, err)
			}
		}
		feeds = feeds[n:]
	}
	return nil
}

// cut ends the present connection, if there is one, so that another one takes its place. l.mu is held.
func (k *link) cut(cause error) {
	if k.conn != nil {
		k.end(cause)
	}
}
