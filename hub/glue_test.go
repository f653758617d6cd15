package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestNamespaces(t *testing.T) {
	h := hub.New(newFake(), hub.Config{
		Default: hub.Options{History: 1},
		Namespaces: []hub.Namespace{
			{Pattern: "chat.*", Options: hub.Options{History: 2}},
			{Pattern: "**", Options: hub.Options{History: 3}},
			{Pattern: "chat.x", Options: hub.Options{History: 4}},
		},
	})
	for range 2 { // the second time from the cache
		for name, want := range map[string]int{"chat.x": 2, "chat.x.y": 3, "news": 3} {
			if got := h.Options(name).History; got != want {
				t.Errorf("Options(%q).History = %d, want %d", name, got, want)
			}
		}
	}
	for i := range 100_000 {
		if got := h.Options(fmt.Sprint("chat.", i)).History; got != 2 {
			t.Fatalf("Options(chat.%d).History = %d, want 2", i, got)
		}
	}
	if got := hub.New(newFake(), hub.Config{Default: hub.Options{History: 1}}).Options("news").History; got != 1 {
		t.Errorf("without namespaces: Options.History = %d, want 1", got)
	}
}

func TestBadNamespace(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New with a bad pattern returned")
		}
	}()
	hub.New(newFake(), hub.Config{Namespaces: []hub.Namespace{{Pattern: "a***"}}})
}

func TestLimits(t *testing.T) {
	h := hub.New(newFake(), hub.Config{Default: hub.Options{MaxData: 3, MaxSubscribers: 2}})
	a, b := new(recorder), new(recorder)
	subscribe(t, h, "news", a)
	subscribe(t, h, "news", b)
	if _, err := h.Subscribe(t.Context(), "news", new(recorder)); !errors.Is(err, hub.ErrTooManySubscribers) {
		t.Errorf("the third Subscribe = %v, want %v", err, hub.ErrTooManySubscribers)
	}
	if _, err := h.Subscribe(t.Context(), "news", a); !errors.Is(err, hub.ErrAlreadySubscribed) {
		t.Errorf("Subscribe again = %v, want %v", err, hub.ErrAlreadySubscribed)
	}
	unsubscribe(t, h, "news", b)
	subscribe(t, h, "news", b)
	publish(t, h, "news", "123")
	for name, m := range map[string]hub.Message{
		"id":           {ID: "\xff"},
		"key":          {Key: "\xff"},
		"tag":          {Tags: map[string]string{"\xff": ""}},
		"tag's value":  {Tags: map[string]string{"": "\xff"}},
		"content type": {ContentType: "\xff"},
		"client":       {Client: "\xff"},
		"data":         {Data: []byte("\xff")},
	} {
		m.Channel = "news"
		if _, err := h.Publish(t.Context(), m, nil); !errors.Is(err, hub.ErrText) {
			t.Errorf("Publish with no UTF-8 in the %s = %v, want %v", name, err, hub.ErrText)
		}
	}
	if _, err := h.Publish(t.Context(), hub.Message{Channel: "news", Data: []byte("\xff"), ContentType: "a/b"}, nil); err != nil {
		t.Errorf("Publish of bytes = %v", err)
	}
	if _, err := h.Publish(t.Context(), hub.Message{Channel: "news", Data: []byte("1234")}, nil); !errors.Is(err, hub.ErrDataTooBig) {
		t.Errorf("Publish of 4 bytes = %v, want %v", err, hub.ErrDataTooBig)
	}
}

func pattern(t *testing.T, s string) hub.Pattern {
	t.Helper()
	p, err := hub.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Subscribers of one pattern share the broker's subscription.
func TestSubscribePattern(t *testing.T) {
	f := newFake()
	h := hub.New(f, hub.Config{})
	a, b := new(recorder), new(recorder)
	p := pattern(t, "news.*")
	for _, r := range []*recorder{a, b} {
		if err := h.SubscribePattern(t.Context(), p, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SubscribePattern(t.Context(), p, a); !errors.Is(err, hub.ErrAlreadySubscribed) {
		t.Errorf("SubscribePattern again = %v, want %v", err, hub.ErrAlreadySubscribed)
	}
	if f.opened != 1 || h.Stats().Patterns != 1 {
		t.Errorf("%d subscriptions of the broker, %d patterns, want 1 of each", f.opened, h.Stats().Patterns)
	}
	publish(t, h, "news.a", "1")
	publish(t, h, "sport", "2")
	publish(t, h, "news.b", "3")
	if err := h.UnsubscribePattern(t.Context(), p, a); err != nil {
		t.Fatal(err)
	}
	publish(t, h, "news.a", "4")
	if a.data() != "1 3" || b.data() != "1 3 4" {
		t.Errorf("got %q and %q, want %q and %q", a.data(), b.data(), "1 3", "1 3 4")
	}
	if err := h.UnsubscribePattern(t.Context(), p, b); err != nil {
		t.Fatal(err)
	}
	if err := h.UnsubscribePattern(t.Context(), p, b); !errors.Is(err, hub.ErrNotSubscribed) {
		t.Errorf("UnsubscribePattern again = %v, want %v", err, hub.ErrNotSubscribed)
	}
	if f.opened != 0 || h.Stats().Patterns != 0 {
		t.Errorf("%d subscriptions of the broker, %d patterns are left", f.opened, h.Stats().Patterns)
	}
}

// An encoder encodes what it gets for its pattern.
type encoder struct {
	recorder
	format hub.Format
	calls  *int
}

func (e *encoder) Deliver(p *hub.Publication) {
	p.Encoded(e.format, func() hub.Packet { *e.calls++; return packet(e.format) })
}

// Subscribers of one pattern share an encoding. It does not stay with what history keeps, or
// whoever subscribes to many patterns would fill the memory.
func TestEncodingsOfPatterns(t *testing.T) {
	h := hub.New(newFake(), keeping)
	calls := 0
	for i := range 8 {
		p := pattern(t, strings.Repeat("*", i%2+1)+strings.Repeat("a*", i/2))
		for range 2 {
			e := &encoder{format: hub.Format("f " + p.String()), calls: &calls}
			if err := h.SubscribePattern(t.Context(), p, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, h, "aaaa", "1")
	if calls != 8 {
		t.Errorf("%d encodings, want one for each of 8 patterns", calls)
	}
	page, err := h.History(t.Context(), "aaaa", hub.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	page.Publications[0].Encoded("f *", func() hub.Packet { calls++; return packet(nil) })
	if calls != 9 {
		t.Error("history keeps what was encoded for a pattern")
	}
}

// A poor broker can do nothing but what every broker can.
type poor struct{ hub.Broker }

func TestPoorBroker(t *testing.T) {
	config := hub.Config{Default: hub.Options{History: 1, HistoryTime: time.Hour, Presence: true}}
	h := hub.New(poor{newFake()}, config)
	plain := hub.New(newFake(), hub.Config{})
	_, _, members := h.Members(t.Context(), "news", "", 1)
	_, _, count := h.Count(t.Context(), "news")
	_, history := h.History(t.Context(), "news", hub.Query{Limit: 1})
	_, without := plain.History(t.Context(), "news", hub.Query{Limit: 1})
	for name, c := range map[string]struct{ got, want error }{
		"SubscribePattern":     {h.SubscribePattern(t.Context(), pattern(t, "*"), new(recorder)), hub.ErrNoPatterns},
		"Enter":                {h.Enter(t.Context(), "news", hub.Member{Client: "c"}), hub.ErrNoPresence},
		"Leave":                {h.Leave(t.Context(), "news", "c"), hub.ErrNoPresence},
		"Members":              {members, hub.ErrNoPresence},
		"Count":                {count, hub.ErrNoPresence},
		"History":              {history, hub.ErrNoHistory},
		"History, not allowed": {without, hub.ErrNoHistory},
		"Enter, not allowed":   {plain.Enter(t.Context(), "news", hub.Member{Client: "c"}), hub.ErrNoPresence},
		"Enter a bad name":     {h.Enter(t.Context(), "", hub.Member{Client: "c"}), hub.ErrChannelName},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s = %v, want %v", name, c.got, c.want)
		}
	}
}

func TestPresence(t *testing.T) {
	f := newFake()
	h := hub.New(f, hub.Config{
		Default:    hub.Options{Presence: true, Joins: true},
		Namespaces: []hub.Namespace{{Pattern: "quiet", Options: hub.Options{Presence: true}}},
	})
	told, quiet := new(watcher), new(watcher)
	subscribe(t, h, "news", told)
	subscribe(t, h, "quiet", quiet)
	for _, channel := range []string{"news", "quiet"} {
		for _, client := range []string{"b", "a", "c", "a"} {
			if err := h.Enter(t.Context(), channel, hub.Member{Client: client}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := h.Leave(t.Context(), channel, "b"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := fmt.Sprint(told.log, quiet.log), "[+b +a +c -b] []"; got != want {
		t.Errorf("told %v, want %v", got, want)
	}
	first, more, err := h.Members(t.Context(), "news", "", 1)
	if err != nil || !more || len(first) != 1 || first[0].Client != "a" {
		t.Errorf("Members = %v, %v, %v, want a and more", first, more, err)
	}
	if clients, _, err := h.Count(t.Context(), "news"); err != nil || clients != 2 {
		t.Errorf("Count = %d, %v, want 2", clients, err)
	}
}

func TestHistory(t *testing.T) {
	f := newFake()
	h := hub.New(f, keeping)
	at := fill(t, h, f, "news", 5)
	for _, c := range []struct {
		name  string
		query hub.Query
		want  string
		more  bool
	}{
		{"all", hub.Query{Limit: 10}, "1 2 3 4 5", false},
		{"no limit is one", hub.Query{}, "1", true},
		{"behind", hub.Query{From: &at[2], Limit: 2}, "3 4", true},
		{"backwards", hub.Query{From: &at[3], Limit: 10, Reverse: true}, "3 2 1", false},
	} {
		page, err := h.History(t.Context(), "news", c.query)
		if got := texts(page.Publications); err != nil || got != c.want || page.More != c.more || page.Top != at[5] {
			t.Errorf("%s: History = %q, more %v, top %v, %v", c.name, got, page.More, page.Top, err)
		}
	}
	other := hub.Position{Epoch: "other"}
	page, err := h.History(t.Context(), "news", hub.Query{From: &other, Limit: 1})
	if !errors.Is(err, hub.ErrEpoch) || page.Top != at[5] {
		t.Errorf("History of another epoch = %v, %v, want %v with the top", page, err, hub.ErrEpoch)
	}
}

// Those who ask for the same while it is read share the reading after that.
func TestHistoryIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := hub.New(f, keeping)
		publish(t, h, "news", "1")
		reading := make(chan struct{})
		f.readFail = func() error { <-reading; return nil }
		var wg sync.WaitGroup
		ask := func(ctx context.Context) {
			wg.Go(func() {
				if page, err := h.History(ctx, "news", hub.Query{Limit: 10}); ctx.Err() == nil && (err != nil || len(page.Publications) == 0) {
					t.Errorf("History = %v, %v", page, err)
				}
			})
		}
		ask(t.Context())
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		ask(ctx)
		for range 100 {
			ask(t.Context())
		}
		synctest.Wait()
		cancel() // one who waits gives up
		synctest.Wait()
		close(reading)
		wg.Wait()
		if got := f.readCount(); got != 2 {
			t.Errorf("the broker was read %d times, want 2", got)
		}
	})
}

func TestList(t *testing.T) {
	h := hub.New(newFake(), hub.Config{})
	for i := range 250 {
		for range 1 + i%2 {
			subscribe(t, h, fmt.Sprintf("c.%03d", i), new(recorder))
		}
	}
	subscribe(t, h, "other", new(recorder))
	var names []string
	after, pages := "", 0
	for {
		page, more := h.List(after, 100, pattern(t, "c.*"))
		pages++
		for _, info := range page {
			if want := 1 + len(names)%2; info.Subscribers != want || info.Top.Epoch == "" {
				t.Errorf("%s has %d subscribers at %v, want %d", info.Name, info.Subscribers, info.Top, want)
			}
			names = append(names, info.Name)
			after = info.Name
		}
		if !more {
			break
		}
	}
	if pages != 3 || len(names) != 250 || names[0] != "c.000" || names[249] != "c.249" {
		t.Errorf("%d names on %d pages, want 250 on 3", len(names), pages)
	}
	if got := h.Stats(); got.Channels != 251 || got.Subscriptions != 376 {
		t.Errorf("Stats() = %+v, want 251 channels and 376 subscriptions", got)
	}
	if page, more := h.List("", 1000, hub.Pattern{}); len(page) != 251 || more {
		t.Errorf("List of all = %d, %v, want 251", len(page), more)
	}
}
