package brokertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var everything = Claims{Nodes: true, History: true, Presence: true, Patterns: true, Expect: true, Dedup: true}

// Nodes that are told later pass.
func TestNetwork(t *testing.T) {
	Run(t, Config{Open: func(t testing.TB) hub.Broker { return networkOf(t, sound).open(t) }, Claims: everything})
}

// Deliveries that come twice pass where the broker says so.
func TestReplays(t *testing.T) {
	claims := everything
	claims.Replays = true
	Run(t, Config{Open: func(t testing.TB) hub.Broker { return networkOf(t, doubles).open(t) }, Claims: claims})
}

// poor is a broker that can do nothing more.
type poor struct{ hub.Broker }

func (p poor) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	if o.Expect != nil {
		return hub.Published{}, errors.ErrUnsupported
	}
	return p.Broker.Publish(ctx, m, o)
}

// What a broker does not claim is not asked of it.
func TestPoor(t *testing.T) {
	Run(t, Config{Open: func(testing.TB) hub.Broker { return poor{memory.New(memory.Config{})} }})
}

// Each fault fails the check that is there for it.
func TestFaults(t *testing.T) {
	all := checks()
	for _, fault := range faults {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(all, func(c check) bool { return c.name == fault.check() })
			if i < 0 {
				t.Fatalf("there is no check %q", fault.check())
			}
			c := Config{Open: func(t testing.TB) hub.Broker { return networkOf(t, fault).open(t) }, Claims: everything, Wait: 2 * time.Second}
			if got := failures(t, all[i], c); len(got) == 0 {
				t.Error("the check passes")
			}
		})
	}
}

// A broker that does not do what it claims fails, and so does one that does more.
func TestClaims(t *testing.T) {
	claim := checks()[0]
	for _, c := range []Config{
		{Open: func(testing.TB) hub.Broker { return poor{memory.New(memory.Config{})} }, Claims: everything},
		{Open: func(testing.TB) hub.Broker { return memory.New(memory.Config{}) }},
	} {
		if got := failures(t, claim, c); len(got) != 3 {
			t.Errorf("%d failures, want 3: %q", len(got), got)
		}
	}
}

// A record notes what a check says instead of failing.
type record struct {
	testing.TB
	mu    sync.Mutex
	notes []string
}

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *record) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failures runs a check and returns what it complains about.
func failures(t *testing.T, c check, config Config) []string {
	r := &record{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(newEnv(r, config))
	}()
	<-done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notes
}

// networks are those of the tests that run.
var networks sync.Map

// networkOf returns the network of one test, whose nodes share it.
func networkOf(t testing.TB, f fault) *network {
	made, _ := networks.LoadOrStore(t.Name(), newNetwork(f))
	t.Cleanup(func() { networks.Delete(t.Name()) })
	return made.(*network)
}
