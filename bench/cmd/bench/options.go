//go:build linux

package main

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/bench/compare"
	"github.com/seed-15847954/ropewalk/bench/peer"
)

type options struct {
	scale  compare.Scale
	rounds int
	rows   *regexp.Regexp
	peers  string
	seed   uint64
	update bool
}

// parse reads the flags. They have a set of their own, since package testing
// fills the common one with its flags.
func parse(args []string) (options, error) {
	o := options{scale: compare.Full()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.scale.Quick, "quick", false, "only the rows of the first table, without TLS, and one round")
	flags.IntVar(&o.rounds, "rounds", 0, "measure everything `n` times; 0 means 3, or 1 if quick")
	flags.DurationVar(&o.scale.Time, "time", o.scale.Time, "how long one measurement takes; four times as long in the first table")
	rows := flags.String("rows", "", "only rows whose name this `regexp` matches")
	flags.StringVar(&o.peers, "peers", "", "only `names` that begin so, separated by commas; the first is what ratios are to")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "decides the order of measurements")
	flags.BoolVar(&o.update, "update", false, "put the tables into docs/reference/benchmarks.md and README.md, too")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds <= 0 && o.scale.Quick {
		o.rounds = 1
	}
	if o.rounds <= 0 {
		o.rounds = 3
	}
	o.scale.Long = 4 * o.scale.Time
	var err error
	if o.rows, err = regexp.Compile(*rows); err != nil {
		err = fmt.Errorf("-rows: %w", err)
		fmt.Fprintln(flags.Output(), err)
	}
	return o, err
}

// chooseRows returns those of the rows that are asked for. That there are none is
// an error unless the measurement in process is asked for.
func (o options) chooseRows(rows []compare.Row) ([]compare.Row, error) {
	var chosen []compare.Row
	for _, row := range rows {
		if o.rows.MatchString(row.Name) {
			chosen = append(chosen, row)
		}
	}
	if len(chosen) == 0 && !o.rows.MatchString(inProcessName) {
		return nil, fmt.Errorf("-rows %q matches no row", o.rows)
	}
	return chosen, nil
}

func (o options) choosePeers(peers []peer.Peer) ([]peer.Peer, error) {
	if o.peers == "" {
		return peers, nil
	}
	var chosen []peer.Peer
	for name := range strings.SplitSeq(o.peers, ",") {
		before := len(chosen)
		for _, p := range peers {
			if strings.HasPrefix(p.Name, strings.TrimSpace(name)) {
				chosen = append(chosen, p)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("-peers: there is no %q", name)
		}
	}
	return chosen, nil
}
