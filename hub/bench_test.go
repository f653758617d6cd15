package hub_test

import (
	"fmt"
	"testing"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A nobody is a subscriber that does nothing. It has a size, so that two are not the same.
type nobody struct{ _ byte }

func (*nobody) Deliver(*hub.Publication)   {}
func (*nobody) Change(*hub.PresenceChange) {}
func (*nobody) Lost(error)                 {}

func crowd(b *testing.B, h *hub.Hub, n int) {
	for range n {
		if _, err := h.Subscribe(b.Context(), "news", new(nobody)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSubscribe measures one subscriber that joins and leaves beside others,
// which it costs the same however many they are.
func BenchmarkSubscribe(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint("beside ", n), func(b *testing.B) {
			h := hub.New(memory.New(memory.Config{}), hub.Config{})
			crowd(b, h, n)
			subs := make([]nobody, 1024)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s := &subs[i%len(subs)]
				i++
				if _, err := h.Subscribe(b.Context(), "news", s); err != nil {
					b.Fatal(err)
				}
				if err := h.Unsubscribe(b.Context(), "news", s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBroadcast measures one publication, and reports its cost for each subscriber.
func BenchmarkBroadcast(b *testing.B) {
	for _, c := range []struct {
		name    string
		options hub.Options
	}{{"", hub.Options{}}, {" with history", keeping.Default}} {
		for _, n := range []int{1, 1000, 10_000} {
			b.Run(fmt.Sprint("to ", n, c.name), func(b *testing.B) {
				h := hub.New(memory.New(memory.Config{}), hub.Config{Default: c.options})
				crowd(b, h, n)
				m := hub.Message{Channel: "news", Data: []byte("1")}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := h.Publish(b.Context(), m, nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/subscriber")
			})
		}
	}
}

// BenchmarkRecover measures a recovery of 20 publications from the node's tail.
func BenchmarkRecover(b *testing.B) {
	h := hub.New(memory.New(memory.Config{}), keeping)
	crowd(b, h, 1)
	var at []hub.Position
	for range 50 {
		done, err := h.Publish(b.Context(), hub.Message{Channel: "news", Data: []byte("1")}, nil)
		if err != nil {
			b.Fatal(err)
		}
		at = append(at, done.Position)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Recover(b.Context(), "news", at[29], at[49], 100); err != nil {
			b.Skip(err)
		}
	}
}
