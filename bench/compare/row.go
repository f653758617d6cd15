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
	CPU     Metric = "server CPU, µs a message"
	Rate    Metric = "messages a second"
	Median  Metric = "latency, median, µs"
	P99     Metric = "latency, 99th percentile, µs"
	Deliver Metric = "server CPU, µs a delivery"
	Opening Metric = "server CPU, µs a handshake"
	Opened  Metric = "resident bytes a connection, after the handshake"
	Used    Metric = "resident bytes a connection, after a message"
)

// A Sample is what one measurement found.
type Sample map[Metric]float64

// A Row is one thing to measure of every server.
type Row struct {
	Name    string
	Metrics []Metric
	Raw     bool           // also of servers that speak bytes, not WebSocket
	Deflate server.Deflate // what the server must be capable of; empty means NoDeflate
	TLS     bool
	Head    bool // in the first table, with its first metric

	args    []string
	measure func(s *process.Server, p peer.Peer) (Sample, error)
}

// Can tells whether the row can be measured of p.
func (r Row) Can(p peer.Peer) bool {
	return (r.Raw || !p.Raw) && (!r.TLS || p.TLS) && (r.Deflate == "" || slices.Contains(p.Deflate, r.Deflate))
}

// Scale says how much of everything there is.
type Scale struct {
	Time    time.Duration // of one measurement
	Long    time.Duration // of one in the first table
	Many    int           // connections of a broadcast and of idle memory
	Fewer   int           // connections of the smaller broadcast
	Storm   int           // handshakes of one measurement
	Quick   bool          // rows of the first table alone
	Tiny    bool          // for tests
	Memory  int           // connections for the memory of permessage-deflate
	TLSMany int           // connections of idle memory with TLS
}

// Rows returns everything that is measured, in the order of the tables.
func Rows(s Scale) []Row {
	return echoes(s)
}

const maxUnderWay = 256 << 20

func echoes(s Scale) []Row {
	var rows []Row
	for _, size := range []int{16, 125, 1 << 10, 16 << 10, 1 << 20} {
		for _, connections := range []int{1, 100, 1000} {
			for _, inFlight := range []int{1, 16} {
				head := size == 125 && connections == 100
				if size*connections*inFlight > maxUnderWay || s.Quick && !head {
					continue
				}
				rows = append(rows, echo(s, size, connections, inFlight, head))
			}
		}
	}
	return rows
}

func echo(s Scale, size, connections, inFlight int, head bool) Row {
	d := s.Time
	if head {
		d = s.Long
	}
	return Row{
		Name:    fmt.Sprintf("echo %s, %s, %d in flight", bytes(size), count(connections, "connection"), inFlight),
		Metrics: []Metric{CPU, Rate, Median, P99},
		Raw:     true,
		Head:    head,
		measure: func(srv *process.Server, p peer.Peer) (Sample, error) {
			var cpu meter
			result, err := load.Echo{
				Target:      load.Target{Addr: srv.Addr, Raw: p.Raw},
				Stream:      load.Messages(size, p.Raw),
				Connections: connections,
				InFlight:    inFlight,
				Warm:        d / 4,
				Time:        d,
				Mark:        func() error { return cpu.mark(srv) },
			}.Run()
			if err != nil {
				return nil, err
			}
			n := float64(result.Messages)
			return Sample{
				CPU:    microseconds(cpu.used()) / n,
				Rate:   n / result.Time.Seconds(),
				Median: microseconds(result.Latencies.Quantile(0.5)),
				P99:    microseconds(result.Latencies.Quantile(0.99)),
			}, nil
		},
	}
}

// A meter keeps the processor time of a server at each mark.
type meter []time.Duration

func (m *meter) mark(s *process.Server) error {
	d, err := s.CPU()
	*m = append(*m, d)
	return err
}

func (m meter) used() time.Duration { return m[len(m)-1] - m[0] }

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
