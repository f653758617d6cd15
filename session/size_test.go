package session

import (
	"runtime"
	"testing"

	"github.com/seed-15847954/ropewalk/hub"
)

// sink is a transport that forgets.
type sink struct{}

func (sink) Send(hub.Packet) bool { return true }
func (sink) Close(error)          {}
func (sink) Abort()               {}

// maxIdle bounds the bytes of an idle session with one subscription, and with what the
// hub has of that.
const maxIdle = 900

// An idle session is small.
func TestIdleSize(t *testing.T) {
	if got := idleSize(t, 10_000); got > maxIdle {
		t.Errorf("an idle session takes %d bytes, want at most %d", got, maxIdle)
	}
}

// BenchmarkIdle tells the bytes of an idle session with one subscription.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(float64(idleSize(b, 10_000)), "B/session")
	}
}

func idleSize(t testing.TB, n int) int {
	b := newBroker()
	h := hub.New(b, hub.Config{})
	sessions := make([]*Session, n)
	before := heap()
	for i := range sessions {
		sessions[i] = New(Config{Hub: h, Transport: sink{}, Codec: plain{}, Identity: NewIdentity("node-1")})
		if err := sessions[i].Subscribe(t.Context(), channel("news"), ack("news")); err != nil {
			t.Fatal(err)
		}
	}
	size := int(heap()-before) / n
	for _, s := range sessions {
		s.Close(ErrLeft)
	}
	for _, s := range sessions {
		<-s.Done()
	}
	return size
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
