package proof

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-15847954/ropewalk/proof/check"
)

// A Fault is what goes wrong in a run.
type Fault struct {
	Name     string
	Settings Settings

	size    int  // of messages, in bytes; 0 is the usual one
	proxied bool // connections go through a proxy
	stalls  bool // some clients stop to read

	presence bool // everybody is counted at the end

	// act does what goes wrong, while messages are published.
	act func(ctx context.Context, r *run) error

	// count, unless nil, counts what came of it when all is quiet, instead of act.
	count func(ctx context.Context, r *run) error

	// more, unless nil, looks for failures that are this fault's own.
	more func(r *run, fail func(format string, args ...any))

	// What may become of messages. Without these the history reaches back as far as
	// anybody was away, and everybody gets everything.
	loses    bool // some are declared lost
	mayLose  bool // some may be
	skips    bool // some are left out
	restarts bool // epochs end, and every client is told
}

// Faults returns all of them.
func Faults() []*Fault {
	return append([]*Fault{
		{Name: "nothing", act: nothing},
		{Name: "disconnect", act: disconnect},
		{Name: "cut", act: cut, proxied: true},
		{Name: "short history", act: disconnect, Settings: Settings{History: 5}, loses: true},
		{Name: "drain", act: restart((*run).drain, 2), restarts: true, loses: true},
		{Name: "kill", act: restart((*run).kill, 3), restarts: true, loses: true},
		{Name: "mixed", act: mixed, proxied: true, restarts: true, loses: true},
	}, slow()...)
}

// expect adds to the failures of a result what should not be so besides violations.
func (f *Fault) expect(r *Result) {
	v, fail := &r.Verdict, r.failed
	if r.Acts == 0 && f.Name != "nothing" {
		fail("the fault did not happen")
	}
	if v.DeclaredLost > 0 && !f.loses && !f.mayLose {
		fail("%d messages were declared lost of which the history has all", v.DeclaredLost)
	}
	if v.Skipped > 0 && !f.skips {
		fail("%d messages were left out", v.Skipped)
	}
	if f.skips && v.Skipped == 0 || f.loses && v.Told == 0 {
		fail("the fault has changed nothing for anybody")
	}
	if f.restarts {
		untold(r.history, fail)
	}
}

// untold fails for each client that has seen more than one epoch of a channel and was not
// told that one had ended.
func untold(h check.History, fail func(format string, args ...any)) {
	for name, events := range h.Clients {
		epochs := make(map[string]string) // the last ones, by channel
		told := make(map[string]bool)
		for _, e := range events {
			switch {
			case e.Kind == check.Told:
				told[e.Channel] = told[e.Channel] || e.Reason == "epoch"
			case e.Kind != check.Subscribed:
			case epochs[e.Channel] != "" && epochs[e.Channel] != e.Epoch && !told[e.Channel]:
				fail("%s was not told that epoch %q of channel %q was gone", name, epochs[e.Channel], e.Channel)
			default:
				epochs[e.Channel], told[e.Channel] = e.Epoch, false
			}
		}
	}
}

// nothing goes wrong.
func nothing(context.Context, *run) error { return nil }

// parts calls act at n points of the run that the seed decides.
func (r *run) parts(ctx context.Context, n int, act func() error) error {
	all := make([]float64, n)
	for i := range all {
		all[i] = 0.02 + 0.93*r.chance.Float64()
	}
	slices.Sort(all)
	for _, part := range all {
		if err := r.progress.wait(ctx, part); err != nil {
			return err
		}
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// some returns how many clients one in n are, one at least.
func (r *run) some(n int) int { return max(1, len(r.members)/n) }

// disconnect has a back end end the connections of a tenth of the clients at a time.
func disconnect(ctx context.Context, r *run) error {
	return r.parts(ctx, 10, func() error { return r.disconnect(ctx, r.some(10)) })
}

// cut breaks TCP connections, a twentieth at a time.
func cut(ctx context.Context, r *run) error {
	return r.parts(ctx, 40, func() error {
		r.cut(r.some(20))
		return nil
	})
}

// restart has the server end and come back n times.
func restart(end func(*run, context.Context) error, n int) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		return r.parts(ctx, n, func() error { return end(r, ctx) })
	}
}

// mixed is all of it, in an order that the seed decides; at least one restart is in it.
func mixed(ctx context.Context, r *run) error {
	restarts := 1 + r.chance.IntN(3)
	kinds := make([]int, 12)
	for i := range kinds {
		kinds[i] = r.chance.IntN(2)
		if i < restarts {
			kinds[i] = 2 + r.chance.IntN(2)
		}
	}
	r.chance.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return r.parts(ctx, len(kinds), func() error {
		kind := kinds[0]
		kinds = kinds[1:]
		switch kind {
		case 0:
			return r.disconnect(ctx, r.some(10))
		case 1:
			r.cut(r.some(10))
			return nil
		case 2:
			return r.drain(ctx)
		}
		return r.kill(ctx)
	})
}

// disconnect ends the connections of n clients by the API.
func (r *run) disconnect(ctx context.Context, n int) error {
	for _, i := range r.chance.Perm(len(r.members))[:n] {
		name := r.members[i].public.Load()
		if name == nil {
			continue
		}
		there, err := r.direct.disconnect(ctx, *name)
		if err != nil {
			return fmt.Errorf("disconnect: %w", err)
		}
		if there {
			r.acts++
		}
	}
	return nil
}

func (r *run) cut(n int) { r.acts += r.proxy.Break(r.chance, n) }

func (r *run) drain(ctx context.Context) error {
	r.acts++
	return r.server.Drain(ctx)
}

func (r *run) kill(ctx context.Context) error {
	r.acts++
	return r.server.Kill(ctx)
}
