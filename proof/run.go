package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/proof/check"
	"github.com/seed-15847954/ropewalk/proof/proxy"
)

// A run is one fault under way.
type run struct {
	// Constant after newRun.
	fault      *Fault
	config     Config
	server     Server
	proxy      *proxy.Proxy // nil where the fault breaks no connections itself
	plan       *plan
	progress   *progress
	members    []*member
	publishers []*publisher
	back       *back // of publishers, through the proxy
	direct     *back // of the fault, past it

	// Owned by the fault.
	chance *rand.Rand
	acts   int

	// Owned by do, and then by judge.
	began  time.Time
	phases []string
	last   map[string]string // the last message of each channel
	result *Result
}

func newRun(server Server, f *Fault, c Config) (*run, error) {
	plan := newPlan(c, rand.New(rand.NewPCG(c.Seed, 1)))
	r := &run{
		fault: f, config: c, server: server, plan: plan,
		result:   &Result{Fault: f.Name, Seed: c.Seed},
		progress: newProgress(plan.total),
		began:    time.Now(),
		chance:   rand.New(rand.NewPCG(c.Seed, 2)),
		last:     make(map[string]string),
		direct:   newBack(server.Addr()),
	}
	addr := server.Addr()
	if f.proxied {
		var err error
		if r.proxy, err = proxy.New(addr); err != nil {
			return nil, err
		}
		addr = r.proxy.Addr()
	}
	r.back = newBack(addr)
	for i, plans := range plan.clients {
		m, err := newMember(addr, i, f.stalled(i), plans)
		if err != nil {
			r.close()
			return nil, err
		}
		r.members = append(r.members, m)
	}
	for i, plans := range plan.publishers {
		p := &publisher{name: fmt.Sprintf("back end %d", i), sender: r.back, plans: plans}
		if i%2 == 1 && i < len(r.members) {
			m := r.members[i] // an odd one, which is never stalled
			p.name, p.sender = m.name, clientSender{m.client}
		}
		r.publishers = append(r.publishers, p)
	}
	return r, nil
}

// phase notes how long the one took that has ended.
func (r *run) phase(name string) {
	r.phases = append(r.phases, fmt.Sprintf("%s %v", name, time.Since(r.began).Round(time.Millisecond)))
	r.began = time.Now()
}

// close ends everything but the server.
func (r *run) close() {
	defer func() { r.phase("closed") }()
	var group sync.WaitGroup
	for _, m := range r.members {
		group.Go(m.close)
	}
	group.Wait()
	if r.proxy != nil {
		r.proxy.Close()
	}
	r.back.close()
	r.direct.close()
}

// do runs the clients, the publishers and the fault, and waits until all is quiet.
func (r *run) do(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, m := range r.members {
		m.follow(ctx, r.progress)
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	r.phase("connected")
	var group sync.WaitGroup
	for _, p := range r.publishers {
		group.Go(func() { p.run(ctx, r.progress) })
	}
	err := r.fault.act(ctx, r)
	group.Wait()
	r.phase("published")
	if r.proxy != nil {
		r.proxy.Heal()
	}
	if err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	if err := r.quiet(ctx); err != nil {
		return err
	}
	r.phase("quiet")
	if r.fault.presence {
		r.presence(ctx)
		r.phase("counted")
	}
	if r.fault.count == nil {
		return nil
	}
	return r.fault.count(ctx, r)
}

// ready waits until those are subscribed who are to be from the beginning.
func (r *run) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.config.Patience, errors.New("the clients are not connected in time"))
	defer cancel()
	for _, m := range r.members {
		for _, reader := range m.readers {
			if reader.plan.join > 0 {
				continue
			}
			select {
			case <-reader.ready:
			case <-reader.over: // with an error
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// quiet publishes a last message to each channel and waits until all who are subscribed
// have it. Those who do not get it within the patience have lost it, as the checker
// finds, or never came back.
func (r *run) quiet(ctx context.Context) error {
	last := &publisher{name: "the last", sender: r.direct}
	r.publishers = append(r.publishers, last)
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, r.config.Patience)
	defer cancel()
	for again := true; again && ctx.Err() == nil; {
		if err := r.end(whole, last); err != nil {
			return err
		}
		again = !r.arrived(ctx)
	}
	for _, m := range r.members {
		for _, reader := range m.readers {
			if !reader.arrived(ctx) {
				times, err := m.lost()
				r.result.failed("%s is not at the end of channel %q, but at %v; of its %d connections the last one ended with: %v",
					m.name, reader.plan.channel, reader.position(), times, err)
			}
		}
	}
	var group sync.WaitGroup
	for _, m := range r.members {
		group.Go(func() { m.settle(ctx) })
	}
	group.Wait()
	return nil
}

// end publishes the last messages, and has the readers wait for them. Where it was done before, they are where they
// were, unless the log has another life since: they are its last ones then.
func (r *run) end(ctx context.Context, last *publisher) error {
	ends := make(map[string]client.Position)
	for i := range r.config.Channels {
		m := sendPlan{channel: channelName(i), id: fmt.Sprintf("last-%d", i), key: "last", data: []byte(`"last"`)}
		done := last.settle(ctx, m)
		if done.Outcome != check.Acked {
			return fmt.Errorf("the last message to %q is %s", m.channel, done.Outcome)
		}
		if !slices.Contains(last.all, done) {
			last.all = append(last.all, done)
		}
		r.last[m.channel] = m.id
		ends[m.channel] = client.Position{Epoch: done.Epoch, Offset: done.Offset}
	}
	for _, m := range r.members {
		for _, reader := range m.readers {
			reader.aim(ends[reader.plan.channel])
		}
	}
	return nil
}

// lifeTime is how long a log may take to find that it has to begin another life.
const lifeTime = 10 * time.Second

// arrived reports whether all readers are at the end of the log, or their subscriptions are over, within lifeTime.
func (r *run) arrived(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lifeTime)
	defer cancel()
	for _, m := range r.members {
		for _, reader := range m.readers {
			reader.arrived(ctx)
		}
	}
	return ctx.Err() == nil
}

// judge returns the result of a run that is over.
func (r *run) judge() *Result {
	h := check.History{Publishers: make(map[string][]check.Publish), Clients: make(map[string][]check.Event), Last: r.last}
	for _, p := range r.publishers {
		h.Publishers[p.name] = p.all
		if p.err != nil {
			r.result.failed("%s: %v", p.name, p.err)
		}
	}
	for _, m := range r.members {
		for _, reader := range m.readers {
			h.Clients[m.name] = append(h.Clients[m.name], reader.events...)
			if reader.err != nil {
				r.result.failed("%s, channel %q: %v", m.name, reader.plan.channel, reader.err)
			}
		}
	}
	result := r.result
	result.Acts, result.phases, result.history = r.acts, strings.Join(r.phases, ", "), h
	result.Verdict = check.Check(h)
	r.fault.expect(result)
	if r.fault.more != nil {
		r.fault.more(r, result.failed)
	}
	return result
}
