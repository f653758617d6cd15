package brokertest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

func needsHistory(c Claims) bool { return c.History }

var historyChecks = []check{
	{"history has pages in both directions", needsHistory, pages},
	{"history is asked for from anywhere", needsHistory, anywhere},
	{"history has what was acked, on every node", needsHistory, readYourWrites},
	{"history is as long as the options say", needsHistory, trimmedBySize},
	{"history is as old as the options say", needsHistory, trimmedByTime},
	{"a channel without history keeps nothing", needsHistory, keepsNothing},
}

func (e *env) read(b hub.Broker, channel string, q hub.Query) hub.Page {
	e.Helper()
	page, err := b.(hub.Historian).History(e.ctx, channel, q)
	if err != nil {
		e.Fatalf("History(%q, %+v) = %v", channel, q, err)
	}
	if page.Top.Epoch == "" {
		e.Fatalf("History(%q, %+v) has Top %v, without an epoch", channel, q, page.Top)
	}
	return page
}

func pages(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	acked := e.sayMany(here, channel, 25)
	for _, limit := range []int{1, 7, 25, 26, math.MaxInt} {
		for _, reverse := range []bool{false, true} {
			want := slices.Clone(acked)
			if reverse {
				slices.Reverse(want)
			}
			if got := e.walk(there, channel, limit, reverse); !slices.Equal(got, want) {
				e.Errorf("pages of %d, reverse %v, hold %v, want %v", limit, reverse, got, want)
			}
		}
	}
	log := e.read(there, channel, hub.Query{Limit: 100}).Publications
	for i, p := range log {
		if i > 0 && p.Prev != log[i-1].Offset || string(p.Data) != fmt.Sprint(i) {
			e.Errorf("publication %d is %q with prev %d", i, p.Data, p.Prev)
		}
	}
}

// walk pages through a whole log.
func (e *env) walk(b hub.Broker, channel string, limit int, reverse bool) []hub.Position {
	var got []hub.Position
	q := hub.Query{Limit: limit, Reverse: reverse}
	for range 100 {
		page := e.read(b, channel, q)
		if len(page.Publications) > limit {
			e.Fatalf("a page of %d holds %d publications", limit, len(page.Publications))
		}
		got = append(got, positions(page.Publications)...)
		if !page.More {
			return got
		}
		if len(page.Publications) == 0 {
			e.Fatalf("an empty page says that there is more")
		}
		last := page.Publications[len(page.Publications)-1]
		q.From = &hub.Position{Epoch: last.Epoch, Offset: last.Offset}
		if reverse {
			q.From.Offset = last.Prev
		}
	}
	e.Fatalf("the log does not end in 100 pages of %d", limit)
	return nil
}

func anywhere(e *env) {
	b, channel := e.open(), e.channel("c")
	acked := e.sayMany(b, channel, 5)
	top := acked[4]
	for _, offset := range []uint64{0, 1, top.Offset - 1, top.Offset, top.Offset + 1, maxOffset - 1, maxOffset, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		for _, reverse := range []bool{false, true} {
			page := e.read(b, channel, hub.Query{From: &hub.Position{Epoch: top.Epoch, Offset: offset}, Limit: 10, Reverse: reverse})
			var want []hub.Position
			for _, pos := range acked {
				if (pos.Offset <= offset) == reverse {
					want = append(want, pos)
				}
			}
			if reverse {
				slices.Reverse(want)
			}
			if got := positions(page.Publications); !slices.Equal(got, want) || page.More || page.Top != top {
				e.Errorf("from %d, reverse %v: %v, more %v, top %v, want %v, top %v", offset, reverse, got, page.More, page.Top, want, top)
			}
		}
	}
	for _, epoch := range []string{"", "other", top.Epoch + "0"} {
		for _, reverse := range []bool{false, true} {
			page := e.read(b, channel, hub.Query{From: &hub.Position{Epoch: epoch, Offset: 1}, Limit: 10, Reverse: reverse})
			if len(page.Publications) > 0 || page.Top != top {
				e.Errorf("from epoch %q: %d publications, top %v, want none and %v", epoch, len(page.Publications), page.Top, top)
			}
		}
	}
	if page := e.read(b, e.channel("empty"), hub.Query{Limit: 10}); len(page.Publications) > 0 || page.More {
		e.Errorf("a channel that nothing was published to holds %d publications, more %v", len(page.Publications), page.More)
	}
}

func readYourWrites(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	for i := range 50 {
		at := e.say(here, channel, fmt.Sprint(i))
		page := e.read(there, channel, hub.Query{Limit: 1, Reverse: true})
		if got := positions(page.Publications); !slices.Equal(got, []hub.Position{at}) || page.Top != at {
			e.Fatalf("behind the ack of %v the newest is %v, top %v", at, got, page.Top)
		}
	}
}

// trimmedBySize: as many are kept as asked for, the newest, and the oldest one's Prev
// tells of those in front of it.
func trimmedBySize(e *env) {
	b, channel := e.open(), e.channel("c")
	o := &hub.Options{History: 10, HistoryTime: time.Hour}
	var acked []hub.Position
	for i := range 10 + 3*e.Slack + 5 {
		acked = append(acked, e.publish(b, message(channel, fmt.Sprint(i)), o).Position)
	}
	log := e.read(b, channel, hub.Query{Limit: len(acked)}).Publications
	if len(log) < 10 || len(log) > 10+e.Slack {
		e.Fatalf("%d publications are kept, want 10 to %d", len(log), 10+e.Slack)
	}
	forgotten := acked[:len(acked)-len(log)]
	if got, want := positions(log), acked[len(forgotten):]; !slices.Equal(got, want) {
		e.Errorf("kept are %v, want %v", got, want)
	}
	if got, want := log[0].Prev, forgotten[len(forgotten)-1].Offset; got != want {
		e.Errorf("the oldest that is kept has prev %d, want %d", got, want)
	}
}

func trimmedByTime(e *env) {
	b, channel := e.open(), e.channel("c")
	o := &hub.Options{History: 100, HistoryTime: 50 * time.Millisecond}
	at := e.publish(b, message(channel, "1"), o).Position
	e.until("what is old to be forgotten", func() bool {
		return len(e.read(b, channel, hub.Query{Limit: 1}).Publications) == 0
	})
	// Nothing is told as what it is not: the position behind it is a later one's Prev,
	// or the epoch is another one.
	next := e.say(b, channel, "2")
	if next.Epoch == at.Epoch && next.Offset <= at.Offset {
		e.Errorf("behind the forgotten %v comes %v", at, next)
	}
	page := e.read(b, channel, hub.Query{Limit: 10})
	if got := positions(page.Publications); !slices.Equal(got, []hub.Position{next}) {
		e.Fatalf("kept are %v, want %v", got, next)
	}
	if prev := page.Publications[0].Prev; next.Epoch == at.Epoch && prev < at.Offset {
		e.Errorf("the publication behind %v has prev %d", at, prev)
	}
}

func keepsNothing(e *env) {
	b := e.open()
	for i, o := range []hub.Options{{}, {History: 10}, {HistoryTime: time.Hour}} {
		channel := e.channel(fmt.Sprint(i))
		e.publish(b, message(channel, "1"), &o)
		if page := e.read(b, channel, hub.Query{Limit: 10}); len(page.Publications) > 0 || page.More {
			e.Errorf("with %+v %d publications are kept", o, len(page.Publications))
		}
	}
}
