package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A fakeConnector answers as the test says, and notes what it was asked.
type fakeConnector struct {
	answer   func(r *http.Request) (*http.Response, error)
	requests []*http.Request
	closed   int
}

func (f *fakeConnector) Connect(_ context.Context, r *http.Request) (*http.Response, io.ReadWriteCloser, error) {
	f.requests = append(f.requests, r)
	resp, err := f.answer(r)
	if err != nil || resp.StatusCode/100 != 2 {
		return resp, nil, err
	}
	a, b := wstest.Streams()
	go io.Copy(io.Discard, b)
	return resp, &countedClose{a, &f.closed}, nil
}

type countedClose struct {
	io.ReadWriteCloser
	n *int
}

func (c *countedClose) Close() error {
	*c.n++
	return c.ReadWriteCloser.Close()
}

// connectAnswer returns an answer with the header lines given.
func connectAnswer(status int, lines ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := make(http.Header)
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		return &http.Response{
			StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
			ProtoMajor: 2, Proto: "HTTP/2.0", Header: h, Body: io.NopCloser(strings.NewReader("text")),
		}, nil
	}
}

// RFC 8441, section 5: :method is CONNECT, :protocol websocket, :scheme http for ws
// and https for wss; :authority and :path come from the URI. There is no Upgrade,
// no Connection and no key.
func TestConnectRequest(t *testing.T) {
	for _, test := range []struct{ url, scheme, connectTo, authority, path string }{
		{"ws://example.com/a?b=c", "http", "example.com:80", "example.com", "/a?b=c"},
		{"wss://EXAMPLE.com", "https", "example.com:443", "example.com", "/"},
		{"wss://[::1]:8443/%7Ex", "https", "[::1]:8443", "[::1]:8443", "/%7Ex"},
	} {
		f := &fakeConnector{answer: connectAnswer(200)}
		c, _, err := websocket.Dial(t.Context(), test.url, &websocket.DialOptions{
			Connector: f, HTTPHeader: http.Header{"Origin": {"https://example.org"}},
			Subprotocols: []string{"a", "b"}, Compression: &websocket.Compression{},
		})
		if err != nil {
			t.Errorf("Dial(%q) = %v", test.url, err)
			continue
		}
		c.CloseNow()
		r := f.requests[0]
		got := []string{r.Method, r.Proto, r.URL.Scheme, r.URL.Host, r.Host, r.URL.RequestURI()}
		want := []string{"CONNECT", "websocket", test.scheme, test.connectTo, test.authority, test.path}
		if !slices.Equal(got, want) {
			t.Errorf("Dial(%q) asked for %q, want %q", test.url, got, want)
		}
		wantHeader := http.Header{
			"Origin": {"https://example.org"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Protocol": {"a, b"},
			"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
		}
		if fmt.Sprint(r.Header) != fmt.Sprint(wantHeader) {
			t.Errorf("Dial(%q) sent %v, want %v", test.url, r.Header, wantHeader)
		}
	}
}

// RFC 8441, section 5: 2xx opens the connection; what an answer says about
// subprotocol and extensions is checked as ever, and a refusal keeps its body.
func TestConnectAnswer(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		want   string // of the error
	}{
		{"200", connectAnswer(200), ""},
		{"another 2xx", connectAnswer(204), ""},
		{"subprotocol", connectAnswer(200, "Sec-WebSocket-Protocol: b"), ""},
		{"an accept that nobody needs", connectAnswer(200, "Sec-WebSocket-Accept: x"), ""},
		{"403", connectAnswer(403), "403 Forbidden (RFC 8441, section 5)"},
		{"101", connectAnswer(101), "101 Switching Protocols"},
		{"subprotocol not asked for", connectAnswer(200, "Sec-WebSocket-Protocol: c"), `subprotocol "c"`},
		{"extension not asked for", connectAnswer(200, "Sec-WebSocket-Extensions: x"), "x"},
		{"Upgrade", connectAnswer(200, "Upgrade: websocket"), "the answer has Upgrade"},
		{"Connection", connectAnswer(200, "Connection: Upgrade"), "the answer has Connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fakeConnector{answer: test.answer}
			c, resp, err := websocket.Dial(t.Context(), "ws://example.com/", &websocket.DialOptions{
				Connector: f, Subprotocols: []string{"a", "b"},
			})
			if test.want == "" {
				if err != nil {
					t.Fatalf("Dial() = %v, want a connection", err)
				}
				c.CloseNow()
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Dial() = %v, want %q", err, test.want)
			}
			var refused *websocket.HandshakeError
			if test.want != "" && (!errors.As(err, &refused) || refused.Status != resp.StatusCode) {
				t.Errorf("Dial() = %#v, want a *HandshakeError of status %d", err, resp.StatusCode)
			}
			if body, _ := io.ReadAll(resp.Body); (string(body) == "text") != (test.want != "") {
				t.Errorf("the body is %q", body)
			}
			if opened := resp.StatusCode/100 == 2; opened && f.closed != 1 {
				t.Errorf("the stream was closed %d times, want once", f.closed)
			}
		})
	}
}

// A redirect is followed, with its cookies and without what was meant for the
// other host.
func TestConnectRedirect(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	f := &fakeConnector{answer: func(r *http.Request) (*http.Response, error) {
		if r.Host == "example.com" {
			return connectAnswer(307, "Location: https://example.org/there", "Set-Cookie: a=b")(r)
		}
		return connectAnswer(200)(r)
	}}
	c, _, err := websocket.Dial(t.Context(), "wss://user:pass@example.com/here", &websocket.DialOptions{Connector: f, Jar: jar})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if r := f.requests[0]; r.Header.Get("Authorization") == "" {
		t.Errorf("the first request has the header %v, want Authorization", r.Header)
	}
	if r := f.requests[1]; r.URL.RequestURI() != "/there" || r.Header.Get("Authorization") != "" {
		t.Errorf("the second request is for %v with %v", r.URL, r.Header)
	}
	if got := jar.Cookies(&url.URL{Scheme: "https", Host: "example.com"}); len(got) != 1 {
		t.Errorf("the jar has %v, want one cookie", got)
	}
}

// Without extended CONNECT at the server, Dial fails, or goes on over HTTP/1.1 if it
// was asked to.
func TestConnectFallBack(t *testing.T) {
	checkLeaks(t)
	s := serve(t, nil)
	target := "ws" + strings.TrimPrefix(s.URL, "http") + "/echo"
	f := &fakeConnector{answer: func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("wsh2: %w", websocket.ErrNoExtendedConnect)
	}}
	_, _, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{Connector: f})
	if !errors.Is(err, websocket.ErrNoExtendedConnect) {
		t.Errorf("Dial() = %v, want ErrNoExtendedConnect", err)
	}
	c, resp, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{Connector: f, FallBack: true})
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("Dial() with FallBack = %v, %v, want a connection over HTTP/1.1", resp, err)
	}
	c.CloseNow()
	s.accepted(t)
	f.answer = func(*http.Request) (*http.Response, error) { return nil, errors.New("another error") }
	if _, _, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{Connector: f, FallBack: true}); err == nil {
		t.Error("Dial() with FallBack went on after another error")
	}
	if _, _, err := websocket.Dial(t.Context(), target, &websocket.DialOptions{FallBack: true}); err == nil {
		t.Error("Dial() with FallBack and no Connector = nil, want an error")
	}
}
