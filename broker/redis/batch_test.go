package redis

import (
	"slices"
	"strings"
	"testing"
)

// What waits goes in few calls, and none of them is long.
func TestTake(t *testing.T) {
	big := strings.Repeat("x", fullBytes/2)
	for _, test := range []struct {
		name     string
		messages []string
		calls    int // under way, this one included
		want     []int
	}{
		{"nothing", nil, 1, nil},
		{"one", []string{""}, 1, []int{1}},
		{"many", make([]string, 3*fullBatch+1), 1, []int{fullBatch, fullBatch, fullBatch, 1}},
		{"large ones", []string{big, big, big, "", big + big, ""}, 1, []int{2, 3, 1}},
		{"few beside another call", make([]string, enough-1), 2, nil},
		{"enough beside another call", make([]string, fullBatch+enough), 2, []int{fullBatch, enough}},
	} {
		q := &batcher{calls: test.calls}
		for _, m := range test.messages {
			q.waiting = append(q.waiting, &entry{publication: &publication{args: [...]string{m, "", ""}}})
		}
		var got []int
		for b := q.take(nil); b != nil; b = q.take(nil) {
			got = append(got, len(b.entries))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: batches of %v, want %v", test.name, got, test.want)
		}
		if q.calls != test.calls-1 {
			t.Errorf("%s: %d calls under way in the end, want %d", test.name, q.calls, test.calls-1)
		}
	}
}
