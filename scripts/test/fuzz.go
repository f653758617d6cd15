package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// atOnce is how many targets are fuzzed beside each other, each on one processor.
const atOnce = 2

// A target is one Fuzz function.
type target struct {
	module module
	pkg    string
	name   string
}

// fuzz runs every fuzz target for a while.
func fuzz(modules []module) []result {
	var all []result
	for _, m := range modules {
		r := result{name: "fuzz " + m.name}
		targets, err := m.targets()
		if err != nil {
			r.judge(false, err.Error())
		}
		if len(targets) > 0 || err != nil {
			r.fuzz(targets)
			r.show()
			all = append(all, r)
		}
	}
	return all
}

// targets finds the fuzz targets of a module.
func (m module) targets() ([]target, error) {
	pkgs, err := m.packages()
	if err != nil {
		return nil, err
	}
	var all []target
	for _, pkg := range pkgs {
		out, err := m.goCommand("test", "-list", "^Fuzz", pkg).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("list the fuzz targets of %s: %w\n%s", pkg, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Fuzz") {
				all = append(all, target{module: m, pkg: pkg, name: strings.TrimSpace(line)})
			}
		}
	}
	return all, nil
}

// fuzz counts each target as one test.
func (r *result) fuzz(targets []target) {
	var (
		mu    sync.Mutex
		execs int64
		group sync.WaitGroup
		slots = make(chan struct{}, atOnce)
	)
	for _, t := range targets {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			out, err := t.run()
			mu.Lock()
			defer mu.Unlock()
			execs += executions(out)
			r.judge(err == nil, fmt.Sprintf("%s %s\n%s", t.pkg, t.name, out))
		})
	}
	group.Wait()
	r.note = fmt.Sprintf(", %d executions", execs)
}

// run fuzzes the target, once more if the end of its time was taken for a failure.
func (t target) run() (string, error) {
	limit := cmp.Or(os.Getenv("FUZZTIME"), "5s")
	for tries := 1; ; tries++ {
		out, err := t.module.goCommand("test", "-run", "^$", "-fuzz", "^"+t.name+"$",
			"-fuzztime", limit, "-fuzzminimizetime", "5s", "-parallel", "1", t.pkg).CombinedOutput()
		if err == nil || tries == 3 || !cutOff(string(out)) {
			return string(out), err
		}
	}
}

// cutOff reports whether a run failed because its time ended while an input was under
// way. The go command says that instead of naming an input that fails.
func cutOff(out string) bool {
	return strings.Contains(out, "\n    context deadline exceeded\n") && !strings.Contains(out, "Failing input written")
}

var execsLine = regexp.MustCompile(`execs: (\d+)`)

// executions returns the last count that a fuzzing run printed.
func executions(out string) int64 {
	all := execsLine.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(all[len(all)-1][1], 10, 64) // digits; what overflows is the largest
	return n
}
