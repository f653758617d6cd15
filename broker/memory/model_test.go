package memory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A model is one channel in the plainest way: it forgets nothing.
type model struct {
	all []*hub.Publication
	ids map[string]*hub.Publication
}

// history is what a channel of these options keeps.
func (m *model) history(o *hub.Options) (log []hub.Position) {
	for _, p := range m.all[max(0, len(m.all)-o.History):] {
		if time.Since(p.Time) < o.HistoryTime {
			log = append(log, p.Position)
		}
	}
	return log
}

// Random calls are answered as the model answers them.
func TestModel(t *testing.T) {
	first := uint64(time.Now().UnixNano())
	for seed := first; seed < first+50; seed++ {
		synctest.Test(t, func(t *testing.T) {
			compare(t, rand.New(rand.NewPCG(seed, 0)))
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

func compare(t *testing.T, random *rand.Rand) {
	b, models := New(Config{}), map[string]*model{}
	o := &hub.Options{History: 5, HistoryTime: 20 * time.Second, Dedup: 7 * time.Second}
	for range 300 {
		channel := fmt.Sprint(random.IntN(3))
		m := models[channel]
		if m == nil {
			m = &model{ids: map[string]*hub.Publication{}}
			models[channel] = m
		}
		switch random.IntN(4) {
		case 0:
			<-time.After(time.Duration(random.IntN(5000)) * time.Millisecond)
		case 1:
			want := m.history(o)
			q := hub.Query{Limit: 1 + random.IntN(6), Reverse: random.IntN(2) == 0}
			page, _ := b.History(t.Context(), channel, q)
			if q.Reverse {
				slices.Reverse(want)
			}
			more := len(want) > q.Limit
			want = want[:min(q.Limit, len(want))]
			got := []hub.Position(nil)
			for _, p := range page.Publications {
				got = append(got, p.Position)
			}
			if !slices.Equal(got, want) || page.More != more {
				t.Fatalf("History(%+v) = %v, more %v, want %v, more %v", q, got, page.More, want, more)
			}
		default:
			m.publish(t, b, random, hub.Message{Channel: channel, ID: fmt.Sprint(random.IntN(6))}, o)
		}
	}
}

func (m *model) publish(t *testing.T, b *Broker, random *rand.Rand, message hub.Message, o *hub.Options) {
	page, _ := b.History(t.Context(), message.Channel, hub.Query{Limit: 1})
	expect, wrong := page.Top, random.IntN(4) == 0
	if wrong {
		expect.Offset++
	}
	done, err := b.Publish(t.Context(), message, hub.PublishOptions{Options: o, Expect: &expect})
	known := m.ids[message.ID]
	switch {
	case known != nil && time.Since(known.Time) < o.Dedup:
		if err != nil || !done.Duplicate || done.Position != known.Position {
			t.Fatalf("Publish = %+v, %v, want a duplicate of %v", done, err, known.Position)
		}
	case wrong:
		if !errors.Is(err, hub.ErrConflict) {
			t.Fatalf("Publish = %+v, %v, want ErrConflict", done, err)
		}
	case err != nil || done.Duplicate || done.Offset <= page.Top.Offset:
		t.Fatalf("Publish = %+v, %v, behind %v", done, err, page.Top)
	default:
		p := &hub.Publication{Message: message, Position: done.Position, Time: time.Now()}
		m.all = append(m.all, p)
		m.ids[message.ID] = p
	}
}
