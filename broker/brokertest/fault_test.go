package brokertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A fault is what is wrong with a network. Each must fail the check of its name.
type fault string

const (
	sound        fault = ""
	drops        fault = "each publication continues the log: one is dropped"
	doubles      fault = "each publication continues the log: one comes twice"
	swaps        fault = "each publication continues the log: two are swapped"
	lies         fault = "each publication continues the log: prev is wrong"
	nameless     fault = "each publication continues the log: no epoch"
	joinsLate    fault = "each publication continues the log: the position is one too high"
	joinsEarly   fault = "nothing behind the position of Subscribe is missed: the position is one too low"
	cuts         fault = "a message arrives as it was published: a byte is cut off"
	strips       fault = "a message arrives as it was published: without its tags"
	clings       fault = "Unsubscribe ends the calls of the sink: they go on"
	parts        fault = "all nodes see one order: one node sees another"
	hangs        fault = "calls end with their context: one does not"
	folds        fault = "no character of a name has a meaning: names are folded"
	includes     fault = "history has pages in both directions: From is included"
	overfills    fault = "history has pages in both directions: one more than the limit"
	ends         fault = "history has pages in both directions: More is forgotten"
	blind        fault = "history is asked for from anywhere: epochs are not compared"
	stale        fault = "history has what was acked, on every node: a node is behind"
	hoards       fault = "history is as long as the options say: more is kept"
	forgets      fault = "history is as long as the options say: less is kept"
	lingers      fault = "history is as old as the options say: it is kept for longer"
	republishes  fault = "a message of a known ID is not published again: it is"
	racy         fault = "of messages with one ID one is published: all are"
	remembers    fault = "an ID is forgotten: it is not"
	takesAny     fault = "a message is published at the expected position only: anywhere"
	takesAll     fault = "of messages that expect one position one is published: all are"
	comparesOnce fault = "a retry is known although its position is over: the position comes first"
	rejoins      fault = "joins and leaves are told when they are real: each time"
	stays        fault = "who enters again is replaced: nobody leaves"
	countsOnce   fault = "members have pages and counts: users are clients"
	widens       fault = "a pattern gets what matches it: and more"
	follows      fault = "a pattern's sink is replaced and ended: it is not"
)

var faults = []fault{
	drops, doubles, swaps, lies, nameless, joinsLate, joinsEarly, cuts, strips, clings, parts, hangs, folds, includes, overfills, ends, blind,
	stale, hoards, forgets, lingers, republishes, racy, remembers, takesAny, takesAll, comparesOnce, rejoins, stays, countsOnce, widens, follows,
}

func (f fault) check() string {
	name, _, _ := strings.Cut(string(f), ": ")
	return name
}

// joined changes what Subscribe returns.
func (f fault) joined(pos hub.Position) hub.Position {
	switch {
	case f == nameless:
		pos.Epoch = ""
	case f == joinsLate:
		pos.Offset++
	case f == joinsEarly && pos.Offset > 0:
		pos.Offset--
	}
	return pos
}

// deliver changes what a sink is given: every seventh publication.
func (f fault) deliver(o *node, to *feed, p *hub.Publication) {
	if p.Channel == "" || to.count%7 != 0 && f != cuts && f != strips {
		to.hand(p)
		return
	}
	switch {
	case f == drops:
	case f == doubles:
		to.hand(p)
		to.hand(p)
	case f == swaps || f == parts && !o.first:
		to.late = p
	case f == lies:
		to.hand(&hub.Publication{Message: p.Message, Position: p.Position, Prev: p.Prev - 1, Time: p.Time})
	case f == cuts && len(p.Data) > 0:
		m := p.Message
		m.Data = m.Data[:len(m.Data)-1]
		to.hand(&hub.Publication{Message: m, Position: p.Position, Prev: p.Prev, Time: p.Time})
	case f == strips:
		m := p.Message
		m.Tags = nil
		to.hand(&hub.Publication{Message: m, Position: p.Position, Prev: p.Prev, Time: p.Time})
	default:
		to.hand(p)
	}
}

func (f *feed) hand(p *hub.Publication) {
	f.sink.Deliver(p)
	if f.late != nil {
		f.sink.Deliver(f.late)
		f.late = nil
	}
}

// both is two sinks.
type both [2]hub.Sink

func (b both) Deliver(p *hub.Publication)   { b[0].Deliver(p); b[1].Deliver(p) }
func (b both) Moved(pos hub.Position)       { b[0].Moved(pos); b[1].Moved(pos) }
func (b both) Change(c *hub.PresenceChange) { b[0].Change(c); b[1].Change(c) }

func (o *node) Publish(ctx context.Context, m hub.Message, to hub.PublishOptions) (hub.Published, error) {
	options := *to.Options
	switch f := o.net.fault; {
	case f == hangs && ctx.Err() != nil:
		<-o.done
	case f == folds:
		m.Channel = strings.ToLower(m.Channel)
	case f == hoards:
		options.History += 2
	case f == forgets:
		options.History--
	case f == lingers:
		options.HistoryTime = time.Hour
	case f == republishes || f == racy:
		options.Dedup = 0
	case f == remembers:
		options.Dedup = time.Hour
	case f == takesAny || f == takesAll:
		to.Expect = nil
	case f == comparesOnce && to.Expect != nil:
		if page, _ := o.net.far.History(ctx, m.Channel, hub.Query{Limit: 1}); page.Top != *to.Expect {
			return hub.Published{Position: page.Top}, fmt.Errorf("compared too early: %w", hub.ErrConflict)
		}
	}
	to.Options = &options
	return o.net.far.Publish(ctx, m, to)
}

func (o *node) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	f := o.net.fault
	switch {
	case f == includes && q.From != nil && !q.Reverse && q.From.Offset > 0:
		q.From = &hub.Position{Epoch: q.From.Epoch, Offset: q.From.Offset - 1}
	case f == overfills && q.Limit < 100:
		q.Limit++
	case f == blind && q.From != nil:
		page, _ := o.net.far.History(ctx, channel, hub.Query{Limit: 1})
		q.From = &hub.Position{Epoch: page.Top.Epoch, Offset: q.From.Offset}
	}
	page, err := o.net.far.History(ctx, channel, q)
	if f == ends {
		page.More = false
	}
	if f == stale && !o.first && q.Reverse && len(page.Publications) > 0 {
		page.Publications = page.Publications[1:]
	}
	return page, err
}

func (o *node) Enter(ctx context.Context, channel string, m hub.Member, joins bool) error {
	if o.net.fault == rejoins {
		_ = o.net.far.Leave(ctx, channel, m.Client, false)
	}
	return o.net.far.Enter(ctx, channel, m, joins)
}

func (o *node) Leave(ctx context.Context, channel, client string, joins bool) error {
	if o.net.fault == stays {
		return nil
	}
	return o.net.far.Leave(ctx, channel, client, joins)
}

func (o *node) Count(ctx context.Context, channel string) (clients, users int, err error) {
	clients, users, err = o.net.far.Count(ctx, channel)
	if o.net.fault == countsOnce {
		users = clients
	}
	return clients, users, err
}

func (o *node) SubscribePattern(ctx context.Context, p hub.Pattern, sink hub.Sink) error {
	if o.net.fault == widens && !strings.HasSuffix(p.String(), "**") {
		p, _ = hub.ParsePattern(p.String() + "*")
	}
	return o.net.far.SubscribePattern(ctx, p, sink)
}

func (o *node) UnsubscribePattern(ctx context.Context, p hub.Pattern) error {
	if o.net.fault == follows {
		return nil
	}
	return o.net.far.UnsubscribePattern(ctx, p)
}
