package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// beatEvery is how often a node tells the others what it has seen.
	beatEvery = time.Second

	// calmTime is between two looks at least, however often the keeper is woken.
	calmTime = 100 * time.Millisecond

	// checkBeats is after how many of them it looks for what did not get here: what the servers say again is
	// heard at most once, and of the last of it nothing later tells.
	checkBeats = 3

	// checkChannels is how many channels are asked for at once.
	checkChannels = 256
)

// A keeper is the goroutine that opens the gate again, and finds what was lost.
type keeper struct {
	woken   chan struct{}
	missed  atomic.Bool // something may have been dropped
	checked uint64      // up to where nothing is missing
	done    chan struct{}
	running bool
}

func (k *keeper) init() { k.woken, k.done = make(chan struct{}, 1), make(chan struct{}) }

func (k *keeper) start(b *Broker) {
	k.running = true
	go k.run(b)
}

func (k *keeper) close() {
	if k.running {
		<-k.done
	}
}

// wake has the keeper look at once.
func (k *keeper) wake() {
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// lost has it look for everything that may have been dropped.
func (k *keeper) lost() {
	k.missed.Store(true)
	k.wake()
}

func (k *keeper) run(b *Broker) {
	defer close(k.done)
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for n := 0; ; {
		look := true
		select {
		case <-beat.C:
			b.beat(b.ctx)
			n++
			look = n%checkBeats == 0
		case <-k.woken:
		case <-b.ctx.Done():
			return
		}
		if look || !b.gate.isUp() {
			k.look(b)
			pause(b.ctx, calmTime)
		}
	}
}

// look does what there is to do, and tries again with the next beat if it cannot.
func (k *keeper) look(b *Broker) {
	ctx, cancel := context.WithTimeout(b.ctx, callTime)
	defer cancel()
	if !b.gate.isUp() {
		k.missed.Store(true)
		cuts := b.gate.cuts()
		if err := b.settle(ctx); err != nil {
			b.config.Log.Debug("nats: not yet", "error", err)
			return
		}
		if !b.gate.open(cuts) {
			k.wake()
			return
		}
		b.config.Log.Info("nats: the stream is there again")
	}
	if err := k.check(ctx, b); err != nil && b.ctx.Err() == nil {
		b.config.Log.Warn("nats: cannot look for what is missing", "error", err)
	}
}

// check compares the stream with what this node knows of it.
func (k *keeper) check(ctx context.Context, b *Broker) error {
	seen := b.seen()
	info, err := b.ask(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		b.gate.close() // to be made anew
		k.wake()
		return nil
	}
	if err != nil {
		return err
	}
	changed := b.stream.adopt(info)
	if !changed {
		why, err := b.lost(ctx, info, seen)
		if err != nil {
			return err
		}
		if why != "" {
			if err := b.stream.rotate(ctx, b, why); err != nil {
				return err
			}
			changed = true
		}
	}
	now := b.stream.now.Load()
	b.stream.see(now.epoch, info.State.LastSeq)
	after := k.checked
	if missed := k.missed.Swap(false); missed || changed {
		after = 0
	}
	if info.State.LastSeq == after {
		return nil
	}
	err = b.catchUp(ctx, now, after, info.State.LastSeq)
	if err == nil && after == 0 {
		err = b.moved(ctx, now)
	}
	if err != nil {
		k.missed.Store(true)
		return err
	}
	k.checked = info.State.LastSeq
	return nil
}

// catchUp hands over what was said behind a sequence, up to another one, and was not heard.
func (b *Broker) catchUp(ctx context.Context, now *life, after, upTo uint64) error {
	feeds := b.feeds.list()
	for len(feeds) > 0 {
		n := min(checkChannels, len(feeds))
		if err := b.catchUpSome(ctx, now, feeds[:n], after, upTo); err != nil {
			return err
		}
		feeds = feeds[n:]
	}
	return nil
}

func (b *Broker) catchUpSome(ctx context.Context, now *life, feeds []*feed, after, upTo uint64) error {
	byToken := make(map[string]*feed, len(feeds))
	r := reading{Seq: after + 1}
	for _, f := range feeds {
		byToken[f.token] = f
		r.Last = append(r.Last, b.names.log(now.epoch, f.token))
	}
	for tries := 0; ; tries++ {
		got, err := b.read(ctx, r)
		if err != nil {
			return err
		}
		for i := range got.entries {
			e := &got.entries[i]
			if f := byToken[e.token]; f != nil && f.behind(e) {
				if err := b.mend(ctx, f, e); err != nil {
					return fmt.Errorf("catch up with %q: %w", f.channel, err)
				}
			}
		}
		if got.remaining == 0 && got.upTo >= upTo || got.upTo == 0 && tries > 2 {
			return nil // all of them; or none of these channels has an entry any more
		}
		if !pause(ctx, 20*time.Millisecond) {
			return errLagging
		}
	}
}

// moved tells the feeds of another life in which nothing was said that would tell them.
func (b *Broker) moved(ctx context.Context, now *life) error {
	for _, f := range b.feeds.list() {
		if !f.elsewhere(now.epoch) {
			continue
		}
		page, err := b.history(ctx, f.channel, hub.Query{Limit: 1, Reverse: true})
		if err != nil {
			return fmt.Errorf("where %q goes on: %w", f.channel, err)
		}
		f.move(page.Top)
	}
	return nil
}

// mend reads what a feed has missed. Of another life it hands over the last publication, which tells
// the subscribers of it. If it fails the feed hands nothing over until another mend succeeds.
func (b *Broker) mend(ctx context.Context, f *feed, last *entry) error {
	from, begun := f.hold()
	var missed []*hub.Publication
	if from.Epoch != last.epoch {
		page, err := b.history(ctx, f.channel, hub.Query{Limit: 1, Reverse: true})
		if err != nil {
			return err
		}
		missed, begun = page.Publications, false
	}
	for begun {
		page, err := b.history(ctx, f.channel, hub.Query{From: &from, Limit: 1000})
		if err != nil {
			return err
		}
		missed = append(missed, page.Publications...)
		if !page.More {
			break
		}
		from = page.Publications[len(page.Publications)-1].Position
	}
	f.release(missed, last.position())
	return nil
}
