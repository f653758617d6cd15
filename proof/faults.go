package proof

import (
	"context"
	"fmt"
	"slices"
)

// A Fault is what goes wrong in a run.
type Fault struct {
	Name     string
	Settings Settings

	size    int  // of messages, in bytes; 0 is the usual one
	proxied bool // connections go through a proxy
	stalls  bool // some clients stop to read, see slow.go

	// act does what goes wrong, while messages are published.
	act func(ctx context.Context, r *run) error

	// whole says that the history reaches back as far as anybody was away, in the same
	// epoch: nothing may be declared lost, nor left out but a publisher's own.
	whole bool

	// restarts says that epochs end, and every client is told.
	restarts bool
}

// Faults returns all of them.
func Faults() []*Fault {
	return append([]*Fault{
		{Name: "nothing", act: nothing, whole: true},
		{Name: "disconnect", act: disconnect, whole: true},
	}, slow()...)
}

func (f *Fault) do(ctx context.Context, r *run) error { return f.act(ctx, r) }

// expect adds to the failures of a result what the fault was to bring about and did not.
func (f *Fault) expect(r *Result) {
	v := &r.Verdict
	fail := func(format string, args ...any) { r.Failures = append(r.Failures, fmt.Sprintf(format, args...)) }
	if r.Acts == 0 && f.Name != "nothing" {
		fail("the fault did not happen")
	}
	if f.whole && v.DeclaredLost+v.Skipped > 0 {
		fail("%d messages were declared lost and %d left out, of which the history has all", v.DeclaredLost, v.Skipped)
	}
	if f.restarts && v.Told == 0 {
		fail("nobody was told of the end of an epoch")
	}
	if v.Indeterminate > 0 {
		fail("%d messages did not get an answer in %v", v.Indeterminate, settleTime)
	}
}

// nothing goes wrong.
func nothing(context.Context, *run) error { return nil }

// parts returns n parts of all messages at which something happens, rising.
func (r *run) parts(n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = 0.02 + 0.93*r.chance.Float64()
	}
	slices.Sort(all)
	return all
}

// disconnect has a back end end connections, of a tenth of the clients at a time.
func disconnect(ctx context.Context, r *run) error {
	for _, part := range r.parts(10) {
		if err := r.progress.wait(ctx, part); err != nil {
			return err
		}
		if err := r.disconnect(ctx, len(r.members)/10); err != nil {
			return err
		}
	}
	return nil
}

// disconnect ends the connections of n clients.
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
			r.acts.Add(1)
		}
	}
	return nil
}
