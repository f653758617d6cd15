package hub_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/hub"
)

// Channels that nobody has joined yet take no place on a page: one that says that
// there is more holds a name to go on from. Limits are taken at both ends of int.
func TestListLeavesOutEmptyChannels(t *testing.T) {
	broker := newFake()
	asked, answer := make(chan struct{}), make(chan struct{})
	broker.step = func(label string) {
		if strings.HasPrefix(label, "subscribe a.") {
			asked <- struct{}{}
			<-answer
		}
	}
	h := hub.New(broker, hub.Config{})
	var joining sync.WaitGroup
	for i := range 20 {
		joining.Go(func() {
			if _, err := h.Subscribe(t.Context(), fmt.Sprint("a.", i), new(recorder)); err != nil {
				t.Error(err)
			}
		})
		<-asked
	}
	for i := range 3 {
		subscribe(t, h, fmt.Sprint("b.", i), new(recorder))
	}
	for _, c := range []struct {
		after string
		limit int
		want  string
		more  bool
	}{
		{"", 1, "b.0", true},
		{"b.0", 2, "b.1 b.2", false},
		{"", 3, "b.0 b.1 b.2", false},
		{"b.2", 3, "", false},
		{"", math.MaxInt, "b.0 b.1 b.2", false},
		{"", math.MinInt, "b.0", true},
	} {
		page, more := h.List(c.after, c.limit, hub.Pattern{})
		var names []string
		for _, info := range page {
			names = append(names, info.Name)
		}
		if got := strings.Join(names, " "); got != c.want || more != c.more {
			t.Errorf("List(%q, %d) = %q, more %v, want %q, more %v", c.after, c.limit, got, more, c.want, c.more)
		}
	}
	close(answer)
	joining.Wait()
}
