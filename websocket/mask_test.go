package websocket_test

import (
	"bytes"
	"context"
	"math/bits"
	"testing"
	"testing/synctest"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// maskKeys returns the masks of n frames that a client sends.
func maskKeys(t *testing.T, n int) []uint32 {
	t.Helper()
	conn, peer := wstest.NewPeer(websocket.Client, websocket.Params{})
	defer conn.CloseNow()
	defer peer.Stream().Close()
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = conn.Write(context.Background(), websocket.Binary, nil)
		}
		done <- err
	}()
	keys := make([]uint32, n)
	for i := range keys {
		h, _, err := peer.Receive()
		if err != nil || !h.Masked {
			t.Fatalf("Receive() = %+v, %v, want a masked frame", h, err)
		}
		keys[i] = h.Key
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return keys
}

// repeats counts the values that were there before.
func repeats(values []uint32) (n int) {
	seen := make(map[uint32]bool, len(values))
	for _, v := range values {
		if seen[v] {
			n++
		}
		seen[v] = true
	}
	return n
}

// 5.3: masks are unpredictable. Of 100,000 random ones about one repeats an earlier
// one; 20 would by chance happen less than once in 10^15 runs.
//
// Checks 6455-82, 6455-83.
func TestMaskKeysAreRandom(t *testing.T) {
	const n = 100_000
	keys := maskKeys(t, n)
	steps, changes := make([]uint32, n-1), make([]uint32, n-1)
	for i := range steps {
		steps[i] = keys[i+1] - keys[i]
		changes[i] = keys[i+1] ^ keys[i]
	}
	for name, values := range map[string][]uint32{"keys": keys, "steps": steps, "changes": changes} {
		if got := repeats(values); got >= 20 {
			t.Errorf("%s of %d frames: %d repeat, want about 1", name, n, got)
		}
		checkBits(t, name, values)
	}
	// Another connection has other keys, in the same place and elsewhere.
	other := maskKeys(t, n)
	if got := repeats(append(other, keys...)); got >= 30 {
		t.Errorf("keys of two connections: %d repeat, want about 5", got)
	}
}

// checkBits wants each bit set in half of the values. A deviation of 1,200 in
// 100,000 is more than seven standard deviations.
func checkBits(t *testing.T, name string, values []uint32) {
	t.Helper()
	var set [32]int
	zeros := 0
	for _, v := range values {
		if v == 0 {
			zeros++
		}
		for b := v; b != 0; b &= b - 1 {
			set[bits.TrailingZeros32(b)]++
		}
	}
	if zeros > 3 {
		t.Errorf("%s: %d of %d are zero", name, zeros, len(values))
	}
	for i, got := range set {
		if half := len(values) / 2; got < half-1200 || got > half+1200 {
			t.Errorf("%s: bit %d is set in %d of %d, want about half", name, i, got, len(values))
		}
	}
}

// 10.3: once a frame has begun to go out, the application cannot change what is in
// it, neither while Write waits for the transport nor after.
//
// Checks 6455-85.
// Security 9.
func TestMaskedPayloadIsFixed(t *testing.T) {
	for _, role := range []websocket.Role{websocket.Client, websocket.Server} {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := wstest.NewPeer(role, websocket.Params{})
			defer conn.CloseNow()
			defer peer.Stream().Close()
			p := bytes.Repeat([]byte("given"), 50_000) // more than the stream holds
			want := bytes.Clone(p)
			done := make(chan error, 1)
			go func() { done <- conn.Write(t.Context(), websocket.Binary, p) }()
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("Write = %v before the peer reads, want it to wait", err)
			default:
			}
			clear(p)
			_, got, err := peer.Receive()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v: Receive() = %.20q, %v, want what was given to Write", role, got, err)
			}
			if err := <-done; err != nil {
				t.Errorf("Write = %v", err)
			}
			if !bytes.Equal(p, make([]byte, len(p))) {
				t.Errorf("%v: Write has changed the caller's bytes", role)
			}
		})
	}
}
