// Command proof runs every fault of package proof against real servers, and exits with 1
// when one broke a promise.
//
//	go run ./proof/cmd/proof [-seed N] [-reps 20] [-clients 1000] [-channels 100] [-messages 5000] [-faults REGEXP]
//
// A run is repeated by its seed, which it prints: -seed N -reps 1 -faults ^NAME$.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/proof/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

// errBroken means that a server did not keep its promises.
var errBroken = errors.New("a promise was broken")

func run(ctx context.Context) error {
	var config proof.Config
	seed := flag.Uint64("seed", rand.Uint64()>>32, "what everything in the first repetition of each fault follows from; the next ones have the next seeds")
	reps := flag.Int("reps", 20, "repetitions of each fault")
	faults := flag.String("faults", "", "regular expression of the faults to run; empty is all")
	flag.IntVar(&config.Clients, "clients", 1000, "clients")
	flag.IntVar(&config.Channels, "channels", 100, "channels")
	flag.IntVar(&config.Messages, "messages", 5000, "messages of a run")
	flag.Parse()
	chosen, err := regexp.Compile(*faults)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ropewalk-proof-")
	if err != nil {
		return err
	}
	program := filepath.Join(dir, "ropewalk")
	if err := node.Build(ctx, program); err != nil {
		return err
	}
	fmt.Printf("seed %d, %d repetitions, %d clients, %d channels, %d messages\n", *seed, *reps, config.Clients, config.Channels, config.Messages)
	var table proof.Table
	for _, f := range proof.Faults() {
		if !chosen.MatchString(f.Name) {
			continue
		}
		for rep := range *reps {
			config.Seed = *seed + uint64(rep)
			result, err := proof.Run(ctx, proof.Program(program), f, config)
			if err != nil {
				return err
			}
			table.Add(result)
			fmt.Println(result)
			if result.OK() {
				continue
			}
			kept, err := result.Keep(dir)
			if err != nil {
				return err
			}
			fmt.Println("history kept in", kept)
		}
	}
	fmt.Printf("\n%s", &table)
	if table.Failed() > 0 {
		return errBroken
	}
	return os.RemoveAll(dir)
}
