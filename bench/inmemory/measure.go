package inmemory

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/seed-15847954/ropewalk/bench/library"
	"github.com/seed-15847954/ropewalk/bench/memory"
)

// A Sample is what one message took, on the average of one measurement.
type Sample struct {
	Nanoseconds float64
	Bytes       float64 // allocated
	Allocations float64
	Calls       float64 // of the connection's Read or Write
}

// Measure runs the case with lib once, for about as long as the flag
// test.benchtime says. testing.Init must have been called.
func (c Case) Measure(lib library.Library) (Sample, error) {
	measure := c.writes
	if c.Operation == Read {
		measure = c.reads
	}
	var err error
	calls := 0
	result := testing.Benchmark(func(b *testing.B) {
		if calls, err = measure(b, lib); err != nil {
			b.SkipNow() // the error is returned below
		}
	})
	if err == nil && result.N == 0 {
		err = fmt.Errorf("nothing was measured")
	}
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %s: %w", lib.Name, c, err)
	}
	n := float64(result.N)
	return Sample{
		Nanoseconds: float64(result.T.Nanoseconds()) / n,
		Bytes:       float64(result.MemBytes) / n,
		Allocations: float64(result.MemAllocs) / n,
		Calls:       float64(calls) / n,
	}, nil
}

func (c Case) reads(b *testing.B, lib library.Library) (calls int, err error) {
	stream, _ := c.messages()
	transport := memory.NewConn(&memory.Replay{Stream: stream}, io.Discard)
	conn, err := lib.Open(transport, c.Role)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	wrong := false
	err = conn.Each(func(p []byte) bool {
		wrong = wrong || len(p) != c.Size
		return b.Loop()
	})
	if wrong {
		return 0, fmt.Errorf("a message was not of %d bytes", c.Size)
	}
	return transport.Reads, err
}

func (c Case) writes(b *testing.B, lib library.Library) (calls int, err error) {
	_, payloads := c.messages()
	transport := memory.NewConn(&memory.Replay{}, io.Discard)
	conn, err := lib.Open(transport, c.Role)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for i := 0; b.Loop(); i++ {
		if err := conn.Write(payloads[i%len(payloads)]); err != nil {
			return 0, err
		}
	}
	return transport.Writes, nil
}

// Results has the samples of each case and library, one a round, in the order of
// Cases and of the libraries given to Run.
type Results struct {
	Libraries []library.Library
	Cases     []Case
	samples   map[string][][]Sample // by the case's name; [library][round]
}

// Run measures all cases in rounds. In each round the libraries take turns case
// by case, in an order that random decides, so that a change of the machine's
// speed meets all of them. It calls progress before each round.
func Run(libs []library.Library, rounds int, random *rand.Rand, progress func(round int)) (Results, error) {
	r := Results{Libraries: libs, Cases: Cases(), samples: make(map[string][][]Sample)}
	for _, c := range r.Cases {
		r.samples[c.String()] = make([][]Sample, len(libs))
		for _, lib := range libs {
			if err := c.Verify(lib); err != nil {
				return r, err
			}
		}
	}
	for round := range rounds {
		progress(round)
		for _, i := range random.Perm(len(r.Cases)) {
			c := r.Cases[i]
			samples := r.samples[c.String()]
			for _, l := range random.Perm(len(libs)) {
				s, err := c.Measure(libs[l])
				if err != nil {
					return r, err
				}
				samples[l] = append(samples[l], s)
			}
		}
	}
	return r, nil
}
