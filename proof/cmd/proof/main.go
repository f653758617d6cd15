// Command proof runs every fault of package proof against real servers, and exits with 1
// when one broke a promise.
//
//	go run ./proof/cmd/proof [-broker NAME] [-seed N] [-reps 20] [-at-once 1] [-clients 1000] [-channels 100] [-messages 5000] [-faults REGEXP] [-older PROGRAM]
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
	"strings"
	"sync"
	"syscall"

	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/proof/brokers"
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
	broker := flag.String("broker", "", "have three nodes share a broker: "+strings.Join(brokers.Kinds(), ", ")+"; empty is one node with its own memory")
	seed := flag.Uint64("seed", rand.Uint64()>>32, "what everything in the first repetition of each fault follows from; the next ones have the next seeds")
	reps := flag.Int("reps", 20, "repetitions of each fault")
	atOnce := flag.Int("at-once", 1, "runs at once, each with servers of its own: most of a run is waiting")
	faults := flag.String("faults", "", "regular expression of the faults to run; empty is all")
	older := flag.String("older", "", "an older version of the program: nodes that share a broker are put from it on this one, too")
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
	if err := node.BuildStepped(ctx, program); err != nil {
		return err
	}
	start, all := proof.Program(program), proof.Faults()
	if *broker != "" {
		if start, all, err = brokers.Clusters(*broker, program); err != nil {
			return err
		}
		if *older != "" {
			all = append(all, proof.Upgrade(*older))
		}
	}
	fmt.Printf("seed %d, %d repetitions, %d clients, %d channels, %d messages\n", *seed, *reps, config.Clients, config.Channels, config.Messages)
	s := &series{start: start, dir: dir}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range *atOnce {
		workers.Go(func() {
			for j := range jobs {
				s.run(ctx, j)
			}
		})
	}
	for _, f := range all {
		if !chosen.MatchString(f.Name) {
			continue
		}
		for rep := range *reps {
			config := config
			config.Seed = *seed + uint64(rep)
			jobs <- job{f, config}
		}
	}
	close(jobs)
	workers.Wait()
	if s.err != nil {
		return s.err
	}
	table := &s.table
	fmt.Printf("\n%s", table)
	if table.Failed() > 0 {
		return errBroken
	}
	return os.RemoveAll(dir)
}

// A job is one run to be done.
type job struct {
	fault  *proof.Fault
	config proof.Config
}

// A series is many runs. Its methods may be called at once.
type series struct {
	start proof.Starter
	dir   string // for the histories of runs that broke a promise

	mu    sync.Mutex
	table proof.Table
	err   error // the first one; what comes behind it is not done
}

func (s *series) run(ctx context.Context, j job) {
	s.mu.Lock()
	over := s.err != nil
	s.mu.Unlock()
	if over {
		return
	}
	result, err := proof.Run(ctx, s.start, j.fault, j.config)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.add(result)
	}
	if s.err == nil {
		s.err = err
	}
}

// add prints a result. mu is held.
func (s *series) add(r *proof.Result) error {
	s.table.Add(r)
	fmt.Println(r)
	if r.OK() {
		return nil
	}
	kept, err := r.Keep(s.dir)
	if err == nil {
		fmt.Println("history kept in", kept)
	}
	return err
}
