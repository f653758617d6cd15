//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/bench/inmemory"
	"github.com/seed-15847954/ropewalk/bench/library"
)

// inProcessName is what -rows must match for the measurement in process.
const inProcessName = "in process"

// inProcess measures what the libraries in Go spend besides system calls.
func inProcess(w io.Writer, o options) error {
	if !o.rows.MatchString(inProcessName) || o.scale.Quick {
		return nil
	}
	const rounds, each = 3, 100 * time.Millisecond
	testing.Init()
	if err := flag.Set("test.benchtime", each.String()); err != nil {
		return err
	}
	results, err := inmemory.Run(library.All(), rounds, rand.New(rand.NewPCG(o.seed, 1)), func(round int) {
		fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, rounds, inProcessName)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "### In process: messages over a connection in memory, medians of %d rounds of %v\n\n", rounds, each)
	err = results.WriteMarkdown(w)
	fmt.Fprintln(w)
	return err
}
