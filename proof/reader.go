package proof

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"sync"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/proof/check"
)

// A reader is one client in one channel. It records what the client is told.
type reader struct {
	// Constant after newReader.
	plan   followPlan
	member *member

	ready chan struct{} // closed by the first Subscribed
	over  chan struct{} // closed when run has returned

	// Owned by run, and by others once that has returned.
	events []check.Event
	err    error // what must not have happened

	mu      sync.Mutex
	last    client.Position // of the last event
	goal    *client.Position
	once    sync.Once
	reached chan struct{} // closed when last is at goal
}

func newReader(m *member, p followPlan) *reader {
	return &reader{plan: p, member: m, ready: make(chan struct{}), over: make(chan struct{}), reached: make(chan struct{})}
}

// run follows the channel as planned until the client is closed. Ctx is for what it waits for
// besides.
func (r *reader) run(ctx context.Context, p *progress) {
	defer close(r.over)
	if p.wait(ctx, r.plan.join) != nil {
		return
	}
	options := &client.SubscribeOptions{Latest: r.plan.latest}
	if r.plan.leave > 0 {
		r.follow(ctx, options, p.reached(r.plan.leave))
		if p.wait(ctx, r.plan.back) != nil {
			return
		}
		from := r.position()
		options = &client.SubscribeOptions{From: &from}
	}
	r.follow(ctx, options, nil)
}

// follow subscribes, and records until leave is closed or the client is.
func (r *reader) follow(ctx context.Context, o *client.SubscribeOptions, leave <-chan struct{}) {
	if r.err != nil {
		return
	}
	sub, err := r.member.client.Subscribe(r.plan.channel, o)
	if err != nil {
		r.fail(err)
		return
	}
	if leave == nil {
		r.record(ctx, ctx, sub)
		return
	}
	staying, left := context.WithCancel(ctx)
	defer left()
	go func() {
		select {
		case <-leave:
			left()
		case <-staying.Done():
		}
	}()
	r.record(ctx, staying, sub)
	// Only a connection that has ended is no way to say goodbye.
	_ = sub.Unsubscribe(ctx)
	r.events = append(r.events, check.Event{Kind: check.Left, Channel: r.plan.channel})
}

// record records until staying ends, once the subscription is up, or the client is closed.
func (r *reader) record(ctx, staying context.Context, sub *client.Subscription) {
	for up := false; ; {
		r.member.valve.pass(ctx)
		e, err := next(ctx, staying, sub, up)
		if err != nil {
			if staying.Err() == nil {
				r.fail(err)
			}
			return
		}
		r.event(e)
		if _, ok := e.(*client.Subscribed); ok {
			up = true
		}
	}
}

// next returns the next event, as long as staying allows where the subscription is up.
func next(ctx, staying context.Context, sub *client.Subscription, up bool) (client.Event, error) {
	if up {
		return sub.Next(staying)
	}
	return sub.Next(ctx)
}

func (r *reader) fail(err error) {
	if !errors.Is(err, client.ErrClosed) && r.err == nil {
		r.err = err
	}
}

func (r *reader) event(e client.Event) {
	out := check.Event{Channel: r.plan.channel}
	at := func(kind check.Kind, p client.Position) {
		out.Kind, out.Epoch, out.Offset = kind, p.Epoch, p.Offset
	}
	switch e := e.(type) {
	case *client.Subscribed:
		at(check.Subscribed, e.Position)
		out.Recovered = e.Recovered
	case *client.Publication:
		at(check.Delivered, e.Position)
		out.Prev, out.ID, out.Payload = e.Prev, e.ID, fingerprint(e.Data)
	case *client.Skipped:
		at(check.Skipped, e.Position)
		out.Prev, out.Reason = e.Prev, e.Reason
	case *client.Lost:
		out.Kind, out.Reason = check.Told, e.Reason
	default:
		return
	}
	r.events = append(r.events, out)
	if out.Kind != check.Told {
		r.moved(client.Position{Epoch: out.Epoch, Offset: out.Offset})
	}
}

// moved notes the position of an event.
func (r *reader) moved(p client.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last.Epoch == "" {
		close(r.ready)
	}
	r.last = p
	r.look()
}

func (r *reader) position() client.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// aim says where the log ends.
func (r *reader) aim(goal client.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.goal != nil && *r.goal == goal {
		return
	}
	r.goal, r.once, r.reached = &goal, sync.Once{}, make(chan struct{})
	r.look()
}

// look closes reached when it is time. mu is held.
func (r *reader) look() {
	if r.there() {
		r.once.Do(func() { close(r.reached) })
	}
}

// there reports whether the reader is at the end of the log. mu is held.
func (r *reader) there() bool {
	return r.goal != nil && r.goal.Epoch == r.last.Epoch && r.last.Offset >= r.goal.Offset
}

// arrived waits until the reader is at the end of the log, and reports whether it is before ctx
// ends or its subscription does.
func (r *reader) arrived(ctx context.Context) bool {
	r.mu.Lock()
	reached := r.reached
	r.mu.Unlock()
	select {
	case <-reached:
	case <-r.over:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.there()
}

// fingerprint is what stands for data in a history.
func fingerprint(data []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(data) // never fails
	return strconv.FormatUint(h.Sum64(), 36)
}
