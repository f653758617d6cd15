package native

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// request returns the answer of b to a request; header is names and values in turn.
func (b *backEnd) request(ctx context.Context, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, "http://example.com"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.mux().ServeHTTP(w, r)
	return w
}

// What is wrong with a request is answered with a status and a code, and nothing of it
// is carried out.
//
// Security 8, 12.
func TestRefusals(t *testing.T) {
	b := newBackEnd(t, Config{Node: "n1", MaxData: 1 << 10})
	asJSON := []string{"Content-Type", "application/json"}
	to := func(session string) []string { return append(slices.Clone(asJSON), "Ropewalk-Session", session) }
	for _, c := range []struct {
		method, path, body string
		header             []string
		want               string
	}{
		{"GET", "/connection/stream", "", nil, `405 {"code":"method_not_allowed","message":"see the Allow header"}`},
		{"PUT", "/connection/commands", "{}", asJSON, `405 {"code":"method_not_allowed","message":"see the Allow header"}`},
		{"POST", "/sse?channel=a", "{}", asJSON, `405 {"code":"method_not_allowed","message":"see the Allow header"}`},
		{"POST", "/connection/stream", "{}", nil, `415 {"code":"content_type",`},
		{"POST", "/connection/poll", "{}", []string{"Content-Type", "text/plain"}, `415 {"code":"content_type",`},
		{"POST", "/connection/stream", "", asJSON, `400 {"code":"bad_request","message":"the body has no command"}`},
		{"POST", "/connection/poll", "", asJSON, `400 {"code":"bad_request","message":"the body has no command"}`},
		{"POST", "/connection/stream", strings.Repeat(" ", maxEarly+1), asJSON, `413 {"code":"request_too_big",`},
		{"GET", "/connection/sse", "", nil, `400 {"code":"bad_request","message":"the query needs connect,`},
		{"GET", "/connection/sse?connect={}&id=x", "", nil, `400 {"code":"bad_request","message":"id in the query is no id`},
		{"GET", "/connection/sse?connect={}&connect={}", "", nil, `400 {"code":"bad_request","message":"the query needs connect,`},
		{"POST", "/connection/commands", "{}", asJSON, `404 {"code":"session_unknown",`},
		{"POST", "/connection/commands", "{}", to("n1.0f1e2d3c4b5a69788796a5b4c3d2e1f0"), `404 {"code":"session_unknown",`},
		{"POST", "/connection/commands", "{}", to("n2.0f1e2d3c4b5a69788796a5b4c3d2e1f0"), `421 {"code":"wrong_node",`},
		{"POST", "/connection/poll", "", to("n1.0f1e2d3c4b5a69788796a5b4c3d2e1f0"), `404 {"code":"session_unknown",`},
		{"POST", "/connection/poll", "", to("n2.0f1e2d3c4b5a69788796a5b4c3d2e1f0"), `421 {"code":"wrong_node",`},
		{"GET", "/sse", "", nil, `400 {"code":"bad_request","message":"the query needs channel, 1 to 32 times"}`},
		{"GET", "/sse?channel=a" + strings.Repeat("&channel=a", maxSources), "", nil, `400 {"code":"bad_request",`},
		{"GET", "/sse?channel=", "", nil, `400 {"code":"bad_channel",`},
		{"GET", "/sse?channel=a&channel=a", "", nil, `400 {"code":"already_subscribed",`},
		{"GET", "/sse?channel=a", "", []string{"Last-Event-ID", "?"}, `400 {"code":"bad_request","message":"the id of the last event is none of this server"}`},
		{"GET", "/sse?channel=a&last_event_id=e30x", "", nil, `400 {"code":"bad_request",`},
	} {
		w := b.request(t.Context(), c.method, c.path, c.body, c.header...)
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s %.20q = %s, want %s", c.method, c.path, c.body, got, c.want)
		}
		if w.Code == http.StatusMethodNotAllowed && !strings.HasSuffix(w.Header().Get("Allow"), ", OPTIONS") {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, w.Header().Get("Allow"))
		}
	}
}

// The table of the document has every refusal.
func TestDocumentRefusals(t *testing.T) {
	b, err := os.ReadFile("../../docs/reference/transports.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range []refusal{
		foreignOrigin, methodNotServed, wrongMediaType, bodyTooBig, bodyCut, bodyMissing, sessionUnknown, wrongNode, pollReplaced,
	} {
		row := fmt.Sprintf("\n| %d | `%s` | ", r.status, r.Code)
		if !strings.Contains(string(b), row) {
			t.Errorf("the document has no row %s", row)
		}
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	if n := strings.Count(string(b), "\n| 4"); n != len(rows) {
		t.Errorf("the document has %d rows, want %d", n, len(rows))
	}
}

// Commands go to sessions over HTTP alone, in the encoding that the session speaks.
//
// Security 12.
func TestCommandsOfOthers(t *testing.T) {
	b := newBackEnd(t, Config{Node: "n1"})
	base := b.serveRoutes(t)
	overWebSocket := openWebSocket(t, base, jsonCodec{})
	overWebSocket.say([]byte(`{"id":1,"connect":{}}`))
	reply, err := overWebSocket.hear()
	if err != nil {
		t.Fatal(err)
	}
	intruder := newHTTPSpeaker(t, base, jsonCodec{})
	intruder.learn(reply)
	for _, path := range []string{"/connection/commands", "/connection/poll"} {
		resp := intruder.post(path, []byte(`{"id":2,"ping":{}}`))
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s for a session over WebSocket = %s, want 404", path, resp.Status)
		}
	}
	stream := openStream(t, base, jsonCodec{}).(*streamSpeaker)
	stream.say([]byte(`{"id":1,"connect":{}}`))
	if _, err := stream.hear(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, contentType, body string
		want                    int
	}{
		{"/connection/poll", "application/json", `{"id":2,"ping":{}}`, 404},
		{"/connection/commands", "application/x-protobuf", "\x0a\x04\x08\x02\x5a\x00", 415},
		{"/connection/commands", "application/json", "", 400},
		{"/connection/commands", "application/json", strings.Repeat(" ", 1<<20), 413},
		{"/connection/commands", "application/json; charset=utf-8", `{"id":2,"ping":{}}`, 204},
	} {
		resp := stream.post(c.path, []byte(c.body), "Content-Type", c.contentType)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("POST %s %s %.20q = %s, want %d", c.path, c.contentType, c.body, resp.Status, c.want)
		}
	}
	if got, err := stream.hear(); string(got) != `{"id":2,"ping":{}}` {
		t.Errorf("heard %s, %v, want the reply to ping", got, err)
	}
}

// A request of a connection that was lost may come after its client has come back: what
// it asked for then is no concern of the connection now.
func TestCommandsOfTheConnectionBefore(t *testing.T) {
	for _, w := range ways {
		if w.codec != (jsonCodec{}) || w.name == "websocket/json" {
			continue // one connection has all commands
		}
		t.Run(w.name, func(t *testing.T) {
			b := newBackEnd(t, Config{Node: "n1", Lobby: &session.Lobby{}})
			base := b.serveRoutes(t)
			first := w.open(t, base, w.codec)
			first.say([]byte(`{"id":1,"connect":{"subscriptions":[{"channel":"news"}]}}`))
			reply, err := first.hear()
			if err != nil {
				t.Fatal(err)
			}
			late := newHTTPSpeaker(t, base, w.codec)
			late.learn(reply)
			second := w.open(t, base, w.codec)
			second.say([]byte(`{"id":9,"connect":{"session":"` + late.session + `","subscriptions":[{"channel":"news"}]}}`))
			if reply, err := second.hear(); err != nil || !strings.Contains(string(reply), `"resumed":true`) {
				t.Fatalf("heard %s, %v, want the session resumed", reply, err)
			}
			late.command([]byte(`[{"id":2,"unsubscribe":{"channel":"news"}},{"id":3,"ping":{}}]`))
			if _, err := b.Hub.Publish(t.Context(), hub.Message{Channel: "news", Data: []byte("1")}, nil); err != nil {
				t.Fatal(err)
			}
			if push, err := second.hear(); err != nil || !strings.HasPrefix(string(push), `{"publication":`) {
				t.Errorf("heard %s, %v, want the publication", push, err)
			}
			second.say([]byte(`{"id":10,"ping":{}}`))
			if got, err := second.hear(); string(got) != `{"id":10,"ping":{}}` {
				t.Errorf("heard %s, %v, want the reply to ping", got, err)
			}
		})
	}
}

// Pages of allowed origins read the answers and may send what the transports need;
// others, and what other sites embed, are refused.
//
// Security 10.
func TestPages(t *testing.T) {
	b := newBackEnd(t, Config{Origins: []string{"https://app.example"}})
	for _, route := range b.Routes() {
		if route.Handler == http.Handler(b.Handler) {
			continue // the WebSocket has a test of its own
		}
		for _, c := range []struct {
			header  []string
			allowed bool
			cors    string
		}{
			{nil, true, ""},
			{[]string{"Origin", "https://app.example"}, true, "https://app.example"},
			{[]string{"Origin", "http://example.com"}, true, "http://example.com"},
			{[]string{"Origin", "https://evil.example"}, false, ""},
			{[]string{"Origin", "null"}, false, ""},
			{[]string{"Sec-Fetch-Site", "cross-site"}, false, ""},
			{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}, true, "https://app.example"},
			{[]string{"Sec-Fetch-Site", "same-origin"}, true, ""},
		} {
			w := b.request(t.Context(), http.MethodOptions, route.Pattern, "", c.header...)
			if got := w.Code == http.StatusNoContent; got != c.allowed || !c.allowed && w.Code != http.StatusForbidden {
				t.Errorf("OPTIONS %s %q = %d %s, want allowed = %v", route.Pattern, c.header, w.Code, w.Body, c.allowed)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != c.cors {
				t.Errorf("OPTIONS %s %q lets %q read, want %q", route.Pattern, c.header, got, c.cors)
			}
			if got := w.Header().Values("Vary"); !slices.Equal(got, []string{"Origin"}) {
				t.Errorf("OPTIONS %s %q: Vary is %q", route.Pattern, c.header, got)
			}
			if needed := "Ropewalk-Session"; c.allowed != strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), needed) {
				t.Errorf("OPTIONS %s %q allows the headers %q", route.Pattern, c.header, w.Header().Get("Access-Control-Allow-Headers"))
			}
		}
	}
}

// A stalledWriter is the answer to a client that takes nothing after the first bytes.
type stalledWriter struct {
	*httptest.ResponseRecorder
	room      int
	deadlines chan time.Time // the last one; Write takes it
}

func newStalledWriter(room int) *stalledWriter {
	return &stalledWriter{httptest.NewRecorder(), room, make(chan time.Time, 1)}
}

func (w *stalledWriter) SetWriteDeadline(at time.Time) error {
	for {
		select {
		case w.deadlines <- at:
			return nil
		case <-w.deadlines:
		}
	}
}

func (w *stalledWriter) SetReadDeadline(time.Time) error { return nil }

func (w *stalledWriter) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room >= 0 {
		return w.ResponseRecorder.Write(b)
	}
	var over <-chan time.Time
	for {
		select {
		case at := <-w.deadlines:
			over = time.After(time.Until(at))
		case <-over:
			return 0, context.DeadlineExceeded
		}
	}
}

// A client that takes nothing for stallTime has gone: the stream ends, and its session.
//
// Security 21.
func TestStalledStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackEnd(t, Config{})
		w := newStalledWriter(0)
		begin := time.Now()
		b.mux().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, `/connection/sse?connect={}`, nil))
		if took := time.Since(begin); took != stallTime {
			t.Errorf("the stream ended after %v, want %v", took, stallTime)
		}
		if n := b.Sessions.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		b.Wait()
	})
}

// A reader that is too slow is told so in place of what waits, whatever carries its
// session, as soon as its queue is full.
//
// Security 21.
func TestSlowConsumerOverHTTP(t *testing.T) {
	for _, path := range []string{`/connection/sse?connect={"subscriptions":[{"channel":"news"}]}`, "/sse?channel=news"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBackEnd(t, Config{MaxQueue: 10 << 10, Hub: hub.New(memory.New(memory.Config{}), hub.Config{Default: hub.Options{Slow: hub.Disconnect}})})
			w := newStalledWriter(1000)
			ended := make(chan time.Duration, 1)
			begin := time.Now()
			go func() {
				b.mux().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.ReplaceAll(path, `"`, "%22"), nil))
				ended <- time.Since(begin)
			}()
			synctest.Wait()
			for range 200 {
				if _, err := b.Hub.Publish(t.Context(), hub.Message{Channel: "news", Data: bytes.Repeat([]byte("1"), 1000)}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if took := <-ended; took > farewellTime {
				t.Errorf("%s: the stream ended after %v, want at most %v", path, took, farewellTime)
			}
			b.Wait()
		})
	}
}

// A drain ends streams and polls, each with its farewell.
func TestDrainOverHTTP(t *testing.T) {
	b := newBackEnd(t, Config{})
	base := b.serveRoutes(t)
	var all []speaker
	for _, w := range ways {
		s := w.open(t, base, w.codec)
		if w.codec == (jsonCodec{}) {
			s.say([]byte(`{"id":1,"connect":{}}`))
		} else {
			s.say(marshalCommands(t, command{id: 1, name: connect}))
		}
		if _, err := s.hear(); err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		all = append(all, s)
	}
	drained := make(chan error, 1)
	go func() { drained <- b.Sessions.Drain(t.Context()) }()
	for i, s := range all {
		farewell, err := s.hear()
		if err != nil {
			t.Fatalf("%s: %v", ways[i].name, err)
		}
		if got := fmt.Sprint(ways[i].heardJSON(t, farewell)); !strings.Contains(got, "server is shutting down") {
			t.Errorf("%s: heard %s, want the shutdown", ways[i].name, got)
		}
		if _, err := s.hear(); err == nil {
			t.Errorf("%s goes on behind the farewell", ways[i].name)
		}
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain = %v", err)
	}
	w := b.request(t.Context(), http.MethodGet, "/sse?channel=a", "")
	if got := w.Body.String(); w.Code != http.StatusOK || !strings.HasPrefix(got, "retry: ") || strings.Count(got, "\n") != 2 {
		t.Errorf("GET /sse behind a drain = %d %q, want 200 and when to come back", w.Code, got)
	}
}

// Signs of life come while nothing else does.
func TestSignsOfLife(t *testing.T) {
	for path, want := range map[string]string{`/connection/sse?connect={}`: ":\n\n", "/sse?channel=a": ":\n\n"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBackEnd(t, Config{})
			ctx, cancel := context.WithTimeout(t.Context(), 2*pingTime+time.Second)
			defer cancel()
			w := b.request(ctx, http.MethodGet, path, "")
			if got := strings.Count(w.Body.String(), want); got != 3 { // the first opens the answer
				t.Errorf("%s: %d signs of life in %q, want 3", path, got, w.Body)
			}
			b.Wait()
		})
	}
}

// Every request is answered, and what it holds ends no more than its own session.
//
// Security 8.
func FuzzHTTP(f *testing.F) {
	for _, v := range commandVectors {
		f.Add(byte(1), "", "application/json", "", "", []byte(v.json))
		f.Add(byte(2), "", "application/json", "", "", []byte(v.json))
		f.Add(byte(0), "connect="+url.QueryEscape(v.json), "", "", "", []byte(nil))
	}
	f.Add(byte(1), "", "application/x-protobuf", "", "", []byte("\x0a\x04\x08\x01\x12\x00"))
	f.Add(byte(3), "", "application/json", "n1.0", "", []byte("{}"))
	f.Add(byte(4), "channel=a&channel=b", "", "", places{"a": {Epoch: "e", Offset: 3}}.id(), []byte(nil))
	f.Add(byte(4), "channel=a&last_event_id=e30", "", "", "", []byte(nil))
	paths := []string{"/connection/sse", "/connection/stream", "/connection/poll", "/connection/commands", "/sse"}
	f.Fuzz(func(t *testing.T, which byte, query, contentType, session, lastEvent string, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			b := newBackEnd(t, Config{Node: "n1", Hub: hub.New(memory.New(memory.Config{}), hub.Config{Default: hub.Options{History: 10, HistoryTime: time.Minute}})})
			path := paths[int(which)%len(paths)]
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
			if path == "/connection/sse" || path == "/sse" {
				r.Method = http.MethodGet
			}
			r.URL.RawQuery = query
			r.Header = http.Header{"Content-Type": {contentType}, "Ropewalk-Session": {session}, "Last-Event-Id": {lastEvent}}
			w := httptest.NewRecorder()
			b.mux().ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %s = %d %s", r.Method, path, w.Code, w.Body)
			}
			if w.Code != http.StatusNoContent && w.Body.Len() == 0 {
				t.Errorf("%s %s = %d and nothing", r.Method, path, w.Code)
			}
			_, _ = io.Copy(io.Discard, w.Body)
			b.Wait() // a poll's session ends when none follows
		})
	})
}

// A chunkWriter notes the longest piece that is written.
type chunkWriter struct {
	*httptest.ResponseRecorder
	longest int
}

func (w *chunkWriter) Write(b []byte) (int, error) {
	w.longest = max(w.longest, len(b))
	return w.ResponseRecorder.Write(b)
}

// The ids of an EventSource are longer than what they come with, and yet what is made of all
// that waits for one client is never held at once.
//
// Security 2.
func TestEventSourceWritesPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackEnd(t, Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{Default: hub.Options{History: 500, HistoryTime: time.Minute}})})
		query, from := "", places{}
		for i := range maxSources {
			channel := fmt.Sprintf("%02d%s", i, strings.Repeat("x", maxSourceNames/maxSources-2))
			query += "&channel=" + channel
			b.publish(t, channel, "0")
			top, err := b.Hub.History(t.Context(), channel, hub.Query{Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			from[channel] = top.Top
		}
		for i := range 250 {
			b.publish(t, fmt.Sprintf("00%s", strings.Repeat("x", maxSourceNames/maxSources-2)), fmt.Sprint(i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := &chunkWriter{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/sse?"+query[1:], nil)
		r.Header.Set("Last-Event-ID", from.id())
		b.mux().ServeHTTP(w, r)
		if got := strings.Count(w.Body.String(), "\ndata: "); got != 250 {
			t.Errorf("%d events, want 250", got)
		}
		if w.longest > 2*maxPiece {
			t.Errorf("%d bytes were written at once, want about %d", w.longest, maxPiece)
		}
		b.Wait()
	})
}

// An EventSource whose id would be too long for a header to come back with is refused at once.
func TestEventSourceNames(t *testing.T) {
	b := newBackEnd(t, Config{})
	long := strings.Repeat("x", 250)
	query := ""
	for i := range maxSourceNames/250 + 1 {
		query += fmt.Sprintf("&channel=%d%s", i, long)
	}
	w := b.request(t.Context(), http.MethodGet, "/sse?"+query[1:], "")
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "2048 bytes") {
		t.Errorf("GET /sse with long names = %d %s, want 400", w.Code, w.Body)
	}
}
