package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15847954/ropewalk/hub"
)

// Whatever the policy is, the queue is bounded and the chain whole; a stalled client
// costs nobody else anything.
func TestPolicies(t *testing.T) {
	const limit = 4 << 10
	for _, c := range []struct {
		policy hub.Policy
		keys   int
		want   string // the end of what is sent once the client takes messages again
	}{
		{hub.DropOldest, 1, "99"},
		{hub.Conflate, 4, "96 97 98 99"},
		{hub.Latest, 1, "skip(1-99 latest) 99"},
		{hub.CatchUp, 1, "97 98 99"},
	} {
		t.Run(c.policy.String(), func(t *testing.T) {
			bubble(t, withHistory(c.policy), func(b *bench) {
				s, w := b.open(Config{MaxQueue: limit})
				other, healthy := b.open(Config{MaxQueue: limit})
				w.room = 2 // the answer and the first publication
				b.subscribe(s, channel("news"))
				b.subscribe(other, channel("news"))
				all := []string{"news@0"}
				for i := range 100 {
					m := hub.Message{Channel: "news", Data: fmt.Append(nil, i), Key: fmt.Sprint(i % c.keys)}
					if _, err := b.hub.Publish(b.Context(), m, nil); err != nil {
						b.Fatal(err)
					}
					all = append(all, string(m.Data))
					if q, size := s.Queued(), s.queue.measure(); q > limit || q != size {
						b.Fatalf("%d bytes are queued and %d counted, the limit is %d", size, q, limit)
					}
				}
				b.expect(healthy, strings.Join(all, " "))
				if err := s.Send(text("pong")); err != nil {
					b.Errorf("a reply = %v, want it queued", err)
				}
				w.open(unlimited)
				b.quiet()
				sent := w.sent
				got := strings.ReplaceAll(w.text(), " pong", "")
				if !strings.HasSuffix(got, c.want) || !strings.HasPrefix(got, "news@0 0 ") {
					b.Errorf("sent %q, want the first one and an end of %q", got, c.want)
				}
				if c.policy == hub.CatchUp && got != strings.Join(all, " ") {
					b.Errorf("sent %q, want all", got)
				}
				checkChain(b, sent)
				if s.Queued() != 0 || s.subs.list[0].backlog != nil {
					b.Errorf("%d bytes are queued at the end, want none", s.Queued())
				}
				b.end(s, other)
			})
		})
	}
}

// checkChain fails when the publications and skips of one channel leave a gap.
func checkChain(b *bench, sent []*packet) {
	b.Helper()
	var last uint64
	for _, p := range sent {
		switch {
		case p.kind == "ack":
			last = p.start.Position.Offset
		case p.channel == "" || p.offset == 0:
		case p.prev != last:
			b.Errorf("%v follows %d, want its prev to be that", p, last)
			fallthrough
		default:
			last = p.offset
		}
	}
}

// measure returns what a queue takes, by walking it, and panics when its lists disagree.
func (q *queue) measure() int {
	size := 0
	subs := map[*subscription]int{}
	for n := q.first; n != nil; n = n.next {
		size += n.size()
		if n.sub != nil {
			subs[n.sub]++
		}
		if n.next != nil && n.next.before != n || n.next == nil && q.last != n {
			panic("the queue is no list")
		}
	}
	for sub, count := range subs {
		for n := sub.backlog.oldest; n != nil; n = n.newer {
			count--
			if n.newer != nil && (n.newer.older != n || n.newer.prev != n.offset) || n.newer == nil && sub.backlog.newest != n {
				panic("a backlog is no chain")
			}
			if n.packet == nil && n.newer != nil && n.newer.packet == nil {
				panic("two that are left out follow each other")
			}
		}
		if count != 0 {
			panic("a backlog is not what is queued")
		}
	}
	return size
}

func TestConflateKeepsTheLastOfEachKey(t *testing.T) {
	bubble(t, hub.Options{Slow: hub.Conflate}, func(b *bench) {
		s, w := b.open(Config{})
		b.subscribe(s, channel("prices"))
		b.expect(w, "prices@0")
		w.stall()
		for _, m := range []struct{ key, data string }{
			{"a", "a1"}, {"b", "b1"}, {"a", "a2"}, {"c", "c1"}, {"b", "b2"}, {"a", "a3"},
		} {
			if _, err := b.hub.Publish(b.Context(), hub.Message{Channel: "prices", Key: m.key, Data: []byte(m.data)}, nil); err != nil {
				b.Fatal(err)
			}
		}
		w.open(unlimited)
		b.expect(w, "skip(0-3 conflated) c1 b2 a3")
		if got := s.Stats.Conflated.Load(); got != 3 {
			b.Errorf("conflated %d, want 3", got)
		}
		if s.subs.list[0].backlog != nil {
			b.Error("keys are remembered although nothing waits")
		}
		b.end(s)
	})
}

// What a client has published for others and what was dropped are one skip.
func TestOwnAndDropped(t *testing.T) {
	bubble(t, hub.Options{Slow: hub.Latest}, func(b *bench) {
		s, w := b.open(Config{})
		b.subscribe(s, channel("news"))
		b.expect(w, "news@0")
		w.stall()
		own := func(data string) {
			m := hub.Message{Channel: "news", Data: []byte(data), ExcludeClient: true}
			if _, err := s.Publish(b.Context(), m, nil); err != nil {
				b.Fatal(err)
			}
		}
		own("x")
		own("y")
		b.publish("news", "a")
		own("z")
		b.publish("news", "b")
		own("z")
		w.open(unlimited)
		b.expect(w, "skip(0-4 latest) b skip(5-6 own)")
		b.end(s)
	})
}

// More keys or channels than the queue has room for do not end a session under conflate and
// latest: their subscriptions are left to history, and where there is none the client is told.
func TestConflateAndLatestDoNotDisconnect(t *testing.T) {
	for _, policy := range []hub.Policy{hub.Conflate, hub.Latest} {
		for _, history := range []bool{true, false} {
			t.Run(fmt.Sprint(policy, history), func(t *testing.T) {
				o := hub.Options{Slow: policy}
				if history {
					o = withHistory(policy)
				}
				bubble(t, o, func(b *bench) { overfill(b, history) })
			})
		}
	}
}

func overfill(b *bench, history bool) {
	const limit = 1500
	s, w := b.open(Config{MaxQueue: limit})
	names := []string{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"}
	for _, name := range names {
		b.subscribe(s, channel(name))
	}
	synctest.Wait()
	w.text()
	w.stall()
	for i := range 5 {
		for _, name := range names {
			m := hub.Message{Channel: name, Data: fmt.Append(nil, name, ".", i), Key: fmt.Sprint(i)}
			if _, err := b.hub.Publish(b.Context(), m, nil); err != nil {
				b.Fatal(err)
			}
			if q := s.Queued(); q > limit {
				b.Fatalf("%d bytes are queued, the limit is %d", q, limit)
			}
		}
	}
	w.open(unlimited)
	b.quiet()
	got := w.text()
	for _, name := range names {
		if !strings.Contains(got, name+".4") && (history || !strings.Contains(got, "unsubscribed:"+name)) {
			b.Errorf("sent %q, want the last of %s, or its end where there is no history", got, name)
		}
	}
	if s.Cause() != nil || s.Stats.Lagged.Load() == 0 || s.Slowness().Lagged == 0 {
		b.Errorf("ended because of %v, lagged %d times, want a session that lives and has lagged", s.Cause(), s.Stats.Lagged.Load())
	}
	b.end(s)
}

// What is published to a pattern has no chain in which something could be left out, whatever
// the policy of its channel is.
func TestPatternsDisconnect(t *testing.T) {
	bubble(t, withHistory(hub.CatchUp), func(b *bench) {
		s, w := b.open(Config{MaxQueue: 1000})
		p, err := hub.ParsePattern("ne*")
		if err != nil {
			b.Fatal(err)
		}
		b.subscribe(s, Request{Target: Target{Pattern: p}})
		w.stall()
		for i := range 20 {
			b.publish("news", fmt.Sprint(i))
		}
		<-s.Done()
		if !errors.Is(w.cause, ErrSlowConsumer) {
			b.Errorf("ended because of %v, want %v", w.cause, ErrSlowConsumer)
		}
	})
}

// A client that does not take its messages is disconnected when its queue is full,
// and nobody else notices.
func TestSlowConsumer(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{MaxQueue: 1000})
		other, healthy := b.open(Config{MaxQueue: 1000})
		b.subscribe(s, channel("news"))
		b.subscribe(other, channel("news"))
		w.stall()
		want := []string{"news@0"}
		for i := range 20 {
			b.publish("news", fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
		}
		<-s.Done()
		if !errors.Is(w.cause, ErrSlowConsumer) || !errors.Is(s.Cause(), ErrSlowConsumer) || s.Stats.Disconnected.Load() != 1 {
			b.Errorf("ended because of %v, want %v, counted once", w.cause, ErrSlowConsumer)
		}
		b.expect(w, "news@0")
		b.expect(healthy, strings.Join(want, " "))
		b.end(other)
	})
}

// The bound counts what each packet costs, so that empty ones are bounded too.
func TestQueueIsBounded(t *testing.T) {
	for _, size := range []int{0, 1, 100} {
		bubble(t, hub.Options{}, func(b *bench) {
			s, w := b.open(Config{MaxQueue: 10_000})
			w.stall()
			taken := 0
			for s.Send(text(strings.Repeat("x", size))) == nil {
				taken++
			}
			if want := 10_000 / (size + itemOverhead); taken != want {
				b.Errorf("packets of %d bytes: %d were queued, want %d", size, taken, want)
			}
			<-s.Done()
		})
	}
}

// A full queue of what may be left out has room for replies and for other channels.
func TestOthersYield(t *testing.T) {
	for _, policy := range []hub.Policy{hub.DropOldest, hub.CatchUp} {
		bubble(t, withHistory(policy), func(b *bench) {
			b.hub = hub.New(b.broker, hub.Config{
				Default:    withHistory(policy),
				Namespaces: []hub.Namespace{{Pattern: "strict", Options: hub.Options{}}},
			})
			s, w := b.open(Config{MaxQueue: 2000})
			b.subscribe(s, channel("news"))
			b.subscribe(s, channel("strict"))
			w.stall()
			for i := range 50 {
				b.publish("news", fmt.Sprint(i))
			}
			for i := range 5 {
				b.publish("strict", fmt.Sprint("strict", i))
				if err := s.Send(text(fmt.Sprint("reply", i))); err != nil {
					b.Fatal(err)
				}
			}
			if s.Cause() != nil {
				b.Fatalf("%v: ended because of %v", policy, s.Cause())
			}
			w.open(unlimited)
			b.quiet()
			sent := w.sent
			got := w.text()
			for i := range 5 {
				if !strings.Contains(got, fmt.Sprint(" strict", i)) || !strings.Contains(got, fmt.Sprint(" reply", i)) {
					b.Errorf("%v: sent %q, want all of strict and all replies", policy, got)
				}
			}
			var news []*packet
			for _, p := range sent {
				if p.channel == "news" {
					news = append(news, p)
				}
			}
			checkChain(b, news)
			if last := news[len(news)-1]; last.offset != 50 {
				b.Errorf("%v: the last of news is %d, want 50", policy, last.offset)
			}
			b.end(s)
		})
	}
}

// When history does not reach back to where a client that lags is, it is told.
func TestCatchUpTooLate(t *testing.T) {
	o := withHistory(hub.CatchUp)
	o.History = 5
	bubble(t, o, func(b *bench) {
		s, w := b.open(Config{MaxQueue: 1000})
		b.subscribe(s, channel("news"))
		b.expect(w, "news@0")
		w.stall()
		for i := range 50 {
			b.publish("news", fmt.Sprint(i))
		}
		if s.Queued() != 0 || s.Stats.Lagged.Load() != 1 {
			b.Errorf("%d bytes are queued, lagged %d times, want nothing, once", s.Queued(), s.Stats.Lagged.Load())
		}
		w.open(unlimited)
		b.quiet()
		sent := w.sent
		b.expect(w, "unsubscribed:news")
		if len(sent) == 0 || !errors.Is(sent[0].cause, hub.ErrTrimmed) {
			b.Errorf("the cause is not %v", hub.ErrTrimmed)
		}
		b.subscribe(s, channel("news"))
		b.end(s)
	})
}

// A client that unsubscribes while it lags, or ends, leaves nothing behind.
func TestEndsWhileLagging(t *testing.T) {
	for _, how := range []string{"unsubscribe", "end", "lost"} {
		bubble(t, withHistory(hub.CatchUp), func(b *bench) {
			s, w := b.open(Config{MaxQueue: 1000})
			b.subscribe(s, channel("news"))
			w.stall()
			for i := range 50 {
				b.publish("news", fmt.Sprint(i))
			}
			paused := b.pause("history news")
			w.open(unlimited)
			step := <-paused // it reads history
			switch how {
			case "unsubscribe":
				if err := s.Unsubscribe(Target{Channel: "news"}, text("bye")); err != nil {
					b.Error(err)
				}
				b.expect(w, "news@0 bye")
			case "end":
				s.Close(ErrLeft) // before it goes on
			case "lost":
				s.subs.list[0].Lost(hub.ErrEpoch)
				b.expect(w, "news@0 unsubscribed:news")
			}
			go close(step)
			b.end(s)
			b.expect(w, map[string]string{"end": "news@0"}[how])
		})
	}
}
