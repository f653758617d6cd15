package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A finding is what the suite says of one case: how the messages were handled,
// and how the connection was closed.
type finding struct {
	Behavior      string `json:"behavior"`
	BehaviorClose string `json:"behaviorClose"`
}

func (f finding) good() bool {
	return acceptable(f.Behavior) && acceptable(f.BehaviorClose)
}

func acceptable(behavior string) bool {
	return behavior == "OK" || behavior == "INFORMATIONAL"
}

// A report holds the findings by case id.
type report map[string]finding

// parseReport reads the suite's index.json, which holds the findings by agent.
func parseReport(index []byte) (report, error) {
	var agents map[string]report
	if err := json.Unmarshal(index, &agents); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	r, ok := agents[agent]
	if !ok {
		return nil, fmt.Errorf("index.json: nothing about %s", agent)
	}
	return r, nil
}

// table lists the cases that are not OK and counts all.
func (r report) table(role string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	counts := map[string]int{}
	for _, id := range slices.SortedFunc(maps.Keys(r), compareIDs) {
		f := r[id]
		counts[f.Behavior]++
		if f.Behavior != "OK" || f.BehaviorClose != "OK" {
			fmt.Fprintf(w, "%s\t%s\t%s\tclose %s\n", role, id, f.Behavior, f.BehaviorClose)
		}
	}
	_ = w.Flush()
	fmt.Fprintf(&b, "%s: %d cases", role, len(r))
	for _, behavior := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, ", %d %s", counts[behavior], behavior)
	}
	b.WriteString("\n")
	return b.String()
}

// verdict returns an error unless every finding is good and there are want of
// them; a want of 0 stands for any number but none.
func (r report) verdict(role string, want int) error {
	bad := 0
	for _, f := range r {
		if !f.good() {
			bad++
		}
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%s: %d cases are neither OK nor INFORMATIONAL", role, bad)
	case len(r) == 0, want > 0 && len(r) != want:
		return fmt.Errorf("%s: %d cases were run, want %d", role, len(r), want)
	}
	return nil
}

// compareIDs orders case ids number by number: 2.9 stands before 2.10.
func compareIDs(a, b string) int {
	return slices.Compare(numbers(a), numbers(b))
}

func numbers(id string) []int {
	var ns []int
	for s := range strings.SplitSeq(id, ".") {
		n, _ := strconv.Atoi(s)
		ns = append(ns, n)
	}
	return ns
}
