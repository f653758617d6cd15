package inmemory

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/bench/library"
)

// A round of one message each: every library is verified in every case and every
// pair of them has a line in the tables.
func TestRun(t *testing.T) {
	once(t)
	libs := library.All()
	rounds := 0
	results, err := Run(libs, 2, rand.New(rand.NewPCG(1, 0)), func(int) { rounds++ })
	if err != nil {
		t.Fatal(err)
	}
	if rounds != 2 {
		t.Errorf("Run(2 rounds) reported %d rounds, want 2", rounds)
	}
	var out strings.Builder
	if err := results.WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, c := range Cases() {
		want := 1 + len(libs)
		if got := strings.Count(out.String(), "| "+c.String()+" |"); got != want {
			t.Errorf("WriteMarkdown has %d lines for %q, want %d", got, c, want)
		}
	}
}

// once has a measurement end after one message.
func once(t *testing.T) {
	t.Helper()
	benchtime := flag.Lookup("test.benchtime").Value
	before := benchtime.String()
	if err := benchtime.Set("1x"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = benchtime.Set(before) })
}

func TestTables(t *testing.T) {
	c := Case{library.Server, Read, 128}
	results := Results{
		Libraries: []library.Library{{Name: "ours"}, {Name: "theirs"}},
		Cases:     []Case{c},
		samples: map[string][][]Sample{c.String(): {
			{{Nanoseconds: 100}, {Nanoseconds: 50}, {Nanoseconds: 80}},
			{{150, 16, 1, 0.031}, {100, 16, 1, 0.031}, {88, 16, 1, 0.031}},
		}},
	}
	var out strings.Builder
	if err := results.WriteMarkdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| server reads 128 B | 80.0 | 100 (1.50) |\n",
		"| server reads 128 B | ours | 80.0 | 50.0 to 100 | 1.00 | 1.00 to 1.00 | 0 | 0 | 0.00 |\n",
		"| server reads 128 B | theirs | 100 | 88.0 to 150 | 1.50 | 1.10 to 2.00 | 16 | 1 | 0.03 |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("WriteMarkdown = %s\nwant in it %q", out.String(), want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 4}, 4},
		{[]float64{8, 1, 4, 2}, 3},
	} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}
