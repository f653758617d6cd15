package partitioned

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A tape is a log in memory that several nodes share.
type tape struct {
	mu      sync.Mutex
	lives   []string
	records [][]Record
	first   []uint64
	changed chan struct{}
	down    error                     // nobody reads or writes
	fate    func() (taken, said bool) // of an Append; nil: both
}

func newTape(partitions int) *tape {
	t := &tape{changed: make(chan struct{}), lives: make([]string, partitions), records: make([][]Record, partitions), first: make([]uint64, partitions)}
	for i := range t.lives {
		t.lives[i] = "first life"
	}
	return t
}

func (t *tape) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *tape) Partitions() int { return len(t.records) }

var errCut = errors.New("the log is cut off")

func (t *tape) Append(_ context.Context, partition int, key string, value []byte) (err error) {
	t.change(func() {
		taken, said := true, true
		if t.fate != nil {
			taken, said = t.fate()
		}
		if t.down != nil {
			taken, said = false, true
			err = t.down
		}
		if taken {
			// Offsets are not dense.
			offset := t.first[partition]
			if n := len(t.records[partition]); n > 0 {
				offset = t.records[partition][n-1].Offset + 1 + uint64(rand.IntN(2))
			}
			t.records[partition] = append(t.records[partition], Record{offset, time.Now(), key, value})
		}
		if !said {
			err = fmt.Errorf("%w: no answer", hub.ErrIndeterminate)
		} else if !taken && err == nil {
			err = errCut
		}
	})
	return err
}

// wipe begins another life of all partitions, which have lost what was behind keep records.
func (t *tape) wipe(keep int) {
	t.change(func() {
		for i := range t.records {
			t.lives[i] += " and another"
			t.records[i] = t.records[i][:min(keep, len(t.records[i]))]
		}
	})
}

func (t *tape) End(_ context.Context, partition int) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down != nil {
		return 0, t.down
	}
	records := t.records[partition]
	if len(records) == 0 {
		return t.first[partition], nil
	}
	return records[len(records)-1].Offset + 1, nil
}

func (t *tape) Read(ctx context.Context, partition int, since time.Time, r Reader) error {
	life, next := "", uint64(0)
	for {
		t.mu.Lock()
		changed, down := t.changed, t.down
		var records []Record
		begins := t.lives[partition] != life
		if begins {
			life, next = t.lives[partition], t.first[partition]
			for _, record := range t.records[partition] {
				if record.Time.Before(since) {
					next = record.Offset + 1
				}
			}
		}
		for _, record := range t.records[partition] {
			if record.Offset >= next && !record.Time.Before(since) {
				records = append(records, record)
			}
		}
		t.mu.Unlock()
		r.Connected(down)
		if down == nil {
			if begins {
				if len(records) > 0 {
					next = records[0].Offset
				}
				r.Begin(life, next, next == 0)
			}
			for _, record := range records {
				r.Record(record)
				next = record.Offset + 1
			}
		} else if begins {
			life = "" // not begun
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
