package memory

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

var keeping = &hub.Options{History: 1000, HistoryTime: time.Minute, Dedup: time.Minute}

func put(t *testing.T, b *Broker, m hub.Message, o *hub.Options) hub.Published {
	t.Helper()
	done, err := b.Publish(t.Context(), m, hub.PublishOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func kept(t *testing.T, b *Broker, channel string) []*hub.Publication {
	t.Helper()
	page, err := b.History(t.Context(), channel, hub.Query{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Publications
}

func (b *Broker) logCount() (n int) {
	for i := range b.shards {
		n += len(b.shards[i].all())
	}
	return n
}

func (b *Broker) sweeping() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sweep != nil
}

// All channels together stay within MaxBytes, whatever it is of a message that is
// large, and those that were published to last keep what they have.
func TestBytesAreBounded(t *testing.T) {
	large := strings.Repeat("x", 10_000)
	for name, m := range map[string]hub.Message{
		"data": {Data: []byte(large)}, "key": {Key: large}, "content type": {ContentType: large}, "client": {Client: large},
		"tags": {Tags: map[string]string{"a": large}}, "tag names": {Tags: map[string]string{large: ""}}, "ID": {ID: large},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(Config{MaxBytes: 1 << 20})
			id := m.ID
			for i := range 400 {
				if id != "" {
					m.ID = fmt.Sprint(i, id)
				}
				m.Channel = fmt.Sprint(i % 40)
				put(t, b, m, keeping)
				if got := b.bytes.Load(); got > 1<<20 {
					t.Fatalf("%d bytes are kept, the limit is %d", got, 1<<20)
				}
			}
			total := 0
			for i := range 40 {
				total += len(kept(t, b, fmt.Sprint(i)))
			}
			if total > 1<<20/10_000 || total < 10 {
				t.Errorf("%d publications of 10,000 bytes are kept", total)
			}
			if got := len(kept(t, b, "39")); got == 0 {
				t.Error("the channel that was published to last keeps nothing")
			}
			if got := len(kept(t, b, "0")); got > 10 {
				t.Errorf("channel 0 keeps %d publications of 10", got)
			}
		})
	}
}

// The history of the channel that was published to least recently goes first.
func TestOldestGoesFirst(t *testing.T) {
	b := New(Config{MaxBytes: 100_000})
	data := []byte(strings.Repeat("x", 4_000))
	for i := range 10 {
		put(t, b, hub.Message{Channel: fmt.Sprint(i), Data: data}, keeping)
	}
	put(t, b, hub.Message{Channel: "0", Data: data}, keeping)
	put(t, b, hub.Message{Channel: "10", Data: data}, keeping) // one too many
	for i := range 11 {
		if got, want := len(kept(t, b, fmt.Sprint(i))) > 0, i != 1; got != want {
			t.Errorf("channel %d keeps something: %v, want %v", i, got, want)
		}
	}
}

// A single channel beyond the bound keeps the newest part of its history, and what is
// forgotten shows in the oldest one's Prev.
func TestNewestStay(t *testing.T) {
	b := New(Config{MaxBytes: 100_000})
	for range 500 {
		top := put(t, b, hub.Message{Channel: "c", Data: []byte(strings.Repeat("x", 4_000))}, keeping).Position
		log := kept(t, b, "c")
		if len(log) == 0 || log[len(log)-1].Position != top {
			t.Fatalf("%d publications are kept, without the newest", len(log))
		}
		for i, p := range log[1:] {
			if p.Prev != log[i].Offset {
				t.Fatalf("offset %d has prev %d, behind %d", p.Offset, p.Prev, log[i].Offset)
			}
		}
		if top.Offset > 20 && log[0].Prev == 0 {
			t.Fatal("nothing was forgotten")
		}
	}
}

// A message that is larger than the bound alone is delivered and not kept.
func TestLargerThanTheBound(t *testing.T) {
	b := New(Config{MaxBytes: 1000})
	put(t, b, hub.Message{Channel: "c", ID: "1", Data: make([]byte, 2000)}, keeping)
	if got := b.bytes.Load(); got != 0 && got > 1000 || len(kept(t, b, "c")) > 0 {
		t.Errorf("%d bytes are kept", got)
	}
}

// What is too old goes by itself, and the timer with it.
func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{})
		for i := range 100 {
			put(t, b, hub.Message{Channel: fmt.Sprint(i), ID: "id"}, keeping)
		}
		<-time.After(59 * time.Second)
		if got := len(kept(t, b, "7")); got != 1 {
			t.Errorf("after 59 s %d publications are kept, want 1", got)
		}
		if done := put(t, b, hub.Message{Channel: "7", ID: "id"}, keeping); !done.Duplicate {
			t.Errorf("after 59 s %+v, want a duplicate", done)
		}
		<-time.After(time.Second)
		if got := len(kept(t, b, "7")); got != 0 {
			t.Errorf("after 60 s %d publications are kept, want none", got)
		}
		<-time.After(sweepTime)
		if n, bytes, sweeping := b.logCount(), b.bytes.Load(), b.sweeping(); n != 0 || bytes != 0 || sweeping {
			t.Errorf("%d logs of %d bytes are left, a sweep to come: %v", n, bytes, sweeping)
		}
	})
}

// IDs that are used again and again are forgotten in time, and cost nothing twice.
func TestIDsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{})
		o := &hub.Options{Dedup: time.Second}
		for i := range 100 {
			done := put(t, b, hub.Message{Channel: "c", ID: "again"}, o)
			put(t, b, hub.Message{Channel: "c", ID: fmt.Sprint(i)}, o)
			if done.Duplicate {
				t.Fatalf("%+v, want it published", done)
			}
			if got := b.bytes.Load(); got > 2*(120+10) {
				t.Fatalf("%d bytes are kept in round %d, want two IDs", got, i)
			}
			<-time.After(time.Second)
		}
		<-time.After(2 * sweepTime)
		if n, bytes := b.logCount(), b.bytes.Load(); n != 0 || bytes != 0 {
			t.Errorf("%d logs of %d bytes are left", n, bytes)
		}
	})
}

// What is published behind a sweep that is under way is swept later.
func TestSweepIsNotLost(t *testing.T) {
	b := New(Config{})
	short := &hub.Options{History: 1, HistoryTime: time.Nanosecond}
	first, last := b.channelIn(0), b.channelIn(shardCount-1)
	put(t, b, hub.Message{Channel: first}, short)
	put(t, b, hub.Message{Channel: last}, short)
	b.sweep.Stop()
	held := b.shard(last).locked(last)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.sweepAll()
	}()
	for b.logCount() != 1 { // until it is past the first shard
		again := time.NewTimer(time.Millisecond)
		<-again.C
	}
	put(t, b, hub.Message{Channel: first}, keeping)
	held.mu.Unlock()
	<-done
	if !b.sweeping() {
		t.Error("something is kept, and no sweep is to come")
	}
	b.sweep.Stop()
}

func (b *Broker) channelIn(shard int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint(i); b.shard(name) == &b.shards[shard] {
			return name
		}
	}
}

// Subscribing to a pattern takes no more the more patterns there are.
func TestManyPatterns(t *testing.T) {
	b := New(Config{})
	subscribe := func(i int) hub.Pattern {
		p, err := hub.ParsePattern(fmt.Sprintf("*%d", i))
		if err != nil {
			t.Fatal(err)
		}
		_ = b.SubscribePattern(t.Context(), p, new(sink))
		return p
	}
	for i := range 10_000 {
		subscribe(i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 100 {
		_ = b.UnsubscribePattern(t.Context(), subscribe(10_000+i))
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("100 patterns beside 10,000 took %d bytes, want little", took)
	}
}
