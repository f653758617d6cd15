//go:build interop

package redis

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/seed-15847954/ropewalk/hub"
)

// Publications of one call fail each by itself.
func TestBrokenChannel(t *testing.T) {
	b := open(t, startRedis(t))
	publishMany(t, b, "news ", 1)
	if _, err := b.Publish(t.Context(), hub.Message{Channel: "broken"}, hub.PublishOptions{Options: kept}); err != nil {
		t.Fatal(err)
	}
	stream := b.key(partitionOf("broken"), kindStream, "broken")
	if err := b.client.Do(t.Context(), b.client.B().Set().Key(stream).Value("no stream").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	var entries []*entry
	for _, channel := range []string{"news", "broken", "news"} {
		entries = append(entries, &entry{publication: b.publication(hub.Message{Channel: channel, Data: []byte(`1`)}, hub.PublishOptions{Options: kept})})
	}
	b.publishAll(t.Context(), entries)
	for _, i := range []int{0, 2} {
		if e := entries[i]; e.err != nil || e.answer.word(0) != "ok" {
			t.Errorf("publication %d: %v, %v", i, e.answer.words, e.err)
		}
	}
	if err := entries[1].err; err == nil || errors.Is(err, hub.ErrIndeterminate) {
		t.Errorf("the publication into what is no stream: %v, want an error that says that nothing was done", err)
	}
}

// While Redis does not answer, who gives up knows whether anything was sent.
func TestGiveUp(t *testing.T) {
	p := startRedis(t)
	b := open(t, p)
	before := publish(t, b, "before")
	q := b.batcher(partitionOf("news"))
	look := func(ok func() bool) func() bool {
		return func() bool {
			q.mu.Lock()
			defer q.mu.Unlock()
			return ok()
		}
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	begin := func(text string) (giveUp func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.Publish(ctx, hub.Message{Channel: "news", Data: []byte(text)}, hub.PublishOptions{Options: kept})
			done <- err
		}()
		return func() error {
			cancel()
			return <-done
		}
	}
	first := begin(`"first"`)
	until(t, "the first one to be under way", look(func() bool { return q.calls == 1 }))
	second := begin(`"second"`)
	until(t, "the second one to wait", look(func() bool { return len(q.waiting) == 1 }))
	if err := second(); !errors.Is(err, context.Canceled) || errors.Is(err, hub.ErrIndeterminate) {
		t.Errorf("the second one: %v, want one that says that nothing was sent", err)
	}
	var batch []func() error
	for i := range 2 {
		batch = append(batch, begin(`"batch"`))
		until(t, "it to wait", look(func() bool { return len(q.waiting) == i+1 }))
	}
	if err := first(); !errors.Is(err, hub.ErrIndeterminate) {
		t.Errorf("the first one: %v, want indeterminate", err)
	}
	until(t, "the next call", look(func() bool { return q.calls == 1 && len(q.waiting) == 0 }))
	for _, giveUp := range batch {
		if err := giveUp(); !errors.Is(err, hub.ErrIndeterminate) {
			t.Errorf("one of a batch: %v, want indeterminate", err)
		}
	}
	until(t, "the call to end", look(func() bool { return q.calls == 0 }))
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	after := publish(t, b, "after")
	page, err := b.History(t.Context(), "news", hub.Query{From: &before, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(page.Publications, func(p *hub.Publication) bool { return p.Position == after }) {
		t.Error("what was published later is missing")
	}
	for _, p := range page.Publications {
		if string(p.Data) == `"second"` {
			t.Error("the second one was published")
		}
	}
}
