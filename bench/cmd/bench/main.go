// Command bench measures the websocket library of this tree against others, in
// one run, and prints the result as Markdown. Progress goes to standard error.
//
// Usage:
//
//	go run ./bench/cmd/bench [-short] [-rounds n] [-time d] [-seed n]
//
// It takes about a minute and a half, with -short some 10 seconds.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/bench/inmemory"
	"github.com/seed-15847954/ropewalk/bench/library"
)

type options struct {
	rounds int
	time   time.Duration
	seed   uint64
}

func main() {
	opts, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2) // the flag set has said why
	}
	if err := run(opts); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse reads the flags. They have a set of their own, since package testing
// fills the common one with its flags.
func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	short := flags.Bool("short", false, "3 rounds of 50 ms, unless -rounds or -time say otherwise")
	flags.IntVar(&o.rounds, "rounds", 0, "measure everything `n` times; 0 means 7")
	flags.DurationVar(&o.time, "time", 0, "how long one measurement takes; 0 means 200 ms")
	flags.Uint64Var(&o.seed, "seed", 0, "decides the order of measurements; 0 means the clock")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	rounds, benchtime := 7, 200*time.Millisecond
	if *short {
		rounds, benchtime = 3, 50*time.Millisecond
	}
	if o.rounds <= 0 {
		o.rounds = rounds
	}
	if o.time <= 0 {
		o.time = benchtime
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	return o, nil
}

func run(o options) error {
	testing.Init()
	if err := flag.Set("test.benchtime", o.time.String()); err != nil {
		return err
	}
	start, load := time.Now(), loadAverage()
	libs := library.All()
	results, err := inmemory.Run(libs, o.rounds, rand.New(rand.NewPCG(o.seed, 0)), func(round int) {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
	})
	if err != nil {
		return err
	}
	fmt.Printf("Messages over a connection in memory: medians of %d rounds of %v each, order from seed %d.\n\n",
		o.rounds, o.time, o.seed)
	if err := results.WriteMarkdown(os.Stdout); err != nil {
		return err
	}
	fmt.Println()
	describe(os.Stdout, libs)
	fmt.Printf("- Load average before: %s, after: %s. The run took %v.\n",
		load, loadAverage(), time.Since(start).Round(time.Second))
	return nil
}
