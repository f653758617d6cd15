// Command test runs every check that must pass, and counts what it ran.
//
//	go run ./scripts/test [vet] [unit] [fuzz] [brokers] [interop]
//
// Without arguments it runs all of them, and installs what they need first
// (scripts/interop-deps). FUZZTIME says how long each fuzz target runs; it is 5s
// unless set. With CI set, a skipped test is a failure.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A phase is one kind of check. It returns what it counted.
type phase struct {
	name string
	run  func([]module) []result

	// outside is set where it needs software that scripts/interop-deps installs.
	outside bool
}

var phases = []phase{
	{name: "vet", run: vet},
	{name: "unit", run: unit},
	{name: "fuzz", run: fuzz},
	{name: "brokers", run: brokers, outside: true},
	{name: "interop", run: interop, outside: true},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(names []string) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	modules, err := workspace()
	if err != nil {
		return err
	}
	installed := install(chosen)
	var results []result
	for _, p := range chosen {
		if p.outside {
			<-installed
		}
		began := time.Now()
		fmt.Printf("== %s\n", p.name)
		results = append(results, p.run(modules)...)
		fmt.Printf("   %s took %v\n", p.name, time.Since(began).Round(time.Second))
	}
	if !report(os.Stdout, results, os.Getenv("CI") != "") {
		os.Exit(1)
	}
	return nil
}

func choose(names []string) ([]phase, error) {
	if len(names) == 0 {
		return phases, nil
	}
	var chosen []phase
	for _, p := range phases {
		if i := slices.Index(names, p.name); i >= 0 {
			chosen = append(chosen, p)
			names = slices.Delete(slices.Clone(names), i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("test: unknown phase %q; there are vet, unit, fuzz, brokers and interop", names[0])
	}
	return chosen, nil
}

// install starts scripts/interop-deps if a phase needs it, beside the phases
// that don't, and closes what it returns at the end. A machine on which it cannot succeed
// ends the whole run at once.
func install(chosen []phase) <-chan struct{} {
	done := make(chan struct{})
	if !slices.ContainsFunc(chosen, func(p phase) bool { return p.outside }) {
		return done
	}
	go func() {
		out, err := exec.Command("scripts/interop-deps").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s\n", strings.TrimSpace(string(out)))
			os.Exit(1)
		}
		close(done)
	}()
	return done
}
