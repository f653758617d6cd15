//go:build !linux

package frame

import "testing"

// guarded returns as much memory as one page, without guards.
func guarded(testing.TB) []byte { return make([]byte, 4096) }
