//go:build interop

package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// A place is a position in a channel.
type place struct {
	Epoch  string `json:"epoch"`
	Offset int64  `json:"offset"`
}

// A told is one thing that the application was told.
type told struct {
	Client  string
	Channel *int
	Event   string
	Body    struct {
		place              // of a publication
		Prev      int64    // of a publication
		Data      string   // of a publication
		Position  *place   // of live and recovered
		Recovered *bool    // of live
		Reason    string   // of live and disconnected
		Code      any      // of disconnected and unsubscribed
		After     *float64 // of disconnected
	}
}

// A follower is one subscription of a client.
type follower struct {
	client  string
	channel int
}

// A judge gathers what was published and what the clients were told. All methods may be
// called at once.
type judge struct {
	channels []string
	changed  chan struct{} // holds a token when something has come

	mu        sync.Mutex
	told      map[follower][]told
	last      map[follower]place
	ends      []string            // of connections, for the report
	given     []string            // clients that do not come back
	published map[string][]letter // by channel and epoch, in order
	maybe     map[string]bool     // data of which nobody knows whether it was published
}

type letter struct {
	offset int64
	data   string
}

func newJudge(channels []string) *judge {
	return &judge{
		channels: channels, changed: make(chan struct{}, 1), told: map[follower][]told{}, last: map[follower]place{},
		published: map[string][]letter{}, maybe: map[string]bool{},
	}
}

func life(channel, epoch string) string { return epoch + " " + channel }

// hear takes what clients tell, a line each, until r ends. Lines that are something else go
// to standard error.
func (j *judge) hear(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e told
		if json.Unmarshal(line, &e) != nil || e.Event == "" {
			_, _ = os.Stderr.Write(line)
			continue
		}
		j.add(e)
		select {
		case j.changed <- struct{}{}:
		default:
		}
	}
}

func (j *judge) add(e told) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Channel == nil {
		if e.Event == "disconnected" {
			j.ends = append(j.ends, fmt.Sprint(e.Client, " ", e.Body.Code, " ", e.Body.Reason))
			if e.Body.After == nil {
				j.given = append(j.given, j.ends[len(j.ends)-1])
			}
		}
		return
	}
	f := follower{e.Client, *e.Channel}
	j.told[f] = append(j.told[f], e)
	switch e.Event {
	case "live":
		j.last[f] = *e.Body.Position
	case "publication":
		j.last[f] = e.Body.place
	}
}

func (j *judge) sent(channel, data string, at place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := life(channel, at.Epoch)
	j.published[l] = append(j.published[l], letter{at.Offset, data})
}

func (j *judge) unsure(data string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.maybe[data] = true
}

// behind returns the followers for whom at, by channel, is not where they are; an offset of
// -1 stands for any.
func (j *judge) behind(clients []string, at []place) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for _, client := range clients {
		for i, want := range at {
			got, ok := j.last[follower{client, i}]
			if !ok || want.Epoch != "" && got.Epoch != want.Epoch || want.Offset >= 0 && got.Offset != want.Offset {
				all = append(all, fmt.Sprintf("%s of %.10s is at %v, want %v", client, j.channels[i], got, want))
			}
		}
	}
	return all
}

// verdict returns what went wrong, a line each.
func (j *judge) verdict() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	wrong := slices.Clone(j.given)
	for f, events := range j.told {
		if err := j.follow(f, events); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s, %.10s: %v", f.client, j.channels[f.channel], err))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// reasons returns why something was declared lost, in order.
func (j *judge) reasons(client string, channel int) (all []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.told[follower{client, channel}] {
		if e.Event == "live" && e.Body.Recovered != nil && !*e.Body.Recovered {
			all = append(all, e.Body.Reason)
		}
	}
	return all
}

// count returns how many events of a name there were.
func (j *judge) count(event string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, events := range j.told {
		for _, e := range events {
			if e.Event == event {
				n++
			}
		}
	}
	return n
}

// follow goes along with one subscription: every publication is the one behind the last,
// unless something was declared lost.
func (j *judge) follow(f follower, events []told) error {
	var at *place
	for i, e := range events {
		var err error
		switch {
		case e.Event == "live":
			if err = j.goesOn(f, at, e); err == nil {
				at = e.Body.Position
			}
		case at == nil:
			err = fmt.Errorf("%s before it was live", e.Event)
		case e.Event == "publication":
			if err = j.next(f, *at, e); err == nil {
				at = &e.Body.place
			}
		case e.Event == "recovered":
			if *e.Body.Position != *at {
				err = fmt.Errorf("all came up to %v, but it is at %v", *e.Body.Position, *at)
			}
		case e.Event == "gap": // told; what follows is judged
		default:
			err = fmt.Errorf("unexpected %s %v", e.Event, e.Body)
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

// goesOn checks what was said about the place where a subscription goes on.
func (j *judge) goesOn(f follower, at *place, e told) error {
	to, recovered := *e.Body.Position, e.Body.Recovered
	switch {
	case at == nil:
		return nil
	case recovered == nil:
		return fmt.Errorf("live at %v after %v, and nothing is said about what is between", to, *at)
	case *recovered && to.Epoch != at.Epoch:
		return fmt.Errorf("recovered at %v after %v", to, *at)
	case *recovered: // perhaps at another name of the same place
		for _, l := range j.published[life(j.channels[f.channel], to.Epoch)] {
			if l.offset > min(to.Offset, at.Offset) && l.offset <= max(to.Offset, at.Offset) {
				return fmt.Errorf("recovered at %v after %v, and %d is between", to, *at, l.offset)
			}
		}
		return nil
	case e.Body.Reason == "epoch" && to.Epoch == at.Epoch, e.Body.Reason != "epoch" && to.Epoch != at.Epoch:
		return fmt.Errorf("lost because of %q at %v after %v", e.Body.Reason, to, *at)
	case e.Body.Reason != "epoch" && strings.HasPrefix(j.channels[f.channel], "deep"):
		return fmt.Errorf("lost because of %q, and history has all", e.Body.Reason)
	case to.Epoch == at.Epoch && to.Offset < at.Offset:
		return fmt.Errorf("goes back to %v from %v", to, *at)
	}
	return nil
}

// next checks that a publication is the one behind at.
func (j *judge) next(f follower, at place, e told) error {
	got := letter{e.Body.Offset, e.Body.Data}
	if e.Body.Epoch != at.Epoch || e.Body.Prev != at.Offset {
		return fmt.Errorf("publication %v behind %d after %v", e.Body.place, e.Body.Prev, at)
	}
	l := life(j.channels[f.channel], at.Epoch)
	all := j.published[l]
	i, found := slices.BinarySearchFunc(all, at.Offset+1, func(p letter, offset int64) int { return int(p.offset - offset) })
	switch {
	case found, i < len(all):
		if all[i] != got {
			return fmt.Errorf("publication %d %.20q after %v, want %d %.20q", got.offset, got.data, at, all[i].offset, all[i].data)
		}
	case j.maybe[got.data]:
		j.published[l] = append(all, got)
	default:
		return fmt.Errorf("publication %d %.20q was never published", got.offset, got.data)
	}
	return nil
}
