package brokertest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/seed-15847954/ropewalk/cluster"
	"github.com/seed-15847954/ropewalk/hub"
)

func needsBus(c Claims) bool { return c.Bus }

var busChecks = []check{
	{"what is said is heard by all, in order", needsBus, said},
	{"any bytes can be said", needsBus, anyBytes},
	{"who listens anew is heard alone", needsBus, listensAnew},
}

// An ear keeps what it hears of this run.
type ear struct {
	e *env

	mu    sync.Mutex
	heard []string
}

func (e *env) listen(b hub.Broker) *ear {
	e.Helper()
	ear := &ear{e: e}
	if err := b.(cluster.Bus).Listen(e.ctx, ear.hear); err != nil {
		e.Fatalf("Listen = %v", err)
	}
	return ear
}

// hear keeps what the suite has said; others may use the same server.
func (r *ear) hear(message []byte) {
	text, ok := bytes.CutPrefix(message, []byte(r.e.prefix))
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, string(text))
}

func (r *ear) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

func (e *env) broadcast(b hub.Broker, text string) {
	e.Helper()
	if err := b.(cluster.Bus).Broadcast(e.ctx, []byte(e.prefix+text)); err != nil {
		e.Fatalf("Broadcast = %v", err)
	}
}

// said: from either node to both, those of one sender in their order and once.
func said(e *env) {
	here, there := e.nodes()
	ears := []*ear{e.listen(here), e.listen(there)}
	if here == there {
		ears = ears[1:]
	}
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("here %d", i))
		e.broadcast(here, want[i])
		e.broadcast(there, fmt.Sprintf("there %d", i))
	}
	for _, ear := range ears {
		e.until("all to be heard", func() bool { return len(ear.all()) >= 100 })
		got := ear.all()
		if len(got) != 100 {
			e.Errorf("heard %d messages, want 100", len(got))
		}
		got = slices.DeleteFunc(got, func(s string) bool { return !slices.Contains(want, s) })
		if !slices.Equal(got, want) {
			e.Errorf("heard %q of this node, want %q", got, want)
		}
	}
}

func anyBytes(e *env) {
	here, there := e.nodes()
	ear := e.listen(there)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	want := []string{"\x00", "\r\n\r\n", string(all), string(bytes.Repeat(all, (cluster.MaxMessage-len(e.prefix))/256)), "end"}
	for _, text := range want {
		e.broadcast(here, text)
	}
	e.until("all to be heard", func() bool { return len(ear.all()) >= len(want) })
	if got := ear.all(); !slices.Equal(got, want) {
		e.Errorf("heard %d messages that are not what was said", len(got))
	}
}

func listensAnew(e *env) {
	here, there := e.nodes()
	before := e.listen(here)
	e.broadcast(there, "one")
	e.until("the first message", func() bool { return len(before.all()) == 1 })
	after := e.listen(here)
	e.broadcast(there, "two")
	e.until("the second message", func() bool { return len(after.all()) == 1 })
	if got := before.all(); !slices.Equal(got, []string{"one"}) {
		e.Errorf("who does not listen any more heard %q, want one", got)
	}
}
