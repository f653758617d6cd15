package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestDrain(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		var set Set
		var wires []*wire
		const many = 3000
		for range many {
			s, w := b.open(Config{})
			add(b, &set, s)
			wires = append(wires, w)
		}
		if got := set.Len(); got != many || len(set.All()) != many {
			b.Errorf("Len() = %d, want %d", got, many)
		}
		if err := set.Drain(b.Context()); err != nil {
			b.Errorf("Drain = %v, want nil", err)
		}
		// Those who come back are spread over three seconds.
		var seconds [3]int
		for _, w := range wires {
			var cause *Shutdown
			if !errors.As(w.cause, &cause) || !errors.Is(w.cause, ErrShutdown) || w.aborted {
				b.Fatalf("closed because of %v, aborted %v, want a %T", w.cause, w.aborted, cause)
			}
			seconds[cause.After/time.Second]++
		}
		for i, n := range seconds {
			if n < many/3*8/10 || n > many/3*12/10 {
				b.Errorf("%d come back in second %d, want about %d", n, i, many/3)
			}
		}
		s, _ := b.open(Config{})
		if err := set.Add(s); !errors.Is(err, ErrShutdown) {
			b.Errorf("Add after Drain = %v, want %v", err, ErrShutdown)
		}
		if err := set.Drain(b.Context()); err != nil {
			b.Errorf("second Drain = %v, want nil", err)
		}
		b.end(s)
	})
}

// A connection that does not end in time is cut off.
func TestDrainAborts(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		var set Set
		s, w := b.open(Config{})
		add(b, &set, s)
		w.stall()
		if err := s.Send(text("x")); err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(b.Context(), flushTime/4)
		defer cancel()
		began := time.Now()
		if err := set.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != flushTime/4 {
			b.Errorf("Drain = %v after %v, want %v after %v", err, time.Since(began), context.DeadlineExceeded, flushTime/4)
		}
		if !w.aborted {
			b.Error("the connection was not cut off")
		}
	})
}

func TestList(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		var set Set
		var sessions []*Session
		for i := range 5 {
			s, _ := b.open(Config{Identity: Identity{fmt.Sprint(i), fmt.Sprint("c", 4-i)}, User: []string{"ann", "bob"}[i%2]})
			add(b, &set, s)
			sessions = append(sessions, s)
		}
		for _, c := range []struct {
			user, after string
			limit       int
			want        string
			more        bool
		}{
			{"", "", 10, "c0c1c2c3c4", false},
			{"", "", 2, "c0c1", true},
			{"", "c1", 3, "c2c3c4", false},
			{"ann", "", 2, "c0c2", true},
			{"bob", "c1", 0, "c3", false},
			{"eve", "", 9, "", false},
		} {
			found, more := set.List(c.user, c.after, c.limit)
			got := ""
			for _, s := range found {
				got += s.Client()
			}
			if got != c.want || more != c.more {
				b.Errorf("List(%q, %q, %d) = %s, %v, want %s, %v", c.user, c.after, c.limit, got, more, c.want, c.more)
			}
		}
		if set.Client("c3") != sessions[1] || set.Session("1") != sessions[1] || set.Client("1") != nil || set.Session("c3") != nil {
			b.Error("a session is not found by its names")
		}
		b.end(sessions...)
	})
}
