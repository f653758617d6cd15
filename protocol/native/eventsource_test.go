package native

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A source is what EventSource makes of an answer.
type source struct {
	t    *testing.T
	body io.Closer
	read *bufio.Reader
	id   string // of the last event
}

// openSource asks for channels from the event id on.
func openSource(t *testing.T, base, query, id string) *source {
	t.Helper()
	s := newHTTPSpeaker(t, base, jsonCodec{})
	var header []string
	if id != "" {
		header = []string{"Last-Event-ID", id}
	}
	resp := s.get("/sse?"+query, header...)
	t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("GET /sse?%s = %s, %s", query, resp.Status, got)
	}
	return &source{t: t, body: resp.Body, read: bufio.NewReader(resp.Body)}
}

// next returns the next event that a page would see, or a retry, as lines joined by |;
// "end" behind the last.
func (s *source) next() string {
	s.t.Helper()
	var lines []string
	for {
		line, err := readLine(s.read)
		if err != nil {
			return "end"
		}
		if id, ok := strings.CutPrefix(string(line), "id: "); ok {
			s.id = id
			continue
		}
		switch {
		case len(line) > 0 && line[0] != ':':
			lines = append(lines, string(line))
		case len(line) == 0 && len(lines) > 0:
			return strings.Join(lines, "|")
		}
	}
}

// expect checks that the next event has a text.
func (s *source) expect(want string) {
	s.t.Helper()
	if got := s.next(); !strings.Contains(got, want) {
		s.t.Errorf("event %s, want %s", got, want)
	}
}

func newsBackEnd(t *testing.T) *backEnd {
	t.Helper()
	return newBackEnd(t, Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{
		Default: hub.Options{History: 3, HistoryTime: time.Minute},
	})})
}

func (b *backEnd) publish(t *testing.T, channel, data string) {
	t.Helper()
	if _, err := b.Hub.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(data)}, nil); err != nil {
		t.Fatal(err)
	}
}

// An EventSource of several channels comes back and gets what it has missed of each, once.
func TestEventSource(t *testing.T) {
	b := newsBackEnd(t)
	base := b.serveRoutes(t)
	b.publish(t, "a", "0")
	s := openSource(t, base, "channel=a&channel=b", "")
	b.publish(t, "a", "1")
	s.expect(`"channel":"a"`)
	b.publish(t, "b", "2")
	s.expect(`"data":2`)
	for _, where := range []string{"header", "query"} {
		s.body.Close()
		b.publish(t, "b", "3")
		b.publish(t, "a", "4")
		query, id := "channel=a&channel=b", s.id
		if where == "query" {
			query, id = query+"&last_event_id="+id, ""
		}
		s = openSource(t, base, query, id)
		s.expect(`"data":4`) // channels come one behind the other
		s.expect(`"data":3`)
		b.publish(t, "a", "5")
		s.expect(`"data":5`)
	}
}

// What is gone is told: the history does not reach, or is another one.
func TestEventSourceLost(t *testing.T) {
	b := newsBackEnd(t)
	base := b.serveRoutes(t)
	s := openSource(t, base, "channel=a", "")
	b.publish(t, "a", "0")
	s.expect(`"data":0`)
	s.body.Close()
	for i := range 5 { // 3 are kept
		b.publish(t, "a", fmt.Sprint(i+1))
	}
	s = openSource(t, base, "channel=a", s.id)
	s.expect(`event: lost|data: {"channel":"a","reason":"`)
	b.publish(t, "a", "6")
	s.expect(`"data":6`)

	restarted := newsBackEnd(t)
	s = openSource(t, restarted.serveRoutes(t), "channel=a", s.id)
	s.expect(`event: lost|data: {"channel":"a","reason":"epoch`)
}

// A drain says when to come back, and the end of a subscription ends the stream, so that
// the page comes back.
func TestEventSourceEnds(t *testing.T) {
	b := newsBackEnd(t)
	base := b.serveRoutes(t)
	s := openSource(t, base, "channel=a", "")
	b.publish(t, "a", "0")
	s.expect(`"data":0`)
	go func() { _ = b.Sessions.Drain(t.Context()) }()
	s.expect("retry: ")
	if got := s.next(); got != "end" {
		t.Errorf("event %s behind retry, want the end", got)
	}
}

// Data that is no JSON comes as base64 in the JSON of the event.
func TestEventSourceBinary(t *testing.T) {
	b := newsBackEnd(t)
	s := openSource(t, b.serveRoutes(t), "channel=a", "")
	m := hub.Message{Channel: "a", Data: []byte{0, 1, '\n'}, ContentType: "application/octet-stream"}
	if _, err := b.Hub.Publish(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	s.expect(`"content_type":"application/octet-stream"`)
	b.publish(t, "a", "[1,\n2]")
	s.expect(`"data":[1, 2]`)
}

// Wherever the answer to one that comes back is cut, the id that came last says where all
// of its channels are: none of them begins anew without a word.
func TestEventSourceCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newsBackEnd(t)
		b.publish(t, "a", "0")
		b.publish(t, "b", "0")
		top, err := b.Hub.History(t.Context(), "a", hub.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		epoch := top.Top.Epoch
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		from := places{"a": {Epoch: epoch}, "b": {Epoch: epoch}, "c": {Epoch: epoch}}
		w := b.request(ctx, http.MethodGet, "/sse?channel=a&channel=b", "", "Last-Event-ID", from.id())
		for line := range strings.Lines(w.Body.String()) {
			id, ok := strings.CutPrefix(strings.TrimSpace(line), "id: ")
			if !ok {
				continue
			}
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/sse?last_event_id="+id, nil)
			at, err := lastEvent(r)
			if err != nil || len(at) != 2 || at["a"].Epoch != epoch || at["b"].Epoch != epoch {
				t.Errorf("an id says %v, %v, want the places of a and b", at, err)
			}
		}
		b.Wait()
	})
}
