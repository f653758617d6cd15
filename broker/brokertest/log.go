package brokertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// maxOffset is what a JavaScript number holds exactly.
const maxOffset = 1 << 53

var logChecks = []check{
	{"each publication continues the log", nil, continues},
	{"a message arrives as it was published", nil, faithful},
	{"nothing behind the position of Subscribe is missed", nil, subscribeAmid},
	{"a second Subscribe replaces the sink", nil, replaces},
	{"Unsubscribe ends the calls of the sink", nil, unsubscribeAmid},
	{"all nodes see one order", nil, oneOrder},
	{"offsets are not used twice", nil, notTwice},
	{"calls end with their context", nil, contexts},
}

func continues(e *env) {
	here, there := e.nodes()
	channel, in := e.channel("c"), e.inbox()
	start := e.subscribe(here, channel, in)
	var acked []hub.Position
	for i := range 50 {
		acked = append(acked, e.say([]hub.Broker{here, there}[i%2], channel, fmt.Sprint(i)))
	}
	log := in.await(start, acked[len(acked)-1])
	if got := positions(log); !slices.Equal(got, acked) {
		e.Errorf("delivered %v, acked %v", got, acked)
	}
	for i, p := range log {
		if p.Offset >= maxOffset || string(p.Data) != fmt.Sprint(i) {
			e.Errorf("publication %d holds %q at %v", i, p.Data, p.Position)
		}
	}
}

func faithful(e *env) {
	here, there := e.nodes()
	channel, in := e.channel("c"), e.inbox()
	pos := e.subscribe(there, channel, in)
	binary := make([]byte, 64<<10)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	for i, m := range []hub.Message{
		{},
		{Data: []byte(`{"a":1}`)},
		{Data: []byte{}, ContentType: "application/octet-stream"},
		{Data: []byte{0}, ContentType: "application/octet-stream"},
		{Data: binary, ContentType: "application/octet-stream"},
		{Data: []byte("\r\n$5\r\n\x00"), ContentType: "text/plain; charset=utf-8", Key: "k \"\n", Client: "me", ExcludeClient: true},
		{ID: "id \u2028\r\n", Tags: map[string]string{"a": "", "": "b", "ä\r\n": "\x00"}, Key: "clé", Data: []byte("null")},
	} {
		m.Channel = channel
		began := time.Now()
		at := e.publish(here, m, e.options()).Position
		log := in.await(pos, at)
		p := log[len(log)-1]
		if !sameMessage(p.Message, m) {
			e.Errorf("message %d: delivered %.200q, want %.200q", i, fmt.Sprintf("%+v", p.Message), fmt.Sprintf("%+v", m))
		}
		// The clock may be that of another machine.
		if off := p.Time.Sub(began); off < -time.Hour || off > time.Hour {
			e.Errorf("message %d: Time = %v at %v", i, p.Time, began)
		}
	}
}

func sameMessage(a, b hub.Message) bool {
	return a.Channel == b.Channel && a.ID == b.ID && a.Key == b.Key && maps.Equal(a.Tags, b.Tags) && string(a.Data) == string(b.Data) &&
		a.ContentType == b.ContentType && a.Client == b.Client && a.ExcludeClient == b.ExcludeClient
}

// chatter publishes from both nodes until stop is called, which returns what each
// publisher was acked.
func (e *env) chatter(channel string, nodes ...hub.Broker) (stop func() [][]hub.Position) {
	ctx, cancel := context.WithCancel(e.ctx)
	acked := make([][]hub.Position, len(nodes))
	var wg sync.WaitGroup
	for i, b := range nodes {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil && n < 2000; n++ {
				m := message(channel, fmt.Sprint(i, " ", n))
				done, err := b.Publish(e.ctx, m, hub.PublishOptions{Options: e.options()})
				if err != nil {
					e.Errorf("Publish = %v", err)
					return
				}
				acked[i] = append(acked[i], done.Position)
			}
		})
	}
	return func() [][]hub.Position {
		cancel()
		wg.Wait()
		return acked
	}
}

func subscribeAmid(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	for range 20 {
		stop := e.chatter(channel, here, there)
		in := e.inbox()
		start := e.subscribe(here, channel, in)
		middle := e.say(there, channel, "middle")
		acked := stop()
		end := e.say(there, channel, "end")
		got := make(map[hub.Position]bool)
		for _, p := range in.await(start, end) {
			got[p.Position] = true
		}
		for _, one := range append(acked, []hub.Position{middle}) {
			for _, pos := range one {
				if pos.Offset > start.Offset && !got[pos] {
					e.Fatalf("%v was acked behind %v and not delivered", pos, start)
				}
			}
		}
		e.unsubscribe(here, channel)
	}
}

func replaces(e *env) {
	b, channel := e.open(), e.channel("c")
	first, second := e.inbox(), e.inbox()
	pos := e.subscribe(b, channel, first)
	first.await(pos, e.say(b, channel, "1"))
	start := e.subscribe(b, channel, second)
	end := e.say(b, channel, "2")
	if log := second.await(start, end); len(log) != 1 {
		e.Errorf("the second sink got %q, want the second message", texts(log))
	}
	if first.has(end) {
		e.Errorf("the first sink got the message behind the second Subscribe")
	}
}

func unsubscribeAmid(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	e.unsubscribe(here, channel) // of what nobody is subscribed to
	stop := e.chatter(channel, here, there)
	for range 20 {
		in := e.inbox()
		start := e.subscribe(here, channel, in)
		in.await(start, e.say(here, channel, "in between"))
		e.unsubscribe(here, channel)
		in.close()
		e.say(here, channel, "behind")
	}
	stop()
	in := e.inbox()
	start := e.subscribe(here, channel, in)
	in.await(start, e.say(here, channel, "the end"))
}

func oneOrder(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	inboxes := []*inbox{e.inbox(), e.inbox()}
	starts := []hub.Position{e.subscribe(here, channel, inboxes[0]), {}}
	if starts[1] = starts[0]; e.Nodes {
		starts[1] = e.subscribe(there, channel, inboxes[1])
	} else {
		inboxes[1] = inboxes[0]
	}
	stop := e.chatter(channel, here, there, here, there)
	inboxes[0].await(starts[0], e.say(here, channel, "middle"))
	acked := stop()
	end := e.say(here, channel, "end")
	a, b := inboxes[0].await(starts[0], end), inboxes[1].await(starts[1], end)
	if !slices.Equal(positions(a), positions(b)) || !slices.Equal(texts(a), texts(b)) {
		e.Errorf("two nodes see %d and %d publications, or in another order", len(a), len(b))
	}
	for i, one := range acked {
		for j := 1; j < len(one); j++ {
			if one[j].Offset <= one[j-1].Offset {
				e.Errorf("publisher %d was acked %v and then %v", i, one[j-1], one[j])
			}
		}
	}
}

// notTwice: an offset is one publication, though its channel is forgotten in between,
// and whether or not it keeps anything.
func notTwice(e *env) {
	here, there := e.nodes()
	last := map[string]hub.Position{}
	for i := range 200 {
		channel := e.channel(fmt.Sprint(i % 5))
		b := []hub.Broker{here, there}[i%2]
		if i%3 == 0 {
			e.subscribe(b, channel, e.inbox())
		}
		pos := e.publish(b, message(channel, "x"), new(hub.Options)).Position
		if was := last[channel]; pos.Epoch == was.Epoch && pos.Offset <= was.Offset {
			e.Fatalf("Publish = %v after %v", pos, was)
		}
		last[channel] = pos
		if i%4 == 0 {
			e.unsubscribe(b, channel)
		}
	}
}

// contexts: with a context that has ended a call either does its work or says why not,
// and leaves nothing behind that is in the way.
func contexts(e *env) {
	b, channel, in := e.open(), e.channel("c"), e.inbox()
	ended, cancel := context.WithCancel(e.ctx)
	cancel()
	calls := map[string]func() error{
		"Publish": func() error {
			_, err := b.Publish(ended, message(channel, "1"), hub.PublishOptions{Options: e.options()})
			return err
		},
		"Subscribe":   func() error { _, err := b.Subscribe(ended, channel, in); return err },
		"Unsubscribe": func() error { return b.Unsubscribe(ended, channel) },
	}
	if h, ok := b.(hub.Historian); ok {
		calls["History"] = func() error { _, err := h.History(ended, channel, hub.Query{Limit: 1}); return err }
	}
	for name, call := range calls {
		done := make(chan error, 1)
		go func() { done <- call() }()
		var err error
		finished := false
		e.until(name+" to return", func() bool {
			select {
			case err = <-done:
				finished = true
			default:
			}
			return finished
		})
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, hub.ErrIndeterminate) {
			e.Errorf("%s with an ended context = %v", name, err)
		}
	}
	again := e.inbox()
	start := e.subscribe(b, channel, again)
	again.await(start, e.say(b, channel, "2"))
}
