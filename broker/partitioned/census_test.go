package partitioned

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// rewind has the log go back to where one node, which is slow, has read to. The other one has seen 10 publications
// more, of which that knows nothing.
func rewind(t *testing.T, log *tape, slow, other *Broker) (known hub.Position, s *sink) {
	t.Helper()
	<-time.After(time.Second) // they have said that they are there
	s, _ = subscribe(t, other, "news")
	known = publish(t, slow, "news", "known").Position
	synctest.Wait()
	copied := log.length()
	log.change(func() { log.slow[slow.node] = true })
	for i := range 10 {
		publish(t, other, "news", fmt.Sprint("lost ", i))
	}
	synctest.Wait()
	if got := s.all(); len(got) != 11 {
		t.Fatalf("%d publications are seen, want 11", len(got))
	}
	log.change(func() { log.down = errCut })
	synctest.Wait()
	log.restore(copied)
	log.change(func() { log.slow[slow.node] = false })
	return known, s
}

// A node that finds the log as it knew it may be the one that was behind: it goes on when those have
// looked who may have seen more.
func TestOlderCopy(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		known, s := rewind(t, log, here, there)
		log.change(func() { log.down, log.away[there.node] = nil, true })
		acked := make(chan hub.Published, 1)
		go func() { acked <- publish(t, here, "news", "new") }()
		<-time.After(patienceTime - 2*time.Second)
		select {
		case done := <-acked:
			t.Fatalf("acknowledged at %v before the other node was asked", done.Position)
		default:
		}
		log.change(func() { log.away[there.node] = false })
		done := <-acked
		if done.Epoch == known.Epoch {
			t.Errorf("the epoch is still %s though 10 publications are lost", known.Epoch)
		}
		synctest.Wait()
		if got := s.all(); len(got) != 12 || got[11].Position != done.Position {
			t.Errorf("the subscriber has %d publications, want 11 and the new one", len(got))
		}
	})
}

// Where the other one does not answer nobody knows, and the epoch changes.
func TestSilentNode(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		known, _ := rewind(t, log, here, there)
		log.change(func() { log.down, log.away[there.node] = nil, true })
		if done := publish(t, here, "news", "new"); done.Epoch == known.Epoch {
			t.Errorf("the epoch is still %s though a node was not asked", known.Epoch)
		}
	})
}

// A node that has said goodbye, or nothing for long, is not waited for.
func TestGoneNode(t *testing.T) {
	for _, kind := range []string{"goodbye", "silent"} {
		bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
			known := publish(t, there, "news", "known").Position
			if kind == "goodbye" {
				there.Close()
			} else {
				log.change(func() { log.away[there.node] = true })
			}
			for i := range 5 {
				publish(t, here, "news", fmt.Sprint(kind, i))
				<-time.After(leaseTime / 4)
			}
			log.change(func() { log.down = errCut })
			synctest.Wait()
			log.change(func() { log.down = nil })
			if done := publish(t, here, "news", "after"); done.Epoch != known.Epoch {
				t.Errorf("%s: the epoch has changed though nobody is missing", kind)
			}
		})
	}
}

// A log that was away and has lost nothing goes on in its epoch, at once; and who begins beside nodes that were
// there all the time waits for none that is dead.
func TestWhole(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		known := publish(t, there, "news", "known").Position
		log.change(func() { log.down = errCut })
		synctest.Wait()
		log.change(func() { log.down = nil })
		began := time.Now()
		if done := publish(t, here, "news", "after"); done.Epoch != known.Epoch || time.Since(began) > askTime {
			t.Errorf("published in epoch %s after %v, want %s within %v", done.Epoch, time.Since(began), known.Epoch, askTime)
		}
		<-time.After(wordTime)
		publish(t, there, "news", "heard of")
		<-time.After(wordTime) // it says that it is there
		log.change(func() { log.away[there.node] = true })
		began = time.Now()
		late := openQuiet(t, log)
		defer late.Close()
		if done := publish(t, late, "news", "late"); done.Epoch != known.Epoch || time.Since(began) > askTime {
			t.Errorf("published in epoch %s after %v, want %s within %v", done.Epoch, time.Since(began), known.Epoch, askTime)
		}
	})
}

func FuzzWord(f *testing.F) {
	f.Add((&word{node: "n", number: 1, epoch: "e", asks: 2, to: "m", about: 3, steady: 4, bye: true}).record())
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) == 0 {
			return
		}
		if w, err := parseWord(value); err == nil {
			if again, err := parseWord(w.record()); err != nil || again != w {
				t.Errorf("%+v comes back as %+v, %v", w, again, err)
			}
		}
	})
}
