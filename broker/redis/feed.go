package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed-15847954/ropewalk/hub"
)

// A feed is a subscription to one channel.
type feed struct {
	channel string
	place   partition
	name    string // of the pub/sub channel

	mu      sync.Mutex
	sink    hub.Sink // nil: ended
	last    hub.Position
	waiting []*hub.Publication // come while it catches up; nil unless it does
	catches bool
}

// hear takes what was said in the pub/sub channel.
func (b *Broker) hear(f *feed, message string) error {
	if !strings.HasPrefix(message, "p") {
		return nil // of a later version
	}
	p, tag, err := parsePublication(f.channel, message[1:])
	if err != nil {
		return err
	}
	b.fences.see(f.place, p.Offset)
	if _, err := b.accept(f.place, tag); err != nil {
		return err
	}
	f.deliver(p)
	return nil
}

// parsePublication returns the publication that a message says, and its tag.
func parsePublication(channel, body string) (p *hub.Publication, tag string, err error) {
	head, message, ok := strings.Cut(body, "\n")
	words := strings.Fields(head)
	if !ok || len(words) != 5 {
		return nil, "", errors.New("not a publication")
	}
	p, err = newPublication(channel, words[0], words[1], words[2], words[3], []byte(message))
	return p, words[4], err
}

// begin says where the feed's subscriber begins, and returns that; or where it is, if it has got something
// later already. It fails if what it has got is of another epoch: which of the two is the later one cannot be told.
func (f *feed) begin(pos hub.Position) (hub.Position, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.last.Epoch == "" || f.last.Epoch == pos.Epoch && f.last.Offset < pos.Offset:
		f.last = pos
	case f.last.Epoch != pos.Epoch:
		return hub.Position{}, fmt.Errorf("redis: subscribe: %w", errMoved)
	}
	return f.last, nil
}

func (f *feed) deliver(p *hub.Publication) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.catches {
		f.waiting = append(f.waiting, p)
		return
	}
	f.pass(p)
}

// pass hands p over. mu is held.
func (f *feed) pass(p *hub.Publication) {
	if f.sink == nil {
		return
	}
	f.last = p.Position
	f.sink.Deliver(p)
}

// hold keeps what comes until release.
func (f *feed) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catches, f.waiting = true, nil
}

// release hands over what was missed, up to top, and what came meanwhile.
func (f *feed) release(missed []*hub.Publication, top hub.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(missed) == 0 && top.Epoch != "" && f.last.Epoch != top.Epoch && f.sink != nil {
		f.last = top
		f.sink.Moved(top)
	}
	for _, p := range append(missed, f.waiting...) {
		if p.Epoch != f.last.Epoch || p.Offset > f.last.Offset {
			f.pass(p)
		}
	}
	f.catches, f.waiting = false, nil
}

// catchUp reads what a feed has missed while there was no connection: behind its last publication, or all
// that there is in another epoch; if that is nothing the subscriber is told of the epoch. The answer has to be that of the process which the feed comes from: another one,
// which serves no more or does not serve yet, may not know what that has said before.
func (b *Broker) catchUp(ctx context.Context, f *feed, process string) error {
	f.mu.Lock()
	last := f.last
	f.mu.Unlock()
	var missed []*hub.Publication
	top := last
	for from := &last; last.Epoch != ""; {
		page, by, err := b.read(ctx, f.channel, hub.Query{From: from, Limit: 1000})
		if err != nil {
			return err
		}
		if by != process {
			return errMoved
		}
		if from != nil && page.Top.Epoch != from.Epoch {
			from, missed = nil, nil
			continue
		}
		top, missed = page.Top, append(missed, page.Publications...)
		if !page.More {
			break
		}
		from = &page.Publications[len(page.Publications)-1].Position
	}
	f.release(missed, top)
	return nil
}
