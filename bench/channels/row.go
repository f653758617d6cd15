//go:build linux

package channels

import (
	"fmt"
	"time"

	"github.com/seed-15847954/ropewalk/bench/process"
)

// A Row is something that is measured of every server that can do it.
type Row struct {
	Name    string
	Metrics []Metric

	// Can reports whether the row is for s; nil means all.
	Can func(s Server) bool

	// Both has the server and the load share the processors, instead of one each.
	Both bool

	args    func(s Server) []string // what s is called with besides its own; nil means nothing
	measure func(r *running) (Sample, error)
}

// A Metric is one figure of a row.
type Metric struct {
	Name string
	Unit string
}

// A Sample is what was measured once, by metric.
type Sample map[Metric]float64

// The metrics.
var (
	PerSecond   = Metric{"deliveries per CPU second", ""}
	CPU         = Metric{"server CPU a delivery", "µs"}
	SubscribeCP = Metric{"server CPU a subscriber", "µs"}
	ConnectCPU  = Metric{"server CPU a client", "µs"}
	Took        = Metric{"until all are done", "s"}
	Median      = Metric{"p50", "ms"}
	P99         = Metric{"p99", "ms"}
	Lost        = Metric{"lost", ""}
	Resident    = Metric{"resident bytes a connection", ""}
	Busy        = Metric{"server CPU", "% of one"}
	Alone       = Metric{"p99 alone", "ms"}
	Beside      = Metric{"p99 beside them", "ms"}
	Ratio       = Metric{"ratio", ""}
	Memory      = Metric{"more memory", "MiB"}
	Bound       = Metric{"bound", "MiB"}
	Ended       = Metric{"connections ended", ""}
	Skips       = Metric{"skips told", ""}
	Slow        = Metric{"times that the policy acted", ""}
)

// A Scale says how large and how long the rows are.
type Scale struct {
	Few, Many, Most int           // subscribers: 1,000, 10,000 and 19,000
	Time            time.Duration // of a measurement of throughput
	Steady, Stalled time.Duration // of a steady load, and of stalled readers
}

// Full is what is measured without flags.
func Full() Scale {
	return Scale{Few: 1000, Many: 10_000, Most: 19_000, Time: 4 * time.Second, Steady: 20 * time.Second, Stalled: 10 * time.Second}
}

// Quick is a tenth of the clients for a short time, to see that everything works.
func Quick() Scale {
	return Scale{Few: 100, Many: 1000, Most: 1900, Time: time.Second, Steady: 3 * time.Second, Stalled: 3 * time.Second}
}

// Long returns s with steady loads as long as a promise about them needs.
func (s Scale) Long() Scale {
	s.Steady, s.Stalled = 5*time.Minute, 2*time.Minute
	return s
}

// running is a server that runs, with what a row does to it.
type running struct {
	*process.Server
	server  Server
	profile string // where to write profiles, or nothing
}

// Rows returns all rows.
func Rows(s Scale) []Row {
	var rows []Row
	for _, n := range []int{s.Few, s.Many} {
		rows = append(rows, fanout(n, s.Time))
	}
	for _, n := range []int{s.Few, s.Many} {
		rows = append(rows, subscribing(n, s.Few))
	}
	for _, n := range []int{s.Many, s.Most} {
		rows = append(rows, idle(n))
	}
	rows = append(rows,
		storm(s.Many),
		recovery("all in one channel", s.Many, news),
		recovery("each in a channel of its own", s.Many, own),
		latency(s.Few, s.Time),
		steady(s.Most, s.Steady),
	)
	for _, policy := range []string{"disconnect", "drop_oldest", "conflate", "latest", "catch_up"} {
		rows = append(rows, stalled(policy, s.Few, s.Stalled))
	}
	return rows
}

func onlyJSON(s Server) bool { return s.Dialect.Name == "JSON" }

// news returns the channel that all members of a crowd share.
func news(int) string { return "news" }

// own returns a channel for each.
func own(i int) string { return fmt.Sprintf("own.%06d", i) }

// size of the data of publications, in bytes.
const size = 128
