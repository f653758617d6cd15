package proof

import (
	"context"

	"github.com/seed-15847954/ropewalk/proof/check"
)

// slow returns a fault for each policy: some clients stop to read, and go on later.
func slow() []*Fault {
	return []*Fault{
		stall("disconnect", "disconnected", 16<<10, false),
		stall("catch_up", "lagged", 16<<10, false),
		tooSlow(),
		stall("drop_oldest", "dropped", 16<<10, true),
		conflate(),
		stall("latest", "latest", 64<<10, true),
	}
}

// tooSlow is for readers that stop for longer than the history reaches back.
func tooSlow() *Fault {
	f := stall("catch_up", "lagged", 16<<10, false)
	f.Name += ", short history"
	f.Settings.History, f.loses = 5, true
	return f
}

// conflate has room for each key of each channel, and expects the last message of each.
func conflate() *Fault {
	f := stall("conflate", "conflated", 64<<10, true)
	f.more = lastOfKeys
	return f
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

// lastOfKeys fails for each reader that did not get the last message of a key.
func lastOfKeys(r *run, fail func(format string, args ...any)) {
	last := make(map[string]map[string]check.Publish) // by channel and key
	own := make(map[string]string)                    // IDs of messages, with their publishers
	for _, p := range r.publishers {
		keys := make(map[string]string)
		for _, m := range p.plans {
			keys[m.id] = m.key
		}
		for _, m := range p.all {
			own[m.ID] = p.name
			if last[m.Channel] == nil {
				last[m.Channel] = make(map[string]check.Publish)
			}
			if key := keys[m.ID]; m.Offset > last[m.Channel][key].Offset { // those that failed have none
				last[m.Channel][key] = m
			}
		}
	}
	for _, m := range r.members {
		for _, reader := range m.readers {
			for key, want := range last[reader.plan.channel] {
				if own[want.ID] != m.name && !reader.got(want.Offset) {
					fail("%s did not get offset %d of channel %q, the last one of %q", m.name, want.Offset, reader.plan.channel, key)
				}
			}
		}
	}
}

// got reports whether the reader has received what is at an offset, or began behind it.
func (r *reader) got(offset uint64) bool {
	for i, e := range r.events {
		if e.Offset == offset && e.Kind == check.Delivered || i == 0 && e.Offset >= offset {
			return true
		}
	}
	return false
}
