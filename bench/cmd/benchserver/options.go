//go:build linux

package main

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/bench/channels"
)

type options struct {
	scale    channels.Scale
	rounds   int
	rows     *regexp.Regexp
	servers  string
	seed     uint64
	profiles string
	update   bool
}

func parse(args []string) (options, error) {
	var o options
	var quick, long bool
	flags := flag.NewFlagSet("benchserver", flag.ContinueOnError)
	flags.BoolVar(&quick, "quick", false, "one tenth of the clients, short, and one round")
	flags.BoolVar(&long, "long", false, "steady load for 5 minutes and stalled readers for 2")
	flags.IntVar(&o.rounds, "rounds", 0, "measure everything `n` times; 0 means 3, or 1 if quick")
	rows := flags.String("rows", "", "only rows whose name this `regexp` matches")
	flags.StringVar(&o.servers, "servers", "", "only `names` that begin so, separated by commas")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "decides the order of measurements")
	flags.StringVar(&o.profiles, "profiles", "", "put profiles of the servers in Go into this `folder`")
	flags.BoolVar(&o.update, "update", false, "put the tables into docs/reference/benchmarks-server.md, too")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.scale = channels.Full()
	if quick {
		o.scale = channels.Quick()
	}
	if long {
		o.scale = o.scale.Long()
	}
	if o.rounds <= 0 {
		o.rounds = 3
		if quick {
			o.rounds = 1
		}
	}
	var err error
	if o.rows, err = regexp.Compile(*rows); err != nil {
		err = fmt.Errorf("-rows: %w", err)
		fmt.Fprintln(flags.Output(), err)
	}
	return o, err
}

// chooseRows returns those of the rows that are asked for.
func (o options) chooseRows(rows []channels.Row) ([]channels.Row, error) {
	var chosen []channels.Row
	for _, row := range rows {
		if o.rows.MatchString(row.Name) {
			chosen = append(chosen, row)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-rows %q matches no row", o.rows)
	}
	return chosen, nil
}

// chooseServers returns those of the servers that are asked for.
func (o options) chooseServers(servers []channels.Server) ([]channels.Server, error) {
	if o.servers == "" {
		return servers, nil
	}
	var chosen []channels.Server
	for _, s := range servers {
		for name := range strings.SplitSeq(o.servers, ",") {
			if strings.HasPrefix(strings.ToLower(s.Title()), strings.ToLower(strings.TrimSpace(name))) {
				chosen = append(chosen, s)
				break
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-servers %q matches no server", o.servers)
	}
	return chosen, nil
}
