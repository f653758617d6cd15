package session

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// present are options of channels that tell who is there.
func present() hub.Options {
	return hub.Options{History: 100, HistoryTime: time.Hour, Presence: true, Joins: true}
}

func withJoins(name string) Request {
	r := channel(name)
	r.Joins = true
	return r
}

// A client hears of its own join, behind the answer, and of those of others.
func TestPresence(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		a, wa := b.open(Config{Identity: Identity{"1.a", "a"}})
		c, wc := b.open(Config{Identity: Identity{"1.c", "c"}})
		b.subscribe(a, withJoins("news"))
		b.subscribe(c, channel("news"))
		b.expect(wa, "news@0 joined:a joined:c")
		if err := c.Unsubscribe(Target{Channel: "news"}, nil); err != nil {
			b.Fatal(err)
		}
		b.expect(wa, "left:c")
		b.subscribe(c, channel("news"))
		c.Close(errOver)
		<-c.Done()
		b.expect(wa, "joined:c left:c")
		b.expect(wc, "news@0 news@0")
		b.end(a)
	})
}

// A client that ends while it is entering has left at the end.
func TestEndsWhileEntering(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		s, _ := b.open(Config{Identity: Identity{"1.a", "a"}})
		paused := b.pause("enter news a")
		done := make(chan error)
		go func() { done <- s.Subscribe(b.Context(), channel("news"), nil) }()
		step := <-paused
		s.Close(errOver)
		synctest.Wait() // its end waits for that
		close(step)
		if err := <-done; err != nil {
			b.Errorf("Subscribe = %v, want nil: the session ended later", err)
		}
		<-s.Done()
		if n, _, err := b.hub.Count(b.Context(), "news"); n != 0 || err != nil {
			b.Errorf("Count = %d, %v, want nobody", n, err)
		}
		b.end(s)
	})
}

// A subscription that has ended enters no more.
func TestEndsBeforeEntering(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		s, _ := b.open(Config{})
		b.subscribe(s, channel("news"))
		sub := s.subs.list[0]
		b.end(s)
		s.enter(b.Context(), sub)
		if n, _, err := b.hub.Count(b.Context(), "news"); n != 0 || err != nil {
			b.Errorf("Count = %d, %v, want nobody", n, err)
		}
	})
}

// Nobody's join is told before the answer.
func TestJoinsComeBehindTheAnswer(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		s, w := b.open(Config{Identity: Identity{"1.a", "a"}})
		other, _ := b.open(Config{Identity: Identity{"1.c", "c"}})
		b.publish("news", "x")
		r := b.from("news", 0)
		r.Joins = true
		paused := b.pause("history news")
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.subscribe(s, r)
		}()
		step := <-paused
		b.subscribe(other, channel("news"))
		b.expect(w, "")
		close(step)
		<-done
		b.expect(w, "news@0:true x joined:a")
		b.end(s, other)
	})
}

// lobby is a watcher, and a client that has subscribed to two channels.
func lobby(b *bench, l *Lobby) (set *Set, s *Session, w, watcher *wire) {
	set = new(Set)
	watch, watcher := b.open(Config{Identity: Identity{"1.w", "w"}})
	s, w = b.open(Config{Identity: NewIdentity("1"), Lobby: l})
	add(b, set, s)
	for _, name := range []string{"news", "other"} {
		b.subscribe(watch, withJoins(name))
		b.subscribe(s, channel(name))
	}
	b.expect(watcher, "news@0 joined:w joined:"+s.Client()+" other@0 joined:w joined:"+s.Client())
	b.watch = watch
	return set, s, w, watcher
}

// add puts s into the set; it is removed when it has ended.
func add(b *bench, set *Set, s *Session) {
	b.Helper()
	if err := set.Add(s); err != nil {
		b.Fatal(err)
	}
	go func() {
		<-s.Done()
		set.Remove(s)
	}()
}

// A client that comes back in time was never away: it has the same names, and only the
// channels that it does not want any more see it leave.
func TestResume(t *testing.T) {
	for _, how := range []string{"after", "before"} {
		t.Run(how+" the end of its connection was noticed", func(t *testing.T) {
			bubble(t, present(), func(b *bench) {
				l := &Lobby{}
				set, s, w, watcher := lobby(b, l)
				w.stall() // the old connection takes nothing any more
				if how == "after" {
					s.Lost(errors.New("connection reset"))
					<-s.Done()
				}
				b.publish("news", "a")
				began := time.Now()
				identity, settled, ok := l.Resume(set, s.ID())
				if !ok || identity != s.Identity || time.Since(began) != 0 {
					b.Fatalf("Resume = %v, %v after %v, want %v at once", identity, ok, time.Since(began), s.Identity)
				}
				again, wa := b.open(Config{Identity: identity, Lobby: l})
				add(b, set, again)
				b.subscribe(again, b.from("news", 0))
				settled(again)
				b.expect(wa, "news@0:true a")
				b.expect(watcher, "a left:"+s.Client())
				if set.Session(s.ID()) != again || set.Client(s.Client()) != again || set.Len() != 1 {
					b.Error("the set does not have the new session in place of the old one")
				}
				if _, _, ok := l.Resume(set, "1.nobody"); ok {
					b.Error("Resume of a stranger is ok")
				}
				again.Close(ErrLeft)
				b.expect(watcher, "left:"+s.Client())
				if _, _, ok := l.Resume(set, s.ID()); ok {
					b.Error("Resume of a client that has left is ok")
				}
				<-s.Done()
				if how == "before" && !errors.Is(w.cause, ErrTakenOver) {
					b.Errorf("the old connection ended because of %v, want %v", w.cause, ErrTakenOver)
				}
				b.end(b.watch, again)
			})
		})
	}
}

// A client that does not come back leaves when its time is over.
func TestResumeTooLate(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		l := &Lobby{Time: 3 * time.Second}
		set, s, _, watcher := lobby(b, l)
		s.Lost(errors.New("connection reset"))
		<-s.Done()
		<-time.After(2900 * time.Millisecond)
		b.expect(watcher, "")
		if l.Len() != 1 {
			b.Errorf("Len() = %d, want 1", l.Len())
		}
		<-time.After(100 * time.Millisecond)
		b.expect(watcher, "left:"+s.Client()+" left:"+s.Client())
		if _, _, ok := l.Resume(set, s.ID()); ok || l.Len() != 0 {
			b.Error("Resume is ok when the time is over")
		}
		b.end(b.watch)
	})
}

type endedForGood struct{}

func (endedForGood) Error() string   { return "ended for good" }
func (endedForGood) Resumable() bool { return false }

// Who has said goodbye, is sent away, or finds the server at its end is not waited for.
func TestNotResumable(t *testing.T) {
	for _, cause := range []error{ErrLeft, ErrShutdown, newShutdown(1), endedForGood{}, fmt.Errorf("read: %w", endedForGood{})} {
		bubble(t, present(), func(b *bench) {
			l := &Lobby{}
			_, s, _, watcher := lobby(b, l)
			s.Close(cause)
			<-s.Done()
			b.expect(watcher, "left:"+s.Client()+" left:"+s.Client())
			if l.Len() != 0 {
				b.Errorf("%v: Len() = %d, want 0", cause, l.Len())
			}
			b.end(b.watch)
		})
	}
}

// When the lobby closes everybody leaves, and so does who comes later. A resumption
// that comes to nothing has the client leave.
func TestLobbyCloses(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		l := &Lobby{}
		set, s, _, watcher := lobby(b, l)
		s.Lost(errors.New("connection reset"))
		<-s.Done()
		identity, settled, _ := l.Resume(set, s.ID())
		b.expect(watcher, "")
		settled(nil)
		b.expect(watcher, "left:"+s.Client()+" left:"+s.Client())
		for range 2 {
			s, _ := b.open(Config{Identity: identity, Lobby: l})
			b.subscribe(s, channel("news"))
			s.Lost(errors.New("connection reset"))
			<-s.Done()
			l.Close()
			b.expect(watcher, "joined:"+s.Client()+" left:"+s.Client())
		}
		b.end(b.watch)
	})
}

// Two connections that resume the same session at once: one has it.
func TestResumeTwice(t *testing.T) {
	bubble(t, present(), func(b *bench) {
		l := &Lobby{}
		set, s, _, _ := lobby(b, l)
		results := make(chan func(*Session), 2)
		for range 2 {
			go func() {
				_, settled, _ := l.Resume(set, s.ID())
				results <- settled
			}()
		}
		resumed := 0
		for range 2 {
			if settled := <-results; settled != nil {
				resumed++
				settled(nil) // until then the other waits
			}
		}
		if resumed != 1 {
			b.Errorf("%d have resumed the session, want one", resumed)
		}
		<-s.Done()
		b.end(b.watch)
	})
}

// A client that loses its connection again before it has subscribed to everything is away
// still: nobody sees it leave, and it may come back to all of its channels.
func TestLostWhileResuming(t *testing.T) {
	for _, comes := range []bool{true, false} {
		bubble(t, present(), func(b *bench) {
			l := &Lobby{}
			set, s, _, watcher := lobby(b, l)
			s.Lost(errors.New("connection reset"))
			<-s.Done()
			identity, settled, _ := l.Resume(set, s.ID())
			first, _ := b.open(Config{Identity: identity, Lobby: l})
			add(b, set, first)
			b.subscribe(first, channel("news"))
			began := time.Now()
			if comes { // before the first is noticed to be gone
				resumed := make(chan func(*Session), 1)
				go func() {
					_, settled, _ := l.Resume(set, s.ID())
					resumed <- settled
				}()
				synctest.Wait()
				settled(first)
				settled = <-resumed
				again, _ := b.open(Config{Identity: identity, Lobby: l})
				add(b, set, again)
				b.subscribe(again, channel("news"))
				b.subscribe(again, channel("other"))
				settled(again)
				b.expect(watcher, "")
				again.Close(ErrLeft)
				<-again.Done()
			} else {
				first.Lost(errors.New("connection reset"))
				settled(first)
				b.expect(watcher, "")
				<-time.After(11 * time.Second)
			}
			b.expect(watcher, "left:"+s.Client()+" left:"+s.Client())
			if took := time.Since(began); comes && took > 0 {
				b.Errorf("coming back took %v", took)
			}
			b.end(b.watch)
		})
	}
}
