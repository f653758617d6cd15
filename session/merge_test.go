package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestRecover(t *testing.T) {
	kept := withHistory(hub.Disconnect)
	short := kept
	short.History = 1
	for _, c := range []struct {
		name    string
		options hub.Options
		request func(b *bench) Request
		want    string
	}{
		{"now", kept, func(*bench) Request { return channel("news") }, "news@3 d"},
		{"from", kept, func(b *bench) Request { return b.from("news", 1) }, "news@1:true b c d"},
		{"from the top", kept, func(b *bench) Request { return b.from("news", 3) }, "news@3:true d"},
		{"from ahead", kept, func(b *bench) Request { return b.from("news", 7) }, "news@3:falseepoch d"},
		{"from the beginning", kept, func(b *bench) Request { return b.from("news", 0) }, "news@0:true a b c d"},
		{"from another epoch", kept, func(*bench) Request {
			r := channel("news")
			r.From = &hub.Position{Epoch: "other", Offset: 1}
			return r
		}, "news@3:falseepoch d"},
		{"from what is not kept", short, func(b *bench) Request { return b.from("news", 1) }, "news@3:falsetrimmed d"},
		{"latest 2", kept, func(*bench) Request { return Request{Target: Target{Channel: "news"}, Latest: 2} }, "news@1 b c d"},
		{"latest 9", kept, func(*bench) Request { return Request{Target: Target{Channel: "news"}, Latest: 9} }, "news@0 a b c d"},
		{"latest without history", hub.Options{}, func(*bench) Request { return Request{Target: Target{Channel: "news"}, Latest: 9} }, "news@3 d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.options, func(b *bench) {
				s, w := b.open(Config{})
				b.publish("news", "a", "b", "c")
				b.subscribe(s, c.request(b))
				b.publish("news", "d")
				b.expect(w, c.want)
				b.end(s)
			})
		})
	}
}

func TestRecoverWithoutHistory(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		other, _ := b.open(Config{})
		var at hub.Position
		if err := other.Subscribe(b.Context(), channel("news"), func(st Start) hub.Packet { at = *st.Position; return nil }); err != nil {
			b.Fatal(err)
		}
		r := channel("news")
		r.From = &at
		b.subscribe(s, r)
		b.expect(w, "news@0:true") // nothing lies between
		if err := s.Unsubscribe(r.Target, nil); err != nil {
			b.Fatal(err)
		}
		b.publish("news", "a")
		b.subscribe(s, r)
		b.publish("news", "b")
		b.expect(w, "news@1:falseno_history b")
		b.end(s, other)
	})
}

// What is published while history is read waits for the answer and what was missed.
func TestHeldComesLast(t *testing.T) {
	bubble(t, withHistory(hub.Disconnect), func(b *bench) {
		s, w := b.open(Config{})
		b.publish("news", "a")
		r := b.from("news", 0)
		paused := b.pause("history news")
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.subscribe(s, r)
		}()
		step := <-paused
		b.publish("news", "b", "c")
		b.expect(w, "")
		close(step)
		<-done
		b.broker.before = func(string) {}
		b.publish("news", "d")
		b.expect(w, "news@0:true a b c d")
		b.end(s)
	})
}

// More than can be held while history is read comes from history later.
func TestHeldIsBounded(t *testing.T) {
	bubble(t, withHistory(hub.Disconnect), func(b *bench) {
		s, w := b.open(Config{MaxQueue: 1000})
		b.publish("news", "first")
		r := b.from("news", 0)
		paused := b.pause("history news")
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.subscribe(s, r)
		}()
		step := <-paused
		b.broker.before = func(string) {}
		want := []string{"news@0:true", "first"}
		for i := range 20 {
			b.publish("news", fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
			if held := s.subs.held; held > 1000 {
				b.Fatalf("%d bytes are held, the limit is 1000", held)
			}
		}
		close(step)
		<-done
		b.quiet()
		b.publish("news", "last")
		b.expect(w, strings.Join(append(want, "last"), " "))
		b.end(s)
	})
}

// Without history a subscription of which more came than can be held begins behind that.
func TestHeldIsBoundedWithoutHistory(t *testing.T) {
	for _, c := range []struct {
		start Start
		want  string
	}{
		{Start{}, "news@20 last"},
		{Start{Recovered: new(bool)}, "news@20:false last"},
		{recovered(), "news@20:falseno_history last"},
	} {
		bubble(t, hub.Options{}, func(b *bench) {
			s, w := b.open(Config{MaxQueue: 1000})
			sub, err := s.reserve(channel("news"))
			if err != nil {
				b.Fatal(err)
			}
			pos, err := b.hub.Subscribe(b.Context(), "news", sub)
			if err != nil {
				b.Fatal(err)
			}
			for i := range 20 {
				b.publish("news", fmt.Sprint(i))
			}
			c.start.Position = &pos
			if err := s.goLive(sub, c.start, nil, pos, ack("news")); err != nil {
				b.Error(err)
			}
			b.publish("news", "last")
			b.expect(w, c.want)
			b.end(s)
		})
	}
}

func recovered() Start {
	yes := true
	return Start{Recovered: &yes}
}

// A client that missed more than a page gets all of it.
func TestRecoverPages(t *testing.T) {
	bubble(t, withHistory(hub.Disconnect), func(b *bench) {
		s, w := b.open(Config{})
		want := []string{"news@0:true"}
		for i := range 3*pageLimit + 7 {
			b.publish("news", fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
		}
		b.subscribe(s, b.from("news", 0))
		b.publish("news", "last")
		b.quiet()
		b.expect(w, strings.Join(append(want, "last"), " "))
		b.end(s)
	})
}

// A client that takes little recovers within its queue, in its own time.
func TestRecoverSlowly(t *testing.T) {
	for _, policy := range []hub.Policy{hub.Disconnect, hub.CatchUp} {
		bubble(t, withHistory(policy), func(b *bench) {
			s, w := b.open(Config{MaxQueue: 2000})
			want := []string{"news@0:true"}
			for i := range 100 {
				b.publish("news", fmt.Sprint(i))
				want = append(want, fmt.Sprint(i))
			}
			w.stall()
			b.subscribe(s, b.from("news", 0))
			for range 200 {
				if q := s.Queued(); q > 2000 {
					b.Fatalf("%d bytes are queued, the limit is 2000", q)
				}
				w.open(1)
				b.quiet()
			}
			b.expect(w, strings.Join(want, " "))
			b.end(s)
		})
	}
}

// A publication that does not fit behind what waits already, which takes less than half of the
// queue, does not end the session: the client would come back to the same end for ever.
func TestRecoverLarge(t *testing.T) {
	bubble(t, withHistory(hub.Disconnect), func(b *bench) {
		const maxQueue = 1000
		small, large := strings.Repeat("s", maxQueue/4), strings.Repeat("l", maxQueue-2*itemOverhead)
		s, w := b.open(Config{MaxQueue: maxQueue})
		w.stall()
		b.publish("news", small, large, small, large)
		b.subscribe(s, b.from("news", 0))
		for range 10 {
			if q := s.Queued(); q > maxQueue {
				b.Fatalf("%d bytes are queued, the limit is %d", q, maxQueue)
			}
			w.open(1)
			b.quiet()
		}
		b.expect(w, strings.Join([]string{"news@0:true", small, large, small, large}, " "))
		b.end(s)
	})
}

// History that cannot be read fails the subscription and leaves nothing behind.
func TestHistoryFails(t *testing.T) {
	bubble(t, withHistory(hub.Disconnect), func(b *bench) {
		s, w := b.open(Config{})
		b.publish("news", "a")
		r := b.from("news", 0)
		b.broker.fail = errors.New("no disk")
		if err := s.Subscribe(b.Context(), r, ack("news")); !errors.Is(err, b.broker.fail) {
			b.Errorf("Subscribe = %v, want %v", err, b.broker.fail)
		}
		if n := s.Subscriptions(); n != 0 || b.hub.Channels() != 0 {
			b.Errorf("%d subscriptions and %d channels, want none", n, b.hub.Channels())
		}
		b.broker.fail = nil
		b.subscribe(s, r)
		b.expect(w, "news@0:true a")
		b.end(s)
	})
}

// What is lost ends the subscription with a push. One that the client has not heard of
// is begun again.
func TestLost(t *testing.T) {
	bubble(t, withHistory(hub.Disconnect), func(b *bench) {
		s, w := b.open(Config{})
		b.subscribe(s, channel("news"))
		b.subscribe(s, channel("other"))
		s.subs.list[0].Lost(hub.ErrEpoch)
		b.expect(w, "news@0 other@0 unsubscribed:news")
		b.subscribe(s, channel("news"))
		b.publish("news", "a")
		b.expect(w, "news@0 a")
		b.end(s)
	})
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		tries := 0
		b.broker.before = func(call string) {
			if call == "subscribe news" && tries < 2 {
				tries++
				s.subs.list[0].Lost(hub.ErrEpoch)
			}
		}
		b.subscribe(s, channel("news"))
		b.publish("news", "a")
		b.expect(w, "news@0 a")
		if tries != 2 {
			b.Errorf("lost %d times, want 2", tries)
		}
		b.broker.before = func(call string) {
			if call == "subscribe more" {
				s.subs.list[1].Lost(hub.ErrEpoch)
			}
		}
		if err := s.Subscribe(b.Context(), channel("more"), ack("more")); !errors.Is(err, hub.ErrGap) {
			b.Errorf("Subscribe to what is always lost = %v, want %v", err, hub.ErrGap)
		}
		b.end(s)
	})
}

// A publication that does not continue the chain is never sent: I1 holds whatever
// the hub does.
func TestBrokenChain(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		b.subscribe(s, channel("news"))
		sub := s.subs.list[0]
		epoch := sub.last.Epoch
		deliver := func(epoch string, prev, offset uint64) {
			sub.Deliver(&hub.Publication{Message: hub.Message{Data: fmt.Append(nil, offset)}, Position: hub.Position{Epoch: epoch, Offset: offset}, Prev: prev})
		}
		deliver(epoch, 0, 1)
		deliver(epoch, 0, 1)
		deliver(epoch, 2, 3)
		deliver(epoch, 3, 4)
		b.expect(w, "news@0 1 unsubscribed:news")
		b.end(s)
	})
}
