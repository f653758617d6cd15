package wsh3_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails a run that leaves goroutines of the library or of QUIC behind.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if left := leftGoroutines(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines are left:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// checkLeaks has the test fail if goroutines outlive it. Tests that call it do not
// run in parallel with others.
func checkLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if left := leftGoroutines(); len(left) > 0 {
			t.Errorf("%d goroutines are left:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// leftGoroutines returns the stacks of goroutines other than the tests' own, once
// there are none or the time to end has passed.
func leftGoroutines() []string {
	deadline := time.Now().Add(15 * time.Second)
	for {
		left := libraryGoroutines()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		<-time.After(time.Millisecond)
	}
}

func libraryGoroutines() (found []string) {
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		test := strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "testing.(*M).Run") ||
			strings.Contains(stack, "testing.runFuzz") || strings.Contains(stack, "libraryGoroutines")
		library := strings.Contains(stack, "ropewalk/websocket") || strings.Contains(stack, "quic-go")
		if library && !test {
			found = append(found, stack)
		}
	}
	return found
}
