package main

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
)

// allowedSkips lists the tests that may be skipped where CI is set: a line each
// of package, test and reason.
//
//go:embed allowed-skips.txt
var allowedSkips string

// String is the line of the summary.
func (r result) String() string {
	return fmt.Sprintf("%-16s %6d passed, %d failed, %d skipped%s", r.name, r.passed, r.failed, r.skipped, r.note)
}

// show prints what r counted, and what its failing tests had to say.
func (r result) show() {
	fmt.Printf("   %s\n", r)
	if r.failures != "" {
		fmt.Println(r.failures)
	}
}

// report prints the counts of each step and, as the last line, of all together.
// It reports whether the run succeeded: in CI a skip that nobody allowed is a
// failure.
func report(w io.Writer, results []result, ci bool) bool {
	var sum result
	for _, r := range results {
		sum.passed += r.passed
		sum.failed += r.failed
		sum.skipped += r.skipped
		sum.skips = append(sum.skips, r.skips...)
	}
	refused := refuse(sum.skips, allowedSkips)
	fmt.Fprintln(w)
	for _, s := range sum.skips {
		fmt.Fprintf(w, "skipped: %s\n", s)
	}
	if ci && len(refused) > 0 {
		fmt.Fprintf(w, "FAILED: CI may not skip %s\n", strings.Join(refused, ", "))
	}
	for _, r := range results {
		fmt.Fprintln(w, r)
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", sum.passed, sum.failed, sum.skipped)
	return sum.passed > 0 && sum.failed == 0 && (!ci || len(refused) == 0)
}

// refuse returns the skips that no line of allowed begins with.
func refuse(skips []string, allowed string) []string {
	lines := strings.Split(allowed, "\n")
	return slices.DeleteFunc(slices.Clone(skips), func(skip string) bool {
		return slices.ContainsFunc(lines, func(line string) bool {
			return !strings.HasPrefix(line, "#") && strings.HasPrefix(line+" ", skip+" ")
		})
	})
}
