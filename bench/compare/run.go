//go:build linux

package compare

import (
	"fmt"
	"math/rand/v2"

	"github.com/seed-15847954/ropewalk/bench/peer"
	"github.com/seed-15847954/ropewalk/bench/process"
)

// A Run is rows that are measured of peers in several rounds.
type Run struct {
	Rows       []Row
	Peers      []peer.Peer // those that are built
	Rounds     int
	Random     *rand.Rand         // decides the order of the peers
	Processors process.Processors // of the servers; nil means any

	// Cert is a file with a certificate and its key, for the rows with TLS.
	Cert string

	// Progress is called before each row of a round.
	Progress func(round int, row string)
}

// Results has the samples of each row and peer, one a round; nil where there is
// none.
type Results struct {
	Rows     []Row
	Peers    []peer.Peer
	samples  map[string][][]Sample // by the row's name; [peer][round]
	Failures []string
}

// Do measures. Within a round every row is measured of all peers, each with a
// process of its own, in an order that chance decides, before the next row.
func (r Run) Do() Results {
	results := Results{Rows: r.Rows, Peers: r.Peers, samples: make(map[string][][]Sample)}
	for round := range r.Rounds {
		for _, row := range r.Rows {
			if round > 0 && row.Once {
				continue
			}
			r.Progress(round, row.Name)
			samples := results.samples[row.Name]
			if samples == nil {
				samples = make([][]Sample, len(r.Peers))
				results.samples[row.Name] = samples
			}
			for _, i := range r.Random.Perm(len(r.Peers)) {
				if !row.Can(r.Peers[i]) {
					continue
				}
				sample, err := r.one(row, r.Peers[i])
				if err != nil {
					results.Failures = append(results.Failures,
						fmt.Sprintf("%s: %s, round %d: %v", row.Name, r.Peers[i].Name, round+1, err))
				}
				samples[i] = append(samples[i], sample)
			}
		}
	}
	return results
}

// one measures a row of a peer.
func (r Run) one(row Row, p peer.Peer) (Sample, error) {
	args := row.args
	if row.Deflate != "" {
		args = append(args, "-deflate", string(row.Deflate))
	}
	if row.TLS {
		args = append(args, "-cert", r.Cert)
	}
	s, err := process.Start(r.Processors, p.Path, p.Args(args...)...)
	if err != nil {
		return nil, err
	}
	sample, err := row.measure(s, p)
	if err := s.Explain(err); err != nil {
		_ = s.Stop() // the error that counts is err
		return nil, err
	}
	return sample, s.Stop()
}
