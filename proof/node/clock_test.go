//go:build interop

package node_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/proof/node"
)

// A stepped program has the time that it is told to have, and goes on from there.
func TestStep(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ropewalk")
	if err := node.BuildStepped(t.Context(), program); err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	const ahead = 400 * 24 * time.Hour
	if err := n.Step(ahead); err != nil {
		t.Fatal(err)
	}
	if err := n.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// It prints when it listens.
	if day := "time=" + time.Now().Add(ahead).UTC().Format("2006-01-"); !strings.Contains(n.Output(), day) {
		t.Errorf("it has printed\n%s\nwant something of %s", n.Output(), day)
	}
}
