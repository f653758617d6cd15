package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

func needsDedup(c Claims) bool  { return c.Dedup }
func needsExpect(c Claims) bool { return c.Expect }

var onceChecks = []check{
	{"a message of a known ID is not published again", needsDedup, dedups},
	{"of messages with one ID one is published", needsDedup, dedupsAtOnce},
	{"without Dedup an ID means nothing", nil, noDedup},
	{"an ID is forgotten", needsDedup, dedupEnds},
	{"a message is published at the expected position only", needsExpect, expects},
	{"of messages that expect one position one is published", needsExpect, expectsAtOnce},
	{"a retry is known although its position is over", func(c Claims) bool { return c.Dedup && c.Expect }, retries},
	{"what cannot be compared is refused", func(c Claims) bool { return !c.Expect }, refusesExpect},
}

func withID(channel, id, text string) hub.Message {
	m := message(channel, text)
	m.ID = id
	return m
}

func dedups(e *env) {
	here, there := e.nodes()
	channel, in := e.channel("c"), e.inbox()
	start := e.subscribe(here, channel, in)
	first := e.publish(here, withID(channel, "1", "first"), e.options())
	other := e.publish(here, withID(channel, "2", "other"), e.options())
	elsewhere := e.publish(here, withID(e.channel("d"), "1", "elsewhere"), e.options())
	again := e.publish(there, withID(channel, "1", "again"), e.options())
	if first.Duplicate || other.Duplicate || elsewhere.Duplicate {
		e.Errorf("what was not published before is a duplicate: %+v, %+v, %+v", first, other, elsewhere)
	}
	if !again.Duplicate || again.Position != first.Position {
		e.Errorf("the second time = %+v, want a duplicate of %v", again, first.Position)
	}
	for range 2 { // no ID is not an ID
		if done := e.publish(there, withID(channel, "", "none"), e.options()); done.Duplicate {
			e.Errorf("a message without an ID is a duplicate: %+v", done)
		}
	}
	got := texts(in.await(start, e.say(here, channel, "end")))
	if want := []string{"first", "other", "none", "none", "end"}; !slices.Equal(got, want) {
		e.Errorf("delivered %q, want %q", got, want)
	}
}

// atOnce publishes n messages at the same time, from the nodes in turn.
func atOnce(n int, nodes []hub.Broker, publish func(b hub.Broker, i int) (hub.Published, error)) ([]hub.Published, []error) {
	done, errs := make([]hub.Published, n), make([]error, n)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			done[i], errs[i] = publish(nodes[i%len(nodes)], i)
		})
	}
	close(begin)
	all.Wait()
	return done, errs
}

func dedupsAtOnce(e *env) {
	here, there := e.nodes()
	for round := range 20 {
		channel := e.channel(fmt.Sprint(round))
		done, errs := atOnce(8, []hub.Broker{here, there}, func(b hub.Broker, i int) (hub.Published, error) {
			return b.Publish(e.ctx, withID(channel, "id", fmt.Sprint(i)), hub.PublishOptions{Options: e.options()})
		})
		fresh := 0
		for i := range done {
			if errs[i] != nil {
				e.Fatalf("Publish = %v", errs[i])
			}
			if !done[i].Duplicate {
				fresh++
			}
			if done[i].Position != done[0].Position {
				e.Errorf("one ID is at %v and at %v", done[i].Position, done[0].Position)
			}
		}
		if fresh != 1 {
			e.Fatalf("%d of 8 messages with one ID are published, want 1", fresh)
		}
	}
}

func noDedup(e *env) {
	b, channel := e.open(), e.channel("c")
	first := e.publish(b, withID(channel, "1", "first"), new(hub.Options))
	if again := e.publish(b, withID(channel, "1", "again"), new(hub.Options)); again.Duplicate || again.Position == first.Position {
		e.Errorf("the second message of an ID = %+v, want it published", again)
	}
}

func dedupEnds(e *env) {
	b, channel := e.open(), e.channel("c")
	o := e.options()
	o.Dedup = 50 * time.Millisecond
	first := e.publish(b, withID(channel, "1", "first"), o)
	var again hub.Published
	e.until("the ID to be forgotten", func() bool {
		again = e.publish(b, withID(channel, "1", "again"), o)
		return !again.Duplicate
	})
	if again.Epoch == first.Epoch && again.Offset <= first.Offset {
		e.Errorf("published again at %v, behind %v", again.Position, first.Position)
	}
}

func (e *env) expecting(b hub.Broker, m hub.Message, at hub.Position) (hub.Published, error) {
	return b.Publish(e.ctx, m, hub.PublishOptions{Options: e.options(), Expect: &at})
}

func expects(e *env) {
	here, there := e.nodes()
	channel, in := e.channel("c"), e.inbox()
	start := e.subscribe(here, channel, in)
	first := e.say(here, channel, "first")
	for _, wrong := range []hub.Position{{}, {Epoch: first.Epoch, Offset: first.Offset + 1}, {Epoch: first.Epoch}, {Epoch: first.Epoch + "0", Offset: first.Offset}} {
		if done, err := e.expecting(there, message(channel, "wrong"), wrong); !errors.Is(err, hub.ErrConflict) || done.Position != first {
			e.Errorf("Publish at %v, expecting %v = %+v, %v, want ErrConflict and where it is", first, wrong, done, err)
		}
	}
	second, err := e.expecting(there, message(channel, "second"), first)
	if err != nil {
		e.Fatalf("Publish at the expected %v = %v", first, err)
	}
	if _, err := e.expecting(here, message(channel, "late"), first); !errors.Is(err, hub.ErrConflict) {
		e.Errorf("Publish at %v, expecting %v = %v, want ErrConflict", second, first, err)
	}
	got := texts(in.await(start, e.say(here, channel, "end")))
	if want := []string{"first", "second", "end"}; !slices.Equal(got, want) {
		e.Errorf("delivered %q, want %q", got, want)
	}
}

func expectsAtOnce(e *env) {
	here, there := e.nodes()
	for round := range 20 {
		channel := e.channel(fmt.Sprint(round))
		at := e.say(here, channel, "first")
		_, errs := atOnce(8, []hub.Broker{here, there}, func(b hub.Broker, i int) (hub.Published, error) {
			return e.expecting(b, message(channel, fmt.Sprint(i)), at)
		})
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, hub.ErrConflict):
				e.Errorf("Publish = %v, want ErrConflict", err)
			}
		}
		if won != 1 {
			e.Fatalf("%d of 8 messages that expect one position are published, want 1", won)
		}
	}
}

func retries(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	at := e.say(here, channel, "first")
	done, err := e.expecting(here, withID(channel, "id", "second"), at)
	if err != nil {
		e.Fatalf("Publish = %v", err)
	}
	again, err := e.expecting(there, withID(channel, "id", "second"), at)
	if err != nil || !again.Duplicate || again.Position != done.Position {
		e.Errorf("the retry = %+v, %v, want a duplicate of %v", again, err, done.Position)
	}
}

func refusesExpect(e *env) {
	b, channel, in := e.open(), e.channel("c"), e.inbox()
	start := e.subscribe(b, channel, in)
	if done, err := e.expecting(b, message(channel, "refused"), start); err == nil {
		e.Errorf("Publish with an expected position = %+v, want an error", done)
	}
	if got := texts(in.await(start, e.say(b, channel, "end"))); len(got) != 1 {
		e.Errorf("delivered %q, want the end alone", got)
	}
}
