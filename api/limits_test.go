package api_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// Each limit lets in what just meets it, and nothing more.
func TestLimitsAreExact(t *testing.T) {
	channel := func(n int) string { return `{"channel":"` + strings.Repeat("c", n) + `","data":1}` }
	id := func(n int) string { return `{"channel":"c","data":1,"id":"` + strings.Repeat("i", n) + `"}` }
	data := func(n int) string { return `{"channel":"c","data":"` + strings.Repeat("d", n-2) + `"}` }
	for _, c := range []struct {
		name string
		body func(int) string
		most int
		over int // the status behind the limit
	}{
		{"channel", channel, hub.MaxChannelName, 400},
		{"id", id, 64, 400},
		{"data", data, maxData, 413},
	} {
		for n, want := range map[int]int{c.most: 200, c.most + 1: c.over} {
			if status, _, body := post(t, hub.New(memory.New(memory.Config{}), hub.Config{}), request("POST", c.body(n))); status != want {
				t.Errorf("%s of %d: answer = %d %v, want %d", c.name, n, status, body, want)
			}
		}
	}
}

// Names are bytes of UTF-8, however JSON spells them.
func TestSpelling(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	s := new(recorder)
	if _, err := h.Subscribe(t.Context(), "é😀", s); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"channel":"é😀","data":1}`,
		`{"channel":"\u00e9\ud83d\ude00","data":1}`,
		`{"\u0063hannel":"\u00E9😀","dat\u0061":1}`,
	} {
		if status, _, answer := post(t, h, request("POST", body)); status != 200 {
			t.Errorf("%s: answer = %d %v, want 200", body, status, answer)
		}
	}
	if len(s.got) != 3 {
		t.Errorf("the channel has %d publications, want 3", len(s.got))
	}
	for _, body := range []string{`{"channel":"\ud83d","data":1}`, `{"channel":"a\u0000","data":1}`, `{"channel":"a\u2028","data":1}`} {
		if status, _, answer := post(t, h, request("POST", body)); status != 400 {
			t.Errorf("%s: answer = %d %v, want 400", body, status, answer)
		}
	}
}

// Many back ends publish at once: every publication has an offset of its own.
func TestPublishAtOnce(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	s := new(recorder)
	if _, err := h.Subscribe(t.Context(), "news", s); err != nil {
		t.Fatal(err)
	}
	offsets := make(chan any, 200)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 20 {
				status, _, body := post(t, h, request("POST", `{"channel":"news","data":1}`))
				if status != 200 {
					t.Errorf("answer = %d %v, want 200", status, body)
				}
				offsets <- body["offset"]
			}
		})
	}
	all.Wait()
	close(offsets)
	seen := make(map[any]bool)
	for offset := range offsets {
		seen[offset] = true
	}
	if len(seen) != 200 || len(s.got) != 200 {
		t.Errorf("%d offsets for %d publications, want 200", len(seen), len(s.got))
	}
}
