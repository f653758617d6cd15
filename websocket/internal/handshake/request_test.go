package handshake_test

import (
	"bufio"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// TestParseRequest reads a request as the application sees it.
func TestParseRequest(t *testing.T) {
	r, err := handshake.ParseRequest([]byte(browserRequest))
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != http.MethodGet || r.URL.Path != "/chat" || r.URL.RawQuery != "room=1" || r.RequestURI != "/chat?room=1" ||
		r.Proto != "HTTP/1.1" || r.Host != "chat.example.com" || r.ContentLength != 0 || r.Body != http.NoBody {
		t.Errorf("ParseRequest() = %+v", r)
	}
	if got := r.Header["Sec-Websocket-Key"]; !slices.Equal(got, []string{"dGhlIHNhbXBsZSBub25jZQ=="}) || len(r.Header) != 12 {
		t.Errorf("header = %v, want 12 of them without Host", r.Header)
	}
}

// lines puts a request together.
func lines(request string, header ...string) string {
	return request + "\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n"
}

// RFC 9112, sections 2 to 6: what is HTTP/1.1 to every parser passes, whatever the
// handshake will say of it.
func TestParseRequestAccepts(t *testing.T) {
	const host = "Host: h"
	for _, request := range []string{
		lines("GET / HTTP/1.1", host),
		lines("POST / HTTP/1.1", host),
		lines("M!#$%&'*+-.^_`|~ / HTTP/1.1", host),
		lines("GET /%C3%A9?q=%20 HTTP/1.1", host),
		lines("GET //x/y HTTP/1.1", host),
		lines("GET http://h:80/x?y HTTP/1.1", host),
		lines("GET HTTPS://h/ HTTP/1.1", "Host: other"),
		lines("OPTIONS * HTTP/1.1", host),
		lines("GET / HTTP/1.0"),
		lines("GET / HTTP/1.2", host),
		lines("GET / HTTP/1.1", "hOST:\t h \t"),
		lines("GET / HTTP/1.1", "Host:"),
		lines("GET / HTTP/1.1", host, "Empty:", "X: \x80\xff", "X: a\tb", "x: y:z"),
		lines("GET / HTTP/1.1", host, "Content-Length: 0"),
		lines("GET / HTTP/1.1", host, "Content-Length: 5"),
		lines("GET / HTTP/1.1", host, "Transfer-Encoding: chunked"),
		lines("GET / HTTP/1.1", append([]string{host}, slices.Repeat([]string{"X: y"}, 100)...)...),
	} {
		got, refused := handshake.ParseRequest([]byte(request))
		if refused != nil {
			t.Errorf("ParseRequest(%.200q) = %v, want a request", request, refused)
			continue
		}
		checkSameAsHTTP(t, request, got)
	}
}

// RFC 9112, sections 2 to 6: what one parser reads one way and another in another is
// refused. A request can be smuggled in what remains (RFC 9112, section 11.2).
//
// Security 6.
func TestParseRequestRefuses(t *testing.T) {
	const line, host = "GET / HTTP/1.1", "Host: h"
	for _, request := range []string{
		// 2.2: the lines.
		"GET / HTTP/1.1\nHost: h\n\n",
		"GET / HTTP/1.1\r\nHost: h\n\r\n",
		"GET / HTTP/1.1\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\rX: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
		"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		" GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"",
		"\r\n",
		"\r\n\r\n",
		"GET / HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\n\r",
		// 3: the request line.
		lines("GET /", host),
		lines("GET  / HTTP/1.1", host),
		lines("GET /  HTTP/1.1", host),
		lines("GET / HTTP/1.1 ", host),
		lines("GET\t/ HTTP/1.1", host),
		lines("GET / x HTTP/1.1", host),
		lines("GET /x\x00 HTTP/1.1", host),
		lines("GET /\u00e9 HTTP/1.1", host),
		lines("GET /x#y HTTP/1.1", host),
		lines("GET /%zz HTTP/1.1", host),
		lines("GET x HTTP/1.1", host),
		lines("GET  HTTP/1.1", host),
		lines("G(T / HTTP/1.1", host),
		lines(" / HTTP/1.1", host),
		lines("GET / http/1.1", host),
		lines("GET / HTTP/1.10", host),
		lines("GET / HTTP/1.", host),
		lines("GET / HTTP/x.1", host),
		lines("GET / HTTP/1,1", host),
		lines("GET http:/x HTTP/1.1", host),
		lines("GET http:x HTTP/1.1", host),
		lines("GET http:///x HTTP/1.1", host),
		lines("GET http://u@h/x HTTP/1.1", host),
		lines("GET http://u:p@h/x HTTP/1.1", host),
		lines("CONNECT h:443 HTTP/1.1", host),
		// 3.2: Host.
		lines(line),
		lines(line, host, host),
		lines(line, host, "HOST: other"),
		lines("GET / HTTP/1.0", host, host),
		lines("GET http://h/ HTTP/1.1"),
		// 5: the header.
		lines(line, host, " folded: x"),
		lines(line, host, "X: y", " z"),
		lines(line, host, "X: y", "\tz"),
		lines(line, " X: y", host),
		lines(line, host, "X : y"),
		lines(line, host, "X\t: y"),
		lines(line, host, ": y"),
		lines(line, host, "X"),
		lines(line, host, "X Y: z"),
		lines(line, host, "X\x00: z"),
		lines(line, host, "\u00e9: z"),
		lines(line, host, "X(: z"),
		lines(line, host, "X: \x00"),
		lines(line, host, "X: a\x01b"),
		lines(line, host, "X: \x7f"),
		lines(line, host, "X: a\vb"),
		// 6: the body.
		lines(line, host, "Content-Length: 5", "Content-Length: 6"),
		lines(line, host, "Content-Length: 0", "Content-Length: 0"),
		lines(line, host, "Content-Length: 0, 0"),
		lines(line, host, "Content-Length: +0"),
		lines(line, host, "Content-Length: -0"),
		lines(line, host, "Content-Length: 0x0"),
		lines(line, host, "Content-Length: 0 0"),
		lines(line, host, "Content-Length: "),
		lines(line, host, "Content-Length: 99999999999999999999"),
		lines(line, host, "Content-Length: 0", "Transfer-Encoding: chunked"),
		lines(line, host, "Content-Length: 5", "Transfer-Encoding: chunked"),
	} {
		if got, refused := handshake.ParseRequest([]byte(request)); refused == nil || refused.Status != http.StatusBadRequest {
			t.Errorf("ParseRequest(%q) = %+v, %v, want status 400", request, got, refused)
		}
	}
	// RFC 9110, section 15.6.6.
	for _, request := range []string{lines("PRI * HTTP/2.0"), lines("GET / HTTP/0.9"), lines("GET / HTTP/3.0", host)} {
		if got, refused := handshake.ParseRequest([]byte(request)); refused == nil || refused.Status != http.StatusHTTPVersionNotSupported {
			t.Errorf("ParseRequest(%q) = %+v, %v, want status 505", request, got, refused)
		}
	}
	large := lines(line, host, "X: "+strings.Repeat("y", 1<<16))
	if _, refused := handshake.ParseRequest([]byte(large)); refused == nil || refused.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("ParseRequest(64 KiB) = %v, want status 431", refused)
	}
}

// checkSameAsHTTP checks that net/http reads the same from request.
func checkSameAsHTTP(t *testing.T, request string, got *http.Request) {
	t.Helper()
	want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		// A coding of the body that it does not know. It is refused later.
		if got.ContentLength == -1 {
			return
		}
		t.Fatalf("net/http refuses %q: %v", request, err)
	}
	if got.Method != want.Method || got.RequestURI != want.RequestURI || *got.URL != *want.URL || got.Host != want.Host ||
		got.Proto != want.Proto || got.ProtoMajor != want.ProtoMajor || got.ProtoMinor != want.ProtoMinor {
		t.Errorf("%q = %+v, net/http has %+v", request, got, want)
	}
	// RFC 9112, section 6.1: Transfer-Encoding in HTTP/1.0 is faulty. net/http ignores it.
	faulty := got.ProtoMinor == 0 && got.ContentLength == -1
	if got.ContentLength != want.ContentLength && !faulty {
		t.Errorf("%q: ContentLength = %d, net/http has %d", request, got.ContentLength, want.ContentLength)
	}
	// What net/http takes out of the header, or adds to it.
	for _, h := range []http.Header{got.Header, want.Header} {
		for _, name := range []string{"Host", "Transfer-Encoding", "Trailer"} {
			delete(h, name)
		}
		if _, ok := h["Pragma"]; ok {
			delete(h, "Cache-Control")
		}
	}
	if !maps.EqualFunc(got.Header, want.Header, slices.Equal[[]string]) {
		t.Errorf("%q: header %q, net/http has %q", request, got.Header, want.Header)
	}
}

// What ParseRequest accepts, net/http accepts and reads the same from it. And what
// net/http accepts and ParseRequest refuses, is what RFC 9112 asks to refuse: the
// list is in notAsStrict.
//
// Security 6.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(browserRequest))
	f.Add([]byte(lines("GET http://h:80/x?y HTTP/1.1", "Host: h", "Content-Length: 0")))
	f.Add([]byte(lines("POST //h?# HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "Pragma: no-cache")))
	f.Add([]byte(lines("OPTIONS * HTTP/1.0", "X: y", " z", "content-LENGTH: 10")))
	f.Add([]byte("GET /\n\nHost: h\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		end, found, err := handshake.HeadEnd(b, 0)
		if !found || err != nil {
			return // such a request never comes to be parsed
		}
		head := string(b[:end])
		got, refused := handshake.ParseRequest([]byte(head))
		if refused == nil {
			checkSameAsHTTP(t, head, got)
			return
		}
		if refused.Status != 400 && refused.Status != 431 && refused.Status != 505 {
			t.Errorf("%q is refused with status %d", head, refused.Status)
		}
		if want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head))); err == nil && !notAsStrict(head, want) {
			t.Errorf("%q is refused: %v; net/http reads %+v", head, refused, want)
		}
	})
}

// notAsStrict reports whether head, which net/http reads as r, is one of those that
// RFC 9112 or RFC 3986 asks to refuse.
func notAsStrict(head string, r *http.Request) bool {
	if r.ProtoMajor != 1 || len(head) >= 1<<16 {
		return true
	}
	hosts := 0
	_, header, _ := strings.Cut(strings.TrimSuffix(head, "\r\n"), "\r\n")
	for line := range strings.Lines(header) {
		line = strings.TrimSuffix(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.TrimLeft(line, " \t") != line: // folded
			return true
		case !handshake.IsToken(name), strings.ContainsFunc(value, isControl): // http.Server checks this later
			return true
		case strings.EqualFold(name, "Host"):
			hosts++
		}
	}
	if hosts == 0 && r.ProtoMinor > 0 { // http.Server checks this later
		return true
	}
	if strings.ContainsFunc(r.RequestURI, func(c rune) bool { return c >= 0x7f || c == '#' }) {
		return true
	}
	if r.URL.Scheme != "" && (r.URL.Host == "" || r.URL.User != nil) || r.Method == http.MethodConnect {
		return true
	}
	lengths := r.Header["Content-Length"]
	return len(lengths) > 0 && (len(lengths) > 1 || r.ContentLength == -1 || strings.Contains(lengths[0], ",")) ||
		len(r.TransferEncoding) > 0 // beside Content-Length, which net/http takes out
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
