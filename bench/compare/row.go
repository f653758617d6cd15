//go:build linux

// Package compare measures servers against each other: whole processes, taking
// turns within one run.
package compare

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/bench/load"
	"github.com/seed-15847954/ropewalk/bench/peer"
	"github.com/seed-15847954/ropewalk/bench/process"
	"github.com/seed-15847954/ropewalk/bench/server"
)

// A Metric is what a row measures of a server.
type Metric string

// The metrics. Processor time is the server's, user and system.
const (
	CPU     Metric = "server CPU, µs"
	Rate    Metric = "messages a second"
	Median  Metric = "latency, median, µs"
	P99     Metric = "latency, 99th percentile, µs"
	Closing Metric = "server CPU with the close, µs"
	Used    Metric = "resident bytes a connection, after messages"
	Opened  Metric = "resident bytes a connection, before them"
	Share   Metric = "what a message is sent in, % of its size"
)

// A Sample is what one measurement found.
type Sample map[Metric]float64

// A Row is one thing to measure of every server.
type Row struct {
	Name    string
	Metrics []Metric       // the first one goes into the first table
	Raw     bool           // also of servers that speak bytes, not WebSocket
	Deflate server.Deflate // what the server must be capable of; empty means NoDeflate
	TLS     bool
	Head    bool // in the first table
	Once    bool // in the first round only: it takes long and hardly varies

	args    []string
	measure func(s *process.Server, p peer.Peer) (Sample, error)
}

// Can tells whether the row can be measured of p.
func (r Row) Can(p peer.Peer) bool {
	return (r.Raw || !p.Raw) && (!r.TLS || p.TLS) && (r.Deflate == "" || slices.Contains(p.Deflate, r.Deflate))
}

// Scale says how much of everything there is.
type Scale struct {
	Quick bool // only the rows of the first table, without TLS

	Time        time.Duration // of a measurement
	Long        time.Duration // of one for the first table
	Sizes       []int         // of messages
	Connections []int         // of an echo
	Many, Some  int           // connections of a broadcast; Many are idle, too
	Storm       int           // handshakes
}

// Full is what is measured unless less is asked for.
func Full() Scale {
	return Scale{
		Time:        200 * time.Millisecond,
		Long:        800 * time.Millisecond,
		Sizes:       []int{16, 125, 1 << 10, 16 << 10, 1 << 20},
		Connections: []int{1, 100, 1000},
		Many:        10_000,
		Some:        1000,
		Storm:       3000,
	}
}

// Rows returns everything that is measured, in the order of the tables.
func Rows(s Scale) []Row {
	rows := slices.Concat(echoes(s), broadcasts(s), idles(s), []Row{storm(s)}, deflates(s))
	if s.Quick {
		rows = slices.DeleteFunc(rows, func(r Row) bool { return !r.Head || r.TLS })
	}
	return rows
}

// A meter keeps the processor time of a server at each mark.
type meter []time.Duration

func (m *meter) mark(s *process.Server) error {
	d, err := s.CPU()
	*m = append(*m, d)
	return err
}

// used returns what was used from the first mark to the i-th after it.
func (m meter) used(i int) time.Duration { return m[i] - m[0] }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// bytes returns a size such as "16 KiB".
func bytes(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d B", n)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func target(s *process.Server, p peer.Peer) load.Target {
	return load.Target{Addr: s.Addr, Raw: p.Raw, Fragments: p.Cuts}
}
