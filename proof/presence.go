package proof

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// presentTime bounds how long behind all faults presence may be wrong: a node's lease of 6 seconds,
// the 2 in which a client may resume its session, and 5 more.
const presentTime = 13 * time.Second

// presence fails the run if the server does not count in each channel those who are there.
func (r *run) presence(ctx context.Context) {
	want := make(map[string]int)
	for _, m := range r.members {
		for _, reader := range m.readers {
			select {
			case <-reader.over: // with an error, which fails the run
			default:
				want[reader.plan.channel]++
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, presentTime)
	defer cancel()
	for {
		wrong := r.wrongCounts(ctx, want)
		if wrong == "" {
			return
		}
		if !pause(ctx, 10*againTime) {
			r.result.failed("presence is wrong %v behind all faults: %s", presentTime, wrong)
			return
		}
	}
}

// wrongCounts says of which channels the server counts others than there are.
func (r *run) wrongCounts(ctx context.Context, want map[string]int) string {
	var wrong []string
	for channel, n := range want {
		got, err := r.direct.present(ctx, channel)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", channel, err))
		} else if got != n {
			wrong = append(wrong, fmt.Sprintf("%s: %d clients, want %d", channel, got, n))
		}
	}
	return strings.Join(wrong, ", ")
}
