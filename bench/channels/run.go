//go:build linux

package channels

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/process"
)

// A Run is rows that are measured of servers in several rounds.
type Run struct {
	Rows    []Row
	Servers []Server // those that are built
	Rounds  int
	Random  *rand.Rand // decides the order of the servers

	// The load has one processor and each server another, except in rows that say
	// otherwise. Nil means any.
	Load, Server, All process.Processors

	// Profiles is a folder for profiles of the servers in Go, one a measurement that
	// counts processor time. Empty means none.
	Profiles string

	// Progress is called before each measurement.
	Progress func(round int, row, server string)
}

// Results has the samples of each row and server, one a round; nil where there is
// none.
type Results struct {
	Rows     []Row
	Servers  []Server
	samples  map[string][][]Sample // by the row's name; [server][round]
	Failures []string
}

// Do measures. Within a round every row is measured of all servers, each a process
// of its own, in an order that chance decides, before the next row.
func (r Run) Do() Results {
	results := Results{Rows: r.Rows, Servers: r.Servers, samples: make(map[string][][]Sample)}
	for round := range r.Rounds {
		for _, row := range r.Rows {
			if results.samples[row.Name] == nil {
				results.samples[row.Name] = make([][]Sample, len(r.Servers))
			}
			for _, i := range r.Random.Perm(len(r.Servers)) {
				if row.Can != nil && !row.Can(r.Servers[i]) {
					continue
				}
				r.Progress(round, row.Name, r.Servers[i].Title())
				sample, err := r.one(row, r.Servers[i])
				if err != nil {
					results.Failures = append(results.Failures,
						fmt.Sprintf("%s: %s, round %d: %v", row.Name, r.Servers[i].Title(), round+1, err))
				}
				results.samples[row.Name][i] = append(results.samples[row.Name][i], sample)
			}
		}
	}
	return results
}

// one measures a row of a server.
func (r Run) one(row Row, s Server) (Sample, error) {
	load, server := r.Load, r.Server
	if row.Both {
		load, server = r.All, nil
	}
	if load != nil {
		if err := process.Keep(load); err != nil {
			return nil, err
		}
	}
	args := s.args
	if row.args != nil {
		args = slices.Concat(args, row.args(s))
	}
	p, err := process.Start(server, s.Path, args...)
	if err != nil {
		return nil, err
	}
	running := &running{Server: p, server: s}
	if r.Profiles != "" {
		name := strings.NewReplacer(" ", "-", ",", "").Replace(s.Title() + " " + row.Name)
		running.profile = filepath.Join(r.Profiles, name+".prof")
	}
	sample, err := row.measure(running)
	if err := p.Explain(err); err != nil {
		_ = p.Stop() // the error that counts is err
		return sample, err
	}
	return sample, p.Stop()
}
