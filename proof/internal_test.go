package proof

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/proof/check"
)

func TestProgress(t *testing.T) {
	p := newProgress(4)
	half, all := p.reached(0.5), p.reached(1)
	p.add()
	select {
	case <-half:
		t.Error("half is reached after 1 of 4")
	default:
	}
	p.add()
	<-half
	if err := p.wait(t.Context(), 0.4); err != nil {
		t.Errorf("wait for what is reached = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx, 1); err == nil {
		t.Error("wait with a context that has ended = nil")
	}
	p.add()
	p.add()
	<-all
}

func TestPlanFollowsFromTheSeed(t *testing.T) {
	c := Config{Clients: 20, Channels: 10, Messages: 100}.withDefaults(new(Fault))
	describe := func(seed uint64) string {
		c.Seed = seed
		r, err := newRun(&nowhere{}, &Fault{}, c)
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		var b strings.Builder
		for _, all := range r.plan.publishers {
			for _, m := range all {
				b.WriteString(m.channel + m.id + m.key + string(m.data))
			}
		}
		for _, all := range r.plan.clients {
			for _, f := range all {
				b.WriteString(f.channel)
			}
		}
		return b.String()
	}
	first := describe(1)
	if again := describe(1); again != first {
		t.Error("one seed made two plans")
	}
	if describe(2) == first {
		t.Error("two seeds made one plan")
	}
}

// nowhere is a server that does not listen.
type nowhere struct{ Server }

func (*nowhere) Addr() string { return "127.0.0.1:1" }

// What a fault was to bring about and did not is a failure, and so is what it was not to.
func TestExpect(t *testing.T) {
	subscribed := func(epoch string) check.Event {
		return check.Event{Kind: check.Subscribed, Channel: "c", Epoch: epoch}
	}
	told := check.Event{Kind: check.Told, Channel: "c", Reason: "epoch"}
	for _, c := range []struct {
		name   string
		fault  Fault
		result Result
		want   string // a part of the failure; empty is none
	}{
		{"all is well", Fault{}, Result{Acts: 1}, ""},
		{"nothing happened", Fault{}, Result{}, "did not happen"},
		{"declared lost", Fault{}, Result{Acts: 1, Verdict: check.Verdict{DeclaredLost: 1}}, "declared lost"},
		{"left out", Fault{}, Result{Acts: 1, Verdict: check.Verdict{Skipped: 1}}, "left out"},
		{"nobody was slow", Fault{skips: true}, Result{Acts: 1}, "changed nothing"},
		{"nobody was told", Fault{loses: true}, Result{Acts: 1}, "changed nothing"},
		{"a client was told", Fault{loses: true, restarts: true}, Result{Acts: 1, Verdict: check.Verdict{Told: 1}, history: check.History{
			Clients: map[string][]check.Event{"x": {subscribed("e"), told, subscribed("f")}},
		}}, ""},
		{"a client was not told", Fault{loses: true, restarts: true}, Result{Acts: 1, Verdict: check.Verdict{Told: 1}, history: check.History{
			Clients: map[string][]check.Event{"x": {subscribed("e"), told, subscribed("f"), subscribed("g")}},
		}}, `x was not told that epoch "f"`},
	} {
		c.fault.expect(&c.result)
		got := strings.Join(c.result.Failures, "; ")
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: failures %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLastOfKeys(t *testing.T) {
	r := &run{
		publishers: []*publisher{{
			name:  "x",
			plans: []sendPlan{{id: "1", key: "a"}, {id: "2", key: "b"}, {id: "3", key: "a"}},
			all: []check.Publish{
				{Channel: "c", ID: "1", Offset: 1}, {Channel: "c", ID: "2", Offset: 2}, {Channel: "c", ID: "3", Offset: 3},
			},
		}},
	}
	events := func(offsets ...uint64) (all []check.Event) {
		all = append(all, check.Event{Kind: check.Subscribed, Channel: "c"})
		for _, o := range offsets {
			all = append(all, check.Event{Kind: check.Delivered, Channel: "c", Offset: o})
		}
		return all
	}
	for _, c := range []struct {
		member string
		events []check.Event
		want   int
	}{
		{"y", events(2, 3), 0},
		{"y", events(1, 3), 1},
		{"y", events(1, 2), 1},
		{"y", events(), 2},
		{"x", events(), 0},
		{"y", []check.Event{{Kind: check.Subscribed, Channel: "c", Offset: 3}}, 0},
	} {
		r.members = []*member{{name: c.member, readers: []*reader{{plan: followPlan{channel: "c"}, events: c.events}}}}
		failures := 0
		lastOfKeys(r, func(string, ...any) { failures++ })
		if failures != c.want {
			t.Errorf("%s with %v: %d failures, want %d", c.member, c.events, failures, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var table Table
	table.Add(&Result{Fault: "kill", Acts: 3, Verdict: check.Verdict{Acked: 5}})
	table.Add(&Result{Fault: "kill", Acts: 4, Verdict: check.Verdict{Acked: 6, Found: map[string]int{"I2": 1}}})
	table.Add(&Result{Fault: "cut", Acts: 1})
	if table.Failed() != 1 {
		t.Errorf("Failed() = %d, want 1", table.Failed())
	}
	lines := strings.Split(table.String(), "\n")
	if got := strings.Join(strings.Fields(lines[1])[:5], " "); got != "kill 2 1 7 11" {
		t.Errorf("the row of kill begins with %q, want %q", got, "kill 2 1 7 11")
	}
}
