package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// nearby is a fake broker in the memory of this process.
type nearby struct{ *fake }

func (nearby) Near() {}

// A history that is near is read as often as somebody asks, at once, and nothing of it is
// kept a second time.
func TestNearHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := hub.New(nearby{f}, keeping)
		subscribe(t, h, "news", new(recorder))
		at := fill(t, h, f, "news", 9)
		begin := time.Now()
		for i := range 3 {
			ps, err := h.Recover(t.Context(), "news", at[5], at[9], 100)
			if got := texts(ps); err != nil || got != "6 7 8 9" {
				t.Errorf("Recover = %q, %v, want 6 to 9", got, err)
			}
			if n := f.readCount(); n != i+1 {
				t.Errorf("after recovery %d the broker was read %d times", i+1, n)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("three recoveries took %v, want no wait", took)
		}
		if n := h.Stats().TailBytes; n != 0 {
			t.Errorf("%d bytes are kept, want 0", n)
		}
	})
}
