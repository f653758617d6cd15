//go:build linux

package compare

import (
	"fmt"
	"time"

	"github.com/seed-15847954/ropewalk/bench/load"
	"github.com/seed-15847954/ropewalk/bench/peer"
	"github.com/seed-15847954/ropewalk/bench/process"
	"github.com/seed-15847954/ropewalk/bench/server"
)

// maxUnderWay is how many bytes may be under way at once. Rows with more would
// measure the machine's memory.
const maxUnderWay = 256 << 20

// The echo of the first table.
const (
	headSize        = 125
	headConnections = 100
)

func echoes(s Scale) []Row {
	var rows []Row
	for _, size := range s.Sizes {
		for _, connections := range s.Connections {
			for _, inFlight := range []int{1, load.MaxInFlight} {
				if size*connections*inFlight <= maxUnderWay {
					rows = append(rows, echo(s, size, connections, inFlight))
				}
			}
		}
	}
	return rows
}

func echo(s Scale, size, connections, inFlight int) Row {
	row := Row{
		Name:    fmt.Sprintf("echo %s, %s, %d in flight", bytes(size), count(connections, "connection"), inFlight),
		Metrics: []Metric{CPU, Rate, Median, P99},
		Raw:     true,
		Head:    size == headSize && connections == headConnections,
	}
	d := s.duration(row)
	row.measure = func(srv *process.Server, p peer.Peer) (Sample, error) {
		_, sample, err := measureEcho(srv, load.Echo{
			Target:      target(srv, p),
			Stream:      load.Messages(size, p.Raw),
			Connections: connections,
			InFlight:    inFlight,
			Warm:        d / 4,
			Time:        d,
		})
		return sample, err
	}
	return row
}

func (s Scale) duration(r Row) time.Duration {
	if r.Head {
		return s.Long
	}
	return s.Time
}

func measureEcho(s *process.Server, e load.Echo) (load.Result, Sample, error) {
	var cpu meter
	e.Mark = func() error { return cpu.mark(s) }
	result, err := e.Run()
	if err != nil {
		return result, nil, err
	}
	return result, sample(result, cpu), nil
}

func sample(r load.Result, cpu meter) Sample {
	n := float64(r.Messages)
	return Sample{
		CPU:    microseconds(cpu.used(1)) / n,
		Rate:   n / r.Time.Seconds(),
		Median: microseconds(r.Latencies.Quantile(0.5)),
		P99:    microseconds(r.Latencies.Quantile(0.99)),
	}
}

func broadcasts(s Scale) []Row {
	var rows []Row
	for _, connections := range []int{s.Some, s.Many} {
		for _, inFlight := range []int{1, 8} {
			rows = append(rows, broadcast(s, connections, inFlight))
		}
	}
	return rows
}

func broadcast(s Scale, connections, inFlight int) Row {
	const size = 128
	row := Row{
		Name:    fmt.Sprintf("broadcast %s to %d, %d in flight (each delivery)", bytes(size), connections, inFlight),
		Metrics: []Metric{CPU, Rate, Median, P99},
		Raw:     true,
		Head:    connections == s.Many,
		args:    []string{"-mode", "broadcast"},
	}
	d := s.duration(row)
	row.measure = func(srv *process.Server, p peer.Peer) (Sample, error) {
		var cpu meter
		result, err := load.Broadcast{
			Target:      target(srv, p),
			Stream:      load.Messages(size, p.Raw),
			Connections: connections,
			InFlight:    inFlight,
			Joined:      srv.Settle,
			Warm:        d / 4,
			Time:        d,
			Mark:        func() error { return cpu.mark(srv) },
		}.Run()
		if err != nil {
			return nil, err
		}
		return sample(result, cpu), nil
	}
	return row
}

func storm(s Scale) Row {
	return Row{
		Name:    "connect and opening handshake",
		Metrics: []Metric{CPU, Closing},
		Raw:     true,
		Head:    true,
		measure: func(srv *process.Server, p peer.Peer) (Sample, error) {
			var cpu meter
			err := load.Storm{
				Target: target(srv, p),
				Count:  s.Storm,
				Mark: func() error {
					if err := srv.Settle(); err != nil {
						return err
					}
					return cpu.mark(srv)
				},
			}.Run()
			if err != nil {
				return nil, err
			}
			n := float64(s.Storm)
			return Sample{CPU: microseconds(cpu.used(1)) / n, Closing: microseconds(cpu.used(2)) / n}, nil
		},
	}
}

func deflates(s Scale) []Row {
	return []Row{
		deflate(s, 1<<10, server.NoTakeover, true),
		deflate(s, 1<<10, server.Takeover, true),
		deflate(s, 110, server.Takeover, false),
		idleDeflate(s, server.NoTakeover),
		idleDeflate(s, server.Takeover),
	}
}

func deflate(s Scale, size int, mode server.Deflate, head bool) Row {
	row := Row{
		Name: fmt.Sprintf("deflate, %s, echo %s of JSON, %s, 1 in flight",
			takeover(mode), bytes(size), count(headConnections, "connection")),
		Metrics: []Metric{CPU, Rate, Median, P99, Share},
		Deflate: mode,
		Head:    head,
	}
	d := s.duration(row)
	row.measure = func(srv *process.Server, _ peer.Peer) (Sample, error) {
		result, sample, err := measureEcho(srv, load.Echo{
			Target:      load.Target{Addr: srv.Addr, Extensions: offer(mode)},
			Stream:      load.Documents(size),
			Connections: headConnections,
			InFlight:    1,
			Warm:        d / 4,
			Time:        d,
		})
		if err == nil {
			sample[Share] = 100 * float64(result.Bytes) / float64(result.Messages*size)
		}
		return sample, err
	}
	return row
}

func offer(mode server.Deflate) string {
	if mode == server.Takeover {
		return load.OfferTakeover
	}
	return load.OfferNoTakeover
}

func takeover(mode server.Deflate) string {
	if mode == server.Takeover {
		return "takeover"
	}
	return "no takeover"
}
