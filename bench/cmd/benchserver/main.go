//go:build linux

// Command benchserver measures the server of this tree against others with
// channels, in one run, and prints the result as Markdown. Progress goes to standard
// error.
//
// Usage:
//
//	go run ./bench/cmd/benchserver [-quick] [-long] [-rounds n] [-rows regexp] [-servers names] [-seed n] [-profiles folder] [-update]
//
// It exits with 1 if a publication is lost, comes twice, out of order or changed,
// or if a server fails otherwise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/bench/channels"
	"github.com/seed-15847954/ropewalk/bench/machine"
	"github.com/seed-15847954/ropewalk/bench/process"
)

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2) // the flag set has said why
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "benchserver:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	start, before := time.Now(), machine.LoadAverage()
	rows, err := o.chooseRows(channels.Rows(o.scale))
	if err != nil {
		return err
	}
	servers, err := o.chooseServers(channels.All())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchserver")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(os.Stderr, "building the servers")
	if err := channels.Build(servers, dir); err != nil {
		return err
	}
	r := channels.Run{
		Rows:     rows,
		Servers:  slices.DeleteFunc(slices.Clone(servers), func(s channels.Server) bool { return s.Path == "" }),
		Rounds:   o.rounds,
		Random:   rand.New(rand.NewPCG(o.seed, 0)),
		Profiles: o.profiles,
		Progress: func(round int, row, server string) {
			fmt.Fprintf(os.Stderr, "%5.0f s  round %d of %d: %s: %s\n", time.Since(start).Seconds(), round+1, o.rounds, row, server)
		},
	}
	where, err := share(&r)
	if err != nil {
		return err
	}
	results := r.Do()
	var report strings.Builder
	results.WriteMarkdown(&report)
	machine.Describe(&report)
	fmt.Fprintf(&report, "- %s\n- Rounds: %d, order from seed %d. It took %v. Load average before: %s, after: %s.\n",
		where, o.rounds, o.seed, time.Since(start).Round(time.Second), before, machine.LoadAverage())
	describe(&report, servers)
	fmt.Print(&report)
	if len(results.Failures) > 0 {
		return fmt.Errorf("%d measurements have failed:\n%s", len(results.Failures), strings.Join(results.Failures, "\n"))
	}
	if !o.update {
		return nil
	}
	return update(report.String())
}

// share gives the load one processor and the servers another, where there are two.
func share(r *channels.Run) (where string, err error) {
	available, err := process.Available()
	if err != nil {
		return "", err
	}
	if len(available) < 2 {
		return "Load and servers share one processor.", nil
	}
	load, server := available[0], available[1]
	r.Load, r.Server, r.All = process.One(load), process.One(server), process.Set(available)
	return fmt.Sprintf("The load runs on processor %d, each server on processor %d alone, but where a table says that they share both.", load, server), nil
}

// describe writes the versions of the libraries and which servers are absent.
func describe(w *strings.Builder, servers []channels.Server) {
	said := make(map[string]bool)
	for _, s := range servers {
		if said[s.Name] {
			continue
		}
		said[s.Name] = true
		switch {
		case s.Path == "":
			fmt.Fprintf(w, "- ABSENT: %s, which could not be built here: %s\n", s.Name, s.Absent)
		case s.Version != "":
			fmt.Fprintf(w, "- %s: %s.\n", s.Name, s.Version)
		}
	}
}
