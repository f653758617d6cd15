//go:build interop

package brokers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/proof/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// heavy kinds take many seconds to start, or are much like others: here they are put to little, and to
// all by `make proof`.
var heavy = map[string]string{
	"kafka": "^(node|broker) kill$", "rabbitmq": "^(node kill|broker kill|packets dropped)$", "valkey": "^(node|broker) kill$",
	"kafka-3": "^server kill$", "rabbitmq-3": "^server kill$",
	"redis-cluster": "^(promotion|sleeping master)$", "redis-sentinel": "^promotion$",
}

// Clusters keep their promises on each broker under each fault: 2 runs each, smaller ones than
// `make proof` has.
func TestProof(t *testing.T) {
	const seed = 1
	program := filepath.Join(t.TempDir(), "ropewalk")
	if err := node.BuildStepped(t.Context(), program); err != nil {
		t.Fatal(err)
	}
	noNetwork := proof.NetworkAllowed()
	for _, kind := range Kinds() {
		start, faults, err := Clusters(kind, program)
		if err != nil {
			t.Fatal(err)
		}
		runs, some := 2, regexp.MustCompile(heavy[kind])
		if heavy[kind] != "" {
			runs = 1
		}
		for _, f := range faults {
			if !some.MatchString(f.Name) {
				continue
			}
			for i := range runs {
				t.Run(fmt.Sprintf("%s/%s/%d", kind, f.Name, seed+i), func(t *testing.T) {
					if f.Name == proof.DiskFull && os.Geteuid() != 0 {
						t.Skip("a disk of its own for the broker takes root")
					}
					if f.Settings.Hosts && noNetwork != nil {
						t.Skip("a network of its own for the nodes takes root:", noNetwork)
					}
					t.Parallel() // most of the time is waiting
					runOne(t, start, f, seed+uint64(i))
				})
			}
		}
	}
}

func runOne(t *testing.T, start proof.Starter, f *proof.Fault, seed uint64) {
	r, err := proof.Run(t.Context(), start, f, proof.Config{Seed: seed, Clients: 50, Channels: 10, Messages: 500})
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() {
		return
	}
	kept, err := r.Keep(os.TempDir()) // behind the end of the test
	t.Errorf("%v\nhistory kept in %s, %v", r, kept, err)
}
