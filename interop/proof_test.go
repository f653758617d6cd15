//go:build interop

package interop

import (
	"os"
	"testing"

	"github.com/seed-15847954/ropewalk/proof"
)

// The server keeps its promises under each fault: 3 runs each, smaller ones than `make proof` has.
func TestProof(t *testing.T) {
	const seed, runs = 1, 3
	for _, f := range proof.Faults() {
		t.Run(f.Name, func(t *testing.T) {
			for i := range runs {
				r, err := proof.Run(t.Context(), proof.Program(ropewalk), f, proof.Config{
					Seed: seed + uint64(i), Clients: 100, Channels: 10, Messages: 1000,
				})
				if err != nil {
					t.Fatal(err)
				}
				if r.OK() {
					continue
				}
				kept, err := r.Keep(os.TempDir()) // behind the end of the test
				t.Errorf("%v\nhistory kept in %s, %v", r, kept, err)
			}
		})
	}
}
