package websocket_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

func TestAcceptOptionsCheck(t *testing.T) {
	for _, c := range []struct {
		opts websocket.AcceptOptions
		ok   bool
	}{
		{websocket.AcceptOptions{}, true},
		{websocket.AcceptOptions{
			Subprotocols:   []string{"chat.v1"},
			OriginPatterns: []string{"https://*.example.com"},
			Compression:    &websocket.Compression{WindowBits: 9},
		}, true},
		{websocket.AcceptOptions{Subprotocols: []string{"a b"}}, false},
		{websocket.AcceptOptions{OriginPatterns: []string{"https://exa mple.com"}}, false},
		{websocket.AcceptOptions{Compression: &websocket.Compression{WindowBits: 7}}, false},
	} {
		if err := c.opts.Check(); (err == nil) != c.ok {
			t.Errorf("Check(%+v) = %v, want success %v", c.opts, err, c.ok)
		}
	}
}

// A header without any value is no offer.
func TestAcceptEmptyExtensions(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Compression: &websocket.Compression{}})
		if err == nil {
			c.CloseNow()
		}
	}))
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Connection":               {"Upgrade"},
		"Upgrade":                  {"websocket"},
		"Sec-Websocket-Version":    {"13"},
		"Sec-Websocket-Key":        {"dGhlIHNhbXBsZSBub25jZQ=="},
		"Sec-Websocket-Extensions": {"", " "},
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("empty Sec-WebSocket-Extensions: status %d, header %v, want 101 without an extension", resp.StatusCode, resp.Header)
	}
}
