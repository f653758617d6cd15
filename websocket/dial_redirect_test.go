package websocket_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

func redirectTo(location string) func(*http.Request) string {
	return fixedAnswer("HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 4\r\n\r\nbody")
}

// secretHeader is what a server of another origin must not see.
func secretHeader() http.Header {
	return http.Header{
		"Authorization": {"Bearer s3cret"}, "Cookie": {"a=s3cret"}, "X-Api-Key": {"s3cret"},
		"Origin": {"https://page.test"}, "User-Agent": {"rope"},
	}
}

// RFC 6455, section 4.1: redirects are followed with every check. Within the host
// and port credentials go along.
//
// Checks 6455-34.
func TestDialRedirect(t *testing.T) {
	for _, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"} {
		var s *answerServer
		s = answering(t, func(r *http.Request) string {
			switch r.URL.Path {
			case "/":
				return "HTTP/1.1 " + status + "\r\nLocation: next/a\r\nContent-Length: 0\r\n\r\n"
			case "/next/a":
				return "HTTP/1.1 " + status + "\r\nLocation: http://" + s.listener.Addr().String() + "/b?c\r\nContent-Length: 0\r\n\r\n"
			}
			return acceptAnswer()(r)
		})
		c, _, err := websocket.Dial(soon(t), strings.Replace(s.url(), "//", "//u:p@", 1), &websocket.DialOptions{
			HTTPHeader: http.Header{"X-Api-Key": {"s3cret"}}, Host: "front.test",
		})
		if err != nil {
			t.Fatalf("%s: %v", status, err)
		}
		c.CloseNow()
		seen := s.seen()
		if len(seen) != 3 || seen[2].RequestURI != "/b?c" {
			t.Fatalf("%s: %d requests, want 3, the last for /b?c", status, len(seen))
		}
		keys := make(map[string]bool)
		for _, r := range seen {
			keys[r.Header.Get("Sec-WebSocket-Key")] = true
			if r.Header.Get("Authorization") != "Basic dTpw" || r.Header.Get("X-Api-Key") != "s3cret" || r.Host != "front.test" {
				t.Errorf("%s: %s has header %v, Host %q, want the application's", status, r.RequestURI, r.Header, r.Host)
			}
		}
		if len(keys) != 3 {
			t.Errorf("%s: 3 requests have %d different keys", status, len(keys))
		}
	}
}

// Credentials go to no other host or port, not even on the way back.
//
// Checks 6455-34.
func TestDialRedirectCredentials(t *testing.T) {
	var first, second *answerServer
	first = answering(t, func(r *http.Request) string {
		if r.URL.Path == "/back" {
			return acceptAnswer()(r)
		}
		return redirectTo(second.url())(r)
	})
	second = answering(t, func(r *http.Request) string { return redirectTo(first.url() + "back")(r) })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := websocket.Dial(soon(t), strings.Replace(first.url(), "//", "//u:s3cret@", 1), &websocket.DialOptions{
		HTTPHeader: secretHeader(), Host: "front.test", Jar: jar,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if got := first.seen()[0].Header.Get("Authorization"); got != "Bearer s3cret" {
		t.Errorf("first request has Authorization %q, want the application's", got)
	}
	for _, r := range []*http.Request{second.seen()[0], first.seen()[1]} {
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, ","), "s3cret") {
				t.Errorf("request for %s%s has %s %q", r.Host, r.RequestURI, name, values)
			}
		}
		if r.Header.Get("Origin") != "https://page.test" || r.Header.Get("User-Agent") != "rope" || r.Host == "front.test" {
			t.Errorf("request for %s%s has header %v", r.Host, r.RequestURI, r.Header)
		}
		if r.Header.Get("Authorization") != "" {
			t.Errorf("request for %s%s has Authorization", r.Host, r.RequestURI)
		}
	}
}

// Redirects that are not followed are the answer.
//
// Checks 6455-34, 6455-26.
func TestDialRedirectRefused(t *testing.T) {
	for _, test := range []struct {
		location string
		max      int
		requests int
	}{
		{"/", 0, 11},
		{"/", 3, 4},
		{"/", 1, 2},
		{"/", -1, 1},
		{"ftp://h.test/", 0, 1},
		{"http://h.test:x/", 0, 1},
		{"/a#b", 0, 1},
		{"", 0, 1},
	} {
		s := answering(t, redirectTo(test.location))
		_, resp, err := websocket.Dial(soon(t), s.url(), &websocket.DialOptions{MaxRedirects: test.max})
		var e *websocket.HandshakeError
		if !errors.As(err, &e) || e.Status != 302 || resp == nil || resp.StatusCode != http.StatusFound {
			t.Errorf("Location %q, MaxRedirects %d: Dial() = %v, want the redirect as a *HandshakeError", test.location, test.max, err)
		}
		if got := len(s.seen()); got != test.requests {
			t.Errorf("Location %q, MaxRedirects %d: %d requests, want %d", test.location, test.max, got, test.requests)
		}
	}
	s := answering(t, fixedAnswer("HTTP/1.1 304 Not Modified\r\nLocation: /next\r\n\r\n"))
	if _, _, err := websocket.Dial(soon(t), s.url(), nil); err == nil || len(s.seen()) != 1 {
		t.Errorf("304: Dial() = %v after %d requests, want an error after 1", err, len(s.seen()))
	}
}

// From ws to wss a redirect may lead, never back. Client certificates stay with
// the host and port they are for.
//
// Checks 6455-34, 6455-10.
func TestDialRedirectTLS(t *testing.T) {
	cert, roots := certificateFor(t, time.Now().Add(time.Hour), "127.0.0.1")
	presented := make(chan int, 2)
	config := &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			presented <- len(state.PeerCertificates)
			return nil
		},
	}
	secure := answeringOver(t, acceptAnswer(), overTLS(config))
	plain := answering(t, redirectTo("https://"+secure.listener.Addr().String()+"/"))
	opts := &websocket.DialOptions{TLSConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}}
	c, _, err := websocket.Dial(soon(t), plain.url(), opts)
	if err != nil {
		t.Fatalf("Dial() = %v, want to follow from ws to wss", err)
	}
	c.CloseNow()
	if got := <-presented; got != 0 {
		t.Errorf("%d client certificates at another host, want 0", got)
	}
	c, _, err = websocket.Dial(soon(t), "wss://"+secure.listener.Addr().String(), opts)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if got := <-presented; got != 1 {
		t.Errorf("%d client certificates at the URL's host, want 1", got)
	}

	down := answeringOver(t, redirectTo("http://"+plain.listener.Addr().String()+"/down"), overTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	before := len(plain.seen())
	_, _, err = websocket.Dial(soon(t), "wss://"+down.listener.Addr().String(), opts)
	if err == nil || len(plain.seen()) != before {
		t.Errorf("redirect from wss to ws: Dial() = %v, want an error and no request", err)
	}
}
