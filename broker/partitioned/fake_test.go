package partitioned

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	away    map[string]bool           // nodes that do not reach it
	slow    map[string]bool           // nodes to which nothing comes
}

func newTape(partitions int) *tape {
	t := &tape{away: make(map[string]bool), slow: make(map[string]bool), changed: make(chan struct{}), lives: make([]string, partitions), records: make([][]Record, partitions), first: make([]uint64, partitions)}
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

// restore has all partitions be what they were when they had so many records, and nobody be told.
func (t *tape) restore(keep []int) {
	t.change(func() {
		for i := range t.records {
			t.records[i] = t.records[i][:keep[i]]
		}
	})
}

// length returns how many records the partitions have.
func (t *tape) length() (n []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, records := range t.records {
		n = append(n, len(records))
	}
	return n
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

func (t *tape) Read(ctx context.Context, n int, since time.Time, r Reader) error {
	rd := &reading{t: t, n: n, since: since, r: r, node: r.(*partition).b.node}
	for {
		changed := rd.turn()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// A reading is what one node has read of one partition.
type reading struct {
	t     *tape
	n     int
	since time.Time
	r     Reader
	node  string

	life string // empty: not begun
	next uint64
	last []byte // what the last record held
	lost int    // how often it was found to be another one
	up   bool
}

// turn hands out what there is, and returns what is closed when there is more.
func (rd *reading) turn() <-chan struct{} {
	rd.t.mu.Lock()
	changed, down, slow, life := rd.t.changed, rd.t.down, rd.t.slow[rd.node], rd.t.lives[rd.n]
	if rd.t.away[rd.node] {
		down = errCut
	}
	first, from := rd.t.first[rd.n], 0
	if rd.up && rd.life == life+fmt.Sprint(" ", rd.lost) {
		from, _ = slices.BinarySearchFunc(rd.t.records[rd.n], rd.next, func(r Record, next uint64) int { return cmp.Compare(r.Offset, next) })
	}
	all := slices.Clone(rd.t.records[rd.n][from:])
	rd.t.mu.Unlock()
	if down != nil {
		rd.up = false
		rd.r.Connected(down)
		return changed
	}
	if slow && rd.up {
		return changed
	}
	if !rd.up && rd.lostSome(all) {
		rd.lost++
	}
	life += fmt.Sprint(" ", rd.lost)
	begins := life != rd.life
	if begins {
		rd.life, rd.next = life, first
		for _, record := range all {
			if record.Time.Before(rd.since) {
				rd.next = record.Offset + 1
			}
		}
	}
	all = slices.DeleteFunc(all, func(r Record) bool { return r.Offset < rd.next || r.Time.Before(rd.since) })
	if begins && len(all) > 0 {
		rd.next = all[0].Offset
	}
	if begins {
		rd.r.Begin(life, rd.next, rd.next == 0)
	}
	rd.up = true
	rd.r.Connected(nil)
	for _, record := range all {
		rd.r.Record(record)
		rd.next, rd.last = record.Offset+1, record.Value
	}
	return changed
}

// lostSome reports whether the last record that was read is not there any more.
func (rd *reading) lostSome(all []Record) bool {
	return rd.last != nil && !slices.ContainsFunc(all, func(r Record) bool { return r.Offset+1 == rd.next && bytes.Equal(r.Value, rd.last) })
}
