//go:build linux

// Command bench measures the websocket library of this tree against others, in
// one run, and prints the result as Markdown. Progress goes to standard error.
//
// Usage:
//
//	go run ./bench/cmd/bench [-quick] [-rounds n] [-time d] [-rows regexp] [-peers names] [-seed n] [-update]
//
// Without flags it takes about 10 minutes, with -quick 2. It exits with 1 if a
// server sends a wrong byte or fails otherwise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/bench/compare"
	"github.com/seed-15847954/ropewalk/bench/machine"
	"github.com/seed-15847954/ropewalk/bench/peer"
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
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	start, before := time.Now(), machine.LoadAverage()
	rows, err := o.chooseRows(compare.Rows(o.scale))
	if err != nil {
		return err
	}
	peers, err := o.choosePeers(peer.All())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(os.Stderr, "building the servers")
	if err := peer.Build(peers, dir, false); err != nil {
		return err
	}
	cert := filepath.Join(dir, "cert.pem")
	if err := compare.WriteCertificate(cert); err != nil {
		return err
	}
	processors, where, err := share()
	if err != nil {
		return err
	}
	results := compare.Run{
		Rows:       rows,
		Peers:      slices.DeleteFunc(slices.Clone(peers), func(p peer.Peer) bool { return p.Path == "" }),
		Rounds:     o.rounds,
		Random:     rand.New(rand.NewPCG(o.seed, 0)),
		Processors: processors,
		Cert:       cert,
		Progress: func(round int, row string) {
			fmt.Fprintf(os.Stderr, "%5.0f s  round %d of %d: %s\n", time.Since(start).Seconds(), round+1, o.rounds, row)
		},
	}.Do()
	var report, about strings.Builder
	results.WriteMarkdown(&report)
	if err := inProcess(&report, o); err != nil {
		return err
	}
	machine.Describe(&about)
	fmt.Fprintf(&about, "- %s\n- Rounds: %d, %v each and %v in the first table, order from seed %d. It took %v. Load average before: %s, after: %s.\n",
		where, o.rounds, o.scale.Time, o.scale.Long, o.seed, time.Since(start).Round(time.Second), before, machine.LoadAverage())
	fmt.Fprint(&report, &about)
	describePeers(&report, peers)
	fmt.Print(&report)
	if len(results.Failures) > 0 {
		return fmt.Errorf("%d measurements have failed, the first one: %s", len(results.Failures), results.Failures[0])
	}
	if !o.update {
		return nil
	}
	var head strings.Builder
	results.WriteHead(&head)
	fmt.Fprint(&head, &about)
	return update(report.String(), head.String())
}

// share gives the load one processor and the servers another, where there are two.
func share() (servers process.Processors, where string, err error) {
	available, err := process.Available()
	if err != nil {
		return nil, "", err
	}
	if len(available) < 2 {
		return nil, "Load and servers share one processor.", nil
	}
	load, server := available[0], available[1]
	if err := process.Keep(process.One(load)); err != nil {
		return nil, "", err
	}
	return process.One(server), fmt.Sprintf("The load runs on processor %d, each server on processor %d alone.", load, server), nil
}
