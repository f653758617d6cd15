//go:build linux

package compare

import (
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/bench/peer"
)

// race tells whether this test has the race detector in it.
func race() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Every server that is written in Go, as a process of its own, answers rightly to
// a little of every row. A byte that is wrong, a data race in a server, and a
// server that ends by itself are failures.
func TestServers(t *testing.T) {
	peers := slices.DeleteFunc(peer.All(), func(p peer.Peer) bool { return p.Foreign })
	dir := t.TempDir()
	if err := peer.Build(peers, dir, race()); err != nil {
		t.Fatal(err)
	}
	cert := filepath.Join(dir, "cert.pem")
	if err := WriteCertificate(cert); err != nil {
		t.Fatal(err)
	}
	rows := Rows(Scale{
		Time: 20 * time.Millisecond, Long: 20 * time.Millisecond,
		Sizes: []int{125, 70_000}, Connections: []int{5}, Many: 30, Some: 10, Storm: 100,
	})
	for i, p := range peers {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			results := Run{
				Rows: rows, Peers: peers[i : i+1], Rounds: 1, Random: rand.New(rand.NewPCG(1, 0)), Cert: cert,
				Progress: func(int, string) {},
			}.Do()
			for _, failure := range results.Failures {
				t.Error(failure)
			}
			for _, row := range rows {
				if row.Can(p) && len(results.values(row, 0, row.Metrics[0])) != 1 {
					t.Errorf("%s: nothing was measured", row.Name)
				}
			}
		})
	}
}

func TestMarkdown(t *testing.T) {
	row := Row{Name: "row", Metrics: []Metric{CPU}, Head: true}
	results := Results{
		Rows:  []Row{row, {Name: "other", Metrics: []Metric{Rate}}},
		Peers: []peer.Peer{{Name: "ours"}, {Name: "theirs"}, {Name: "unable"}},
		samples: map[string][][]Sample{
			"row":   {{{CPU: 2}, {CPU: 1}, {CPU: 4}}, {{CPU: 3}, nil, {CPU: 8}}, nil},
			"other": {{{Rate: 123456}}, nil, nil},
		},
		Failures: []string{"why"},
	}
	var out strings.Builder
	results.WriteMarkdown(&out)
	for _, want := range []string{
		"| row: server CPU, µs | 2.00 | 5.50 | - |\n",
		"| row: server CPU, µs | 1.00 | 1.75 | - |\n",
		"| row | 2.00 (1.00–4.00) | 5.50 (3.00–8.00) | - |\n",
		"| other | 123,456 (123,456–123,456) | - | - |\n",
		"- FAILED: why\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("WriteMarkdown = %s\nwant in it %q", out.String(), want)
		}
	}
}

func TestFigure(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{
		{-1, "-"}, {0.256, "0.26"}, {42.04, "42.0"}, {99.96, "100.0"}, {512.4, "512"}, {1234567, "1,234,567"}, {2.34e7, "23.4M"},
	} {
		if got := figure(tt.v); got != tt.want {
			t.Errorf("figure(%v) = %s, want %s", tt.v, got, tt.want)
		}
	}
}
