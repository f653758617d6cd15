// Package proof shows that a server keeps its promises: it runs clients and
// publishers against one, breaks things meanwhile, and has package check judge what
// everybody has seen. docs/explanation/delivery.md says what is promised.
//
// What clients, publishers and faults do follows from a seed, and happens at a number of
// published messages rather than at a time. Only how the goroutines and processes
// interleave differs from run to run.
package proof

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-15847954/ropewalk/proof/check"
)

// A Config is the size of a run. Zero values mean the defaults.
type Config struct {
	// Seed decides what everybody does.
	Seed uint64

	// Clients, each in 4 Channels. Zero means 1,000 and 100.
	Clients, Channels int

	// Publishers, half of them by the HTTP API and half over the WebSockets of clients,
	// share Messages. Zero means 16 and 5,000.
	Publishers, Messages int

	// Size is how long the data of a message is about, in bytes. Zero means what
	// the fault wants.
	Size int

	// Patience bounds the time at the end in which everybody gets what is to come.
	// Zero means 60 seconds.
	Patience time.Duration
}

func (c Config) withDefaults(f *Fault) Config {
	c.Clients = cmp.Or(c.Clients, 1000)
	c.Channels = cmp.Or(c.Channels, 100)
	c.Publishers = min(cmp.Or(c.Publishers, 16), 2*c.Clients)
	c.Messages = cmp.Or(c.Messages, 5000)
	c.Size = cmp.Or(c.Size, f.size, 100)
	c.Patience = cmp.Or(c.Patience, time.Minute)
	return c
}

// Settings are what a run wants of its server. Zero values mean the server's defaults.
type Settings struct {
	Slow    string // the policy for slow subscribers
	Queue   int    // bytes that wait for one client
	History int    // publications that a channel keeps

	// Older is another version of the program that all nodes of a cluster begin with; empty is the same.
	Older string

	// Hosts has each node of a cluster be in a network namespace of its own, which takes root.
	Hosts bool
}

// A Server is what a run needs of a server. Its methods are called by one goroutine at
// a time, but Addr by any.
type Server interface {
	// Addr is where it listens, as host:port, through all of its lives.
	Addr() string

	// Drain ends the server in order and Kill without warning. Both start another one,
	// which listens when they return, and remembers nothing.
	Drain(ctx context.Context) error
	Kill(ctx context.Context) error

	// Close ends it for good.
	Close() error
}

// A Starter starts a server.
type Starter func(ctx context.Context, s Settings) (Server, error)

// A Result is what came of a run.
type Result struct {
	Fault   string
	Seed    uint64
	Verdict check.Verdict
	Acts    int // of the fault: connections broken, restarts, times that the policy was applied
	Took    time.Duration

	// Failures say what is wrong besides violations of invariants: a client that never
	// came back, a policy that was not put to the test.
	Failures []string

	phases  string // how long each took
	history check.History
}

// OK reports whether the server kept its promises.
func (r *Result) OK() bool { return r.Verdict.OK() && len(r.Failures) == 0 }

// failed adds to the failures, unless there are plenty.
func (r *Result) failed(format string, args ...any) {
	const plenty = 20
	if len(r.Failures) < plenty {
		r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
	}
}

func (r *Result) String() string {
	s := fmt.Sprintf("%s, seed %d, %d acts, %v (%s): %v", r.Fault, r.Seed, r.Acts, r.Took.Round(time.Millisecond), r.phases, &r.Verdict)
	for _, f := range r.Failures {
		s += "\n" + f
	}
	return s
}

// Keep writes the history of the run into a file in dir and returns its name.
func (r *Result) Keep(dir string) (string, error) {
	name := filepath.Join(dir, fmt.Sprintf("%s-%d.json", filepath.Base(r.Fault), r.Seed))
	b, err := json.Marshal(r.history)
	if err != nil {
		return "", err
	}
	return name, os.WriteFile(name, b, 0o600)
}

// A teller is a Server that shows what it has printed last.
type teller interface{ Output() string }

// Run runs one fault against a server of its own. An error says that the run could not be done, or did not
// end in six times the patience; what the server did wrong is in the result.
func Run(ctx context.Context, start Starter, f *Fault, c Config) (*Result, error) {
	began := time.Now()
	c = c.withDefaults(f)
	ctx, cancel := context.WithTimeoutCause(ctx, 6*c.Patience, errors.New("the run does not end"))
	defer cancel()
	server, err := start(ctx, f.Settings)
	if err != nil {
		return nil, err
	}
	r, err := newRun(server, f, c)
	if err == nil {
		if err = r.do(ctx); err != nil {
			err = errors.Join(err, context.Cause(ctx))
		}
		r.close()
	}
	if t, ok := server.(teller); ok && err != nil {
		err = fmt.Errorf("%w\n%s", err, t.Output())
	}
	if err = errors.Join(err, server.Close()); err != nil {
		return nil, fmt.Errorf("%s, seed %d: %w", f.Name, c.Seed, err)
	}
	result := r.judge()
	result.Took = time.Since(began)
	return result, nil
}
