package proof

import "context"

// slow returns a fault for each policy: some clients stop to read, and go on later.
func slow() []*Fault {
	return []*Fault{
		stall("disconnect", "disconnected", 16<<10, false),
		stall("catch_up", "lagged", 16<<10, false),
		stall("drop_oldest", "dropped", 16<<10, true),
		stall("conflate", "conflated", 64<<10, true), // room for each key of each channel
		stall("latest", "latest", 64<<10, true),
	}
}

// stall returns the fault for a policy, the use of which the server counts under a name,
// with queues of that many bytes.
func stall(policy, counted string, queue int, skips bool) *Fault {
	return &Fault{
		Name: "slow, " + policy, Settings: Settings{Slow: policy, Queue: queue}, size: 4 << 10,
		stalls: true, skips: skips,
		act: stalls,
		count: func(ctx context.Context, r *run) error {
			counts, err := r.direct.slow(ctx)
			r.acts = counts[counted]
			return err
		},
	}
}

// stalled reports whether client i is one that stops to read.
func (f *Fault) stalled(i int) bool { return f.stalls && i%20 == 0 }

// stalls has clients read nothing through most of the run.
func stalls(ctx context.Context, r *run) error {
	if err := r.progress.wait(ctx, 0.1*r.chance.Float64()); err != nil {
		return err
	}
	for i, m := range r.members {
		if r.fault.stalled(i) {
			m.valve.shut()
			defer m.valve.open()
		}
	}
	return r.progress.wait(ctx, 0.95)
}
