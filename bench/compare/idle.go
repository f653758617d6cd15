//go:build linux

package compare

import (
	"fmt"

	"github.com/seed-15847954/ropewalk/bench/load"
	"github.com/seed-15847954/ropewalk/bench/peer"
	"github.com/seed-15847954/ropewalk/bench/process"
	"github.com/seed-15847954/ropewalk/bench/server"
)

func idles(s Scale) []Row {
	plain := Row{
		Name:    fmt.Sprintf("idle, %s", count(s.Many, "connection")),
		Metrics: []Metric{Used, Opened},
		Raw:     true,
		Head:    true,
	}
	plain.measure = func(srv *process.Server, p peer.Peer) (Sample, error) {
		return resident(srv, p, s.Many, load.Idle{
			Target:      target(srv, p),
			Stream:      load.Messages(headSize, p.Raw),
			Connections: s.Many,
			Messages:    1,
		})
	}
	secure := plain
	secure.TLS, secure.Once = true, true
	secure.Name += ", TLS"
	secure.measure = func(srv *process.Server, p peer.Peer) (Sample, error) {
		var m memory
		err := load.Secure{
			Target:      target(srv, p),
			Stream:      load.Messages(headSize, p.Raw),
			Connections: s.Many,
			Mark:        func() error { return m.mark(srv, p) },
		}.Run()
		return m.sample(s.Many), err
	}
	return []Row{plain, secure}
}

// idleDeflate measures what permessage-deflate leaves behind when every
// connection has had enough messages to fill its histories.
func idleDeflate(s Scale, mode server.Deflate) Row {
	return Row{
		Name:    fmt.Sprintf("deflate, %s, idle after 40 messages of 1 KiB, %s", takeover(mode), count(s.Some, "connection")),
		Metrics: []Metric{Used, Opened},
		Deflate: mode,
		Head:    true,
		measure: func(srv *process.Server, p peer.Peer) (Sample, error) {
			return resident(srv, p, s.Some, load.Idle{
				Target:      load.Target{Addr: srv.Addr, Extensions: offer(mode)},
				Stream:      load.Documents(1 << 10),
				Connections: s.Some,
				Messages:    40,
			})
		},
	}
}

func resident(srv *process.Server, p peer.Peer, connections int, d load.Idle) (Sample, error) {
	var m memory
	d.Mark = func() error { return m.mark(srv, p) }
	err := d.Run()
	return m.sample(connections), err
}

// memory keeps the resident bytes of a server at each mark: before connections,
// with them, and after their messages.
type memory []int64

// mark has a server written in Go collect its garbage first.
func (m *memory) mark(s *process.Server, p peer.Peer) error {
	if err := s.Settle(); err != nil {
		return err
	}
	if !p.Foreign {
		if err := s.Tidy(); err != nil {
			return err
		}
	}
	n, err := s.Resident()
	*m = append(*m, n)
	return err
}

func (m memory) sample(connections int) Sample {
	if len(m) < 3 {
		return nil
	}
	n := float64(connections)
	return Sample{Opened: float64(m[1]-m[0]) / n, Used: float64(m[2]-m[0]) / n}
}
