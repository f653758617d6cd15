package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxData = 100

// A recorder keeps the publications of a channel.
type recorder struct{ got []*hub.Publication }

func (*recorder) Change(*hub.PresenceChange) {}

func (*recorder) Lost(error) {}

func (r *recorder) Deliver(p *hub.Publication) { r.got = append(r.got, p) }

// post sends a request and returns the answer's status and body.
func post(t *testing.T, h *hub.Hub, r *http.Request) (int, http.Header, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	api.New(api.Config{Hub: h, MaxData: maxData}).ServeHTTP(w, r)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("the answer %q is not JSON: %v", w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
	return w.Code, w.Header(), body
}

func request(method, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, "http://rope.example:8000/api/publish", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestPublish(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	s := new(recorder)
	start, err := h.Subscribe(t.Context(), "news", s)
	if err != nil {
		t.Fatal(err)
	}
	for _, contentType := range []string{"application/json", "application/json; charset=UTF-8", "Application/JSON"} {
		r := request("POST", ` {"channel":"news", "data": {"a":[1]}, "id":"k"} `, "Content-Type", contentType)
		status, _, body := post(t, h, r)
		p := s.got[len(s.got)-1]
		if status != 200 || body["epoch"] != start.Epoch || body["offset"] != float64(p.Offset) {
			t.Errorf("%s: answer = %d %v, want 200 and position %v", contentType, status, body, p.Position)
		}
		if string(p.Data) != `{"a":[1]}` || p.ID != "k" || p.ContentType != "" {
			t.Errorf("published %q with id %q and type %q", p.Data, p.ID, p.ContentType)
		}
	}
}

func TestPublishRefuses(t *testing.T) {
	const good = `{"channel":"news","data":1}`
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		reason string
	}{
		{"GET", request("GET", ""), 405, "use_post"},
		{"PUT", request("PUT", good), 405, "use_post"},
		{"no content type", request("POST", good, "Content-Type", ""), 415, "content_type"},
		{"a form", request("POST", good, "Content-Type", "application/x-www-form-urlencoded"), 415, "content_type"},
		{"a form's text", request("POST", good, "Content-Type", "text/plain"), 415, "content_type"},
		{"another charset", request("POST", good, "Content-Type", "application/json; charset=utf-16"), 415, "content_type"},
		{"nothing", request("POST", ""), 400, "bad_request"},
		{"an array", request("POST", "[]"), 400, "bad_request"},
		{"something behind", request("POST", good+"x"), 400, "bad_request"},
		{"not UTF-8", request("POST", `{"channel":"news","data":"`+"\xff"+`"}`), 400, "bad_request"},
		{"too deep", request("POST", `{"channel":"news","data":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+`}`), 400, "bad_request"},
		{"an unknown member", request("POST", `{"channel":"news","data":1,"x\u001b[2J":1}`), 400, "bad_request"},
		{"a member twice", request("POST", `{"channel":"news","data":1,"data":2}`), 400, "bad_request"},
		{"another case", request("POST", `{"Channel":"news","data":1}`), 400, "bad_request"},
		{"no data", request("POST", `{"channel":"news"}`), 400, "bad_request"},
		{"no channel", request("POST", `{"data":1}`), 400, "bad_channel"},
		{"a bad channel", request("POST", `{"channel":"a\nb","data":1}`), 400, "bad_channel"},
		{"a channel that is no string", request("POST", `{"channel":1,"data":1}`), 400, "bad_request"},
		{"a long id", request("POST", `{"channel":"a","data":1,"id":"`+long[:65]+`"}`), 400, "bad_request"},
		{"too much data", request("POST", `{"channel":"news","data":"`+long[:99]+`"}`), 413, "data_too_big"},
		{"too long a body", request("POST", `{"channel":"news","data":"`+long+`"}`), 413, "data_too_big"},
	} {
		h := hub.New(memory.New(memory.Config{}), hub.Config{})
		s := new(recorder)
		if _, err := h.Subscribe(t.Context(), "news", s); err != nil {
			t.Fatal(err)
		}
		status, header, body := post(t, h, c.r)
		message := fmt.Sprint(body["message"])
		if status != c.status || body["reason"] != c.reason || message == "" || strings.ContainsRune(message, '\x1b') {
			t.Errorf("%s: answer = %d %v, want %d %s", c.name, status, body, c.status, c.reason)
		}
		if (status == 405) != (header.Get("Allow") == "POST") {
			t.Errorf("%s: Allow = %q", c.name, header.Get("Allow"))
		}
		if len(s.got) > 0 {
			t.Errorf("%s: was published all the same", c.name)
		}
	}
}

// A page of another origin does not publish; the server's own page and programs,
// which send no Origin, do.
//
// Security 10, 11.
func TestOrigin(t *testing.T) {
	for _, c := range []struct {
		origin string
		want   int
	}{
		{"http://rope.example:8000", 200},
		{"https://rope.example:8000", 200}, // a proxy may have ended TLS
		{"http://ROPE.example:8000", 200},
		{"", 403},
		{"null", 403},
		{"https://evil.example", 403},
		{"http://rope.example", 403},
		{"http://rope.example:8001", 403},
		{"http://rope.example.evil.example:8000", 403},
		{"http://evilrope.example:8000", 403},
		{"http://rope.example:8000@evil.example", 403},
		{"http://user@rope.example:8000", 403},
		{"http://rope.example:8000/", 403},
		{"ftp://rope.example:8000", 403},
		{"rope.example:8000", 403},
	} {
		r := request("POST", `{"channel":"news","data":1}`, "Origin", c.origin)
		if status, _, body := post(t, hub.New(memory.New(memory.Config{}), hub.Config{}), r); status != c.want {
			t.Errorf("Origin %q: answer = %d %v, want %d", c.origin, status, body, c.want)
		}
	}
	r := request("POST", `{"channel":"news","data":1}`)
	r.Header["Origin"] = []string{"http://rope.example:8000", "http://rope.example:8000"}
	if status, _, _ := post(t, hub.New(memory.New(memory.Config{}), hub.Config{}), r); status != 403 {
		t.Errorf("two Origin headers: answer = %d, want 403", status)
	}
}

// Over TLS only https is the server's own scheme; default ports are left out.
func TestOriginOverTLS(t *testing.T) {
	for origin, want := range map[string]int{"https://rope.example": 200, "https://rope.example:443": 200, "http://rope.example": 403} {
		r := httptest.NewRequest(http.MethodPost, "https://rope.example/api/publish", strings.NewReader(`{"channel":"news","data":1}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		if status, _, body := post(t, hub.New(memory.New(memory.Config{}), hub.Config{}), r); status != want {
			t.Errorf("Origin %q over TLS: answer = %d %v, want %d", origin, status, body, want)
		}
	}
}

// A broken body fails when it is read.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyEndsEarly(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/api/publish", broken{})
	r.Header.Set("Content-Type", "application/json")
	if status, _, body := post(t, hub.New(memory.New(memory.Config{}), hub.Config{}), r); status != 400 {
		t.Errorf("answer = %d %v, want 400", status, body)
	}
}

// A dead broker takes nothing.
type dead struct{ hub.Broker }

func (dead) Publish(context.Context, hub.Message, hub.PublishOptions) (hub.Published, error) {
	return hub.Published{}, errors.New("10.0.0.7: connection refused")
}

// What the broker says is not told to callers.
func TestBrokerFails(t *testing.T) {
	status, _, body := post(t, hub.New(dead{}, hub.Config{}), request("POST", `{"channel":"news","data":1}`))
	if status != 503 || body["reason"] != "unavailable" || strings.Contains(fmt.Sprint(body), "10.0.0.7") {
		t.Errorf("answer = %d %v, want 503 unavailable, and no word of the broker", status, body)
	}
}
