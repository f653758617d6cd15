package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/proof/check"
)

// sound returns a history in which all is well: 20 messages to one channel, of
// which one client gets all, another one loses its connection and recovers, a third
// comes late, is told of a gap and comes back, and a fourth skips some.
func sound() check.History {
	h := check.History{
		Publishers: map[string][]check.Publish{},
		Clients:    map[string][]check.Event{},
		Last:       map[string]string{"c": "m20"},
	}
	for n := uint64(1); n <= 20; n++ {
		h.Publishers["p"] = append(h.Publishers["p"], check.Publish{
			Channel: "c", ID: fmt.Sprint("m", n), Payload: fmt.Sprint("text ", n), Outcome: check.Acked, Epoch: "e", Offset: n,
		})
	}
	h.Publishers["q"] = []check.Publish{
		{Channel: "c", ID: "refused", Outcome: check.Failed},
		{Channel: "c", ID: "unknown", Outcome: check.Indeterminate},
	}
	h.Clients["all"] = append(from(0, false), deliveries(1, 20)...)
	h.Clients["back"] = join(from(0, false), deliveries(1, 7), from(7, true), deliveries(8, 20))
	h.Clients["late"] = join(from(3, false), deliveries(4, 9), told(), from(12, false), deliveries(13, 20))
	h.Clients["slow"] = join(from(0, false), deliveries(1, 5), skip(5, 15), deliveries(16, 20))
	h.Clients["gone"] = join(from(0, false), deliveries(1, 5), left())
	h.Clients["again"] = join(from(5, false), deliveries(6, 9), left(), from(9, true), deliveries(10, 20))
	return h
}

func left() []check.Event { return []check.Event{{Kind: check.Left, Channel: "c"}} }

func join(parts ...[]check.Event) (all []check.Event) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func from(offset uint64, recovered bool) []check.Event {
	return []check.Event{{Kind: check.Subscribed, Channel: "c", Epoch: "e", Offset: offset, Recovered: recovered}}
}

func told() []check.Event { return []check.Event{{Kind: check.Told, Channel: "c"}} }

func skip(prev, offset uint64) []check.Event {
	return []check.Event{{Kind: check.Skipped, Channel: "c", Epoch: "e", Prev: prev, Offset: offset}}
}

func deliveries(first, last uint64) (all []check.Event) {
	for n := first; n <= last; n++ {
		all = append(all, check.Event{
			Kind: check.Delivered, Channel: "c", Epoch: "e", Offset: n, Prev: n - 1, ID: fmt.Sprint("m", n), Payload: fmt.Sprint("text ", n),
		})
	}
	return all
}

func TestSound(t *testing.T) {
	v := check.Check(sound())
	if !v.OK() {
		t.Fatalf("Check = %v, want no violation", &v)
	}
	// The late one missed 10 to 12; the one that left is owed nothing.
	const want = "acked 20, delivered 84, lost 0, duplicated 0, reordered 0, declared lost 3, indeterminate 1, skipped 10, repeated 0, told 1"
	if got := v.String(); got != want {
		t.Errorf("Check = %s, want %s", got, want)
	}
}

// A retry that outlived the memory of its key is in two epochs, and counted apart.
func TestRepeated(t *testing.T) {
	h := sound()
	h.Publishers["r"] = []check.Publish{
		{Channel: "c", ID: "m20", Payload: "text 20", Outcome: check.Acked, Epoch: "f", Offset: 1},
	}
	for name := range h.Clients {
		if name != "gone" {
			h.Clients[name] = append(h.Clients[name], told()[0],
				check.Event{Kind: check.Subscribed, Channel: "c", Epoch: "f"},
				check.Event{Kind: check.Delivered, Channel: "c", Epoch: "f", Offset: 1, ID: "m20", Payload: "text 20"})
		}
	}
	if v := check.Check(h); !v.OK() || v.Repeated != 1 {
		t.Errorf("Check = %v, want no violation and 1 repeated", &v)
	}
}

// Each broken invariant is found, under its name.
func TestViolations(t *testing.T) {
	for _, c := range []struct {
		name      string
		invariant string
		change    func(h *check.History)
	}{
		{"a delivery is missing", "I1", func(h *check.History) { remove(h, "all", 9) }},
		{"a delivery is missing and the chain was mended", "I2", func(h *check.History) {
			remove(h, "all", 9)
			h.Clients["all"][9].Prev = 8
		}},
		{"the last delivery is missing", "I2", func(h *check.History) { remove(h, "all", 20) }},
		{"a delivery came twice", "I3", func(h *check.History) {
			h.Clients["all"] = append(h.Clients["all"], deliveries(20, 20)...)
		}},
		{"a delivery came twice and the chain was mended", "I3", func(h *check.History) {
			twice := deliveries(20, 20)
			twice[0].Prev = 20
			h.Clients["all"] = append(h.Clients["all"], twice...)
		}},
		{"two deliveries changed places", "I1", func(h *check.History) {
			e := h.Clients["all"]
			e[5], e[6] = e[6], e[5]
		}},
		{"two deliveries changed places and positions", "I4", func(h *check.History) {
			e := h.Clients["all"]
			e[5].ID, e[6].ID = e[6].ID, e[5].ID
			e[5].Payload, e[6].Payload = e[6].Payload, e[5].Payload
		}},
		{"another payload", "I4", func(h *check.History) { h.Clients["all"][5].Payload = "other" }},
		{"offsets fall", "I5", func(h *check.History) {
			e := h.Clients["all"]
			e[5], e[6] = e[6], e[5]
			e[5].Prev, e[6].Prev = e[4].Offset, e[5].Offset
		}},
		{"a refused message came", "I6", func(h *check.History) { h.Publishers["q"][0].ID = "m5" }},
		{"a retry doubled a message", "I6", func(h *check.History) {
			d := deliveries(21, 21)
			d[0].ID = "m20"
			h.Clients["all"] = append(h.Clients["all"], d...)
		}},
		{"an indeterminate message came twice", "I6", func(h *check.History) {
			d := deliveries(21, 22)
			d[0].ID, d[1].ID = "unknown", "unknown"
			h.Clients["all"] = append(h.Clients["all"], d...)
		}},
		{"a publisher's order", "I7", func(h *check.History) {
			p := h.Publishers["p"]
			p[3], p[4] = p[4], p[3]
		}},
		{"recovered is a lie", "I2", func(h *check.History) {
			h.Clients["back"] = join(from(0, false), deliveries(1, 7), from(9, true), deliveries(10, 20))
		}},
		{"recovered is a lie of a mended chain", "I2", func(h *check.History) {
			rest := deliveries(10, 20)
			rest[0].Prev = 7
			h.Clients["back"] = join(from(0, false), deliveries(1, 7), from(7, true), rest)
		}},
		{"the epoch stayed after a restart", "I4", func(h *check.History) {
			h.Publishers["r"] = []check.Publish{
				{Channel: "c", ID: "n1", Payload: "after", Outcome: check.Acked, Epoch: "e", Offset: 1},
			}
		}},
		{"left behind in an old epoch", "I2", func(h *check.History) {
			h.Publishers["r"] = []check.Publish{
				{Channel: "c", ID: "n1", Payload: "after", Outcome: check.Acked, Epoch: "f", Offset: 1},
			}
			h.Last["c"] = "n1"
		}},
		{"another one's message as its own", "I2", func(h *check.History) { h.Clients["slow"][6].Reason = "own" }},
		{"a new beginning that nobody was told of", "I2", func(h *check.History) {
			h.Clients["late"] = join(from(3, false), deliveries(4, 9), from(12, false), deliveries(13, 20))
		}},
		{"left and came back to another place", "I2", func(h *check.History) {
			h.Clients["again"] = join(from(5, false), deliveries(6, 9), left(), from(10, true), deliveries(11, 20))
		}},
		{"another epoch in a subscription", "I1", func(h *check.History) { h.Clients["all"][20].Epoch = "f" }},
		{"a delivery without a subscription", "I1", func(h *check.History) { h.Clients["all"] = deliveries(1, 20) }},
		{"a skip that does not fit", "I1", func(h *check.History) {
			h.Clients["slow"] = join(from(0, false), deliveries(1, 5), skip(6, 15), deliveries(16, 20))
		}},
	} {
		h := sound()
		c.change(&h)
		v := check.Check(h)
		if v.Found[c.invariant] == 0 {
			t.Errorf("%s: Check = %v, want a violation of %s", c.name, &v, c.invariant)
		}
		if !strings.Contains(v.String(), c.invariant+": ") {
			t.Errorf("%s: Check = %v, does not name %s", c.name, &v, c.invariant)
		}
	}
}

// remove takes a client's delivery at an offset out.
func remove(h *check.History, client string, offset uint64) {
	var kept []check.Event
	for _, e := range h.Clients[client] {
		if e.Kind != check.Delivered || e.Offset != offset {
			kept = append(kept, e)
		}
	}
	h.Clients[client] = kept
}
