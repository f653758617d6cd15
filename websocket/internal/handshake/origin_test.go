package handshake_test

import (
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// RFC 6455, sections 4.2.1 and 10.2: without patterns, pages of the own origin
// and clients that are no browsers pass.
//
// Checks 6455-44, 6455-146.
// Security 10, 11.
func TestCheckOriginSame(t *testing.T) {
	for _, test := range []struct {
		origins []string
		host    string
		secure  bool
		ok      bool
	}{
		{nil, "example.com", false, true},
		{nil, "example.com", true, true},
		{[]string{"http://example.com"}, "example.com", false, true},
		{[]string{"https://example.com"}, "example.com", true, true},
		{[]string{"https://example.com"}, "example.com", false, true}, // TLS may end at a proxy
		{[]string{"http://example.com"}, "example.com", true, false},  // http for https
		{[]string{"HTTP://EXAMPLE.com"}, "Example.COM", false, true},
		{[]string{"http://example.com:80"}, "example.com", false, true},
		{[]string{"http://example.com"}, "example.com:80", false, true},
		{[]string{"https://example.com"}, "example.com:443", true, true},
		{[]string{"http://example.com"}, "example.com:443", false, false},
		{[]string{"http://example.com:8080"}, "example.com:8080", false, true},
		{[]string{"http://example.com:8081"}, "example.com:8080", false, false},
		{[]string{"http://example.com"}, "example.com:8080", false, false},
		{[]string{"http://[::1]:8080"}, "[::1]:8080", false, true},
		{[]string{"http://[0:0:0:0:0:0:0:1]:8080"}, "[::1]:8080", false, true},
		{[]string{"http://[::2]:8080"}, "[::1]:8080", false, false},
		{[]string{"http://127.0.0.1:8000"}, "127.0.0.1:8000", false, true},
		{[]string{"http://my_host"}, "my_host", false, true},

		{[]string{"http://evil.com"}, "example.com", false, false},
		{[]string{"http://example.com.evil.com"}, "example.com", false, false},
		{[]string{"http://evilexample.com"}, "example.com", false, false},
		{[]string{"http://sub.example.com"}, "example.com", false, false},
		{[]string{"http://example.com"}, "sub.example.com", false, false},
		{[]string{"http://example.co"}, "example.com", false, false},
		{[]string{"ftp://example.com"}, "example.com", false, false},
		{[]string{"ws://example.com"}, "example.com", false, false},
		{[]string{"example.com"}, "example.com", false, false},
		{[]string{"//example.com"}, "example.com", false, false},
		{[]string{"://example.com"}, "example.com", false, false},
		{[]string{"1http://example.com"}, "example.com", false, false},
		{[]string{"null"}, "example.com", false, false},
		{[]string{"null"}, "null", false, false},
		{[]string{""}, "example.com", false, false},
		{[]string{""}, "", false, false},
		{[]string{"http://"}, "", false, false},
		{[]string{"http://example.com", "http://example.com"}, "example.com", false, false},
		{[]string{"http://example.com http://example.com"}, "example.com", false, false},
		{[]string{"http://example.com, http://evil.com"}, "example.com", false, false},
		{[]string{"http://user@example.com"}, "example.com", false, false},
		{[]string{"http://example.com@evil.com"}, "example.com", false, false},
		{[]string{"http://evil.com:80@example.com"}, "example.com", false, false},
		{[]string{"http://example.com/"}, "example.com", false, false},
		{[]string{"http://example.com/path"}, "example.com", false, false},
		{[]string{"http://example.com?q"}, "example.com", false, false},
		{[]string{"http://example.com#f"}, "example.com", false, false},
		{[]string{`http://example.com\evil.com`}, "example.com", false, false},
		{[]string{"http://example.com:"}, "example.com", false, false},
		{[]string{"http://example.com:0"}, "example.com", false, false},
		{[]string{"http://example.com:080"}, "example.com", false, false},
		{[]string{"http://example.com:+80"}, "example.com", false, false},
		{[]string{"http://example.com:65536"}, "example.com", false, false},
		{[]string{"http://example.com:80:80"}, "example.com", false, false},
		{[]string{"http://exa%6dple.com"}, "example.com", false, false},
		{[]string{"http://exämple.com"}, "example.com", false, false},
		{[]string{"http://[::1"}, "[::1]", false, false},
		{[]string{"http://[fe80::1%25eth0]"}, "[fe80::1]", false, false},
		{[]string{"http://\u212a.com"}, "k.com", false, false}, // Kelvin sign
		{[]string{"http://example.com\x00"}, "example.com", false, false},
	} {
		err := handshake.CheckOrigin(test.origins, test.host, test.secure, nil)
		if (err == nil) != test.ok {
			t.Errorf("CheckOrigin(%q, %q, secure %v) = %v, want ok = %v", test.origins, test.host, test.secure, err, test.ok)
		}
	}
}

// Patterns are compared part by part: "*." stands for one label.
//
// Security 10, 11.
func TestCheckOriginPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, origin string
		secure          bool
		ok              bool
	}{
		{"https://app.example.com", "https://app.example.com", true, true},
		{"https://app.example.com", "https://app.example.com", false, true},
		{"https://app.example.com", "http://app.example.com", false, false},
		{"https://app.example.com:443", "https://app.example.com", true, true},
		{"https://app.example.com", "https://app.example.com:443", true, true},
		{"https://app.example.com", "https://app.example.com:8443", true, false},
		{"HTTPS://App.Example.com", "https://app.example.com", true, true},
		{"http://app.example.com", "http://app.example.com", true, true}, // named by scheme
		{"example.com", "https://example.com", false, true},
		{"example.com", "http://example.com", false, true},
		{"example.com", "http://example.com", true, false},
		{"example.com", "http://example.com:443", false, false},
		{"example.com:8080", "http://example.com:8080", false, true},
		{"example.com:8080", "http://example.com", false, false},
		{"example.com", "chrome-extension://example.com", false, false},
		{"localhost:3000", "http://localhost:3000", false, true},
		{"https://*.example.com:8443", "https://a.example.com:8443", true, true},
		{"https://*.example.com:8443", "https://a.example.com", true, false},
		{"https://*.example.com", "https://example.com", true, false},
		{"https://*.example.com", "https://a.b.example.com", true, false},
		{"https://*.example.com", "https://aexample.com", true, false},
		{"https://*.example.com", "https://.example.com", true, false},
		{"https://*.example.com", "https://a.example.com.evil.com", true, false},
		{"https://*.example.com", "https://evil.com/a.example.com", true, false},
		{"*.example.com", "https://a.example.com", true, true},
		{"*.example.com", "null", false, false},
		{"http://[::1]:3000", "http://[::1]:3000", false, true},
		{"[::1]:3000", "http://[::1]:3000", false, true},
		{"[::1]", "http://[::1]", false, true},
		{"https://bücher.example", "https://xn--bcher-kva.example", true, true},
		{"chrome-extension://abcdefgh", "chrome-extension://abcdefgh", true, true},
		{"chrome-extension://abcdefgh", "chrome-extension://abcdefgx", true, false},
	} {
		p, err := handshake.ParseOriginPattern(test.pattern)
		if err != nil {
			t.Errorf("ParseOriginPattern(%q) = %v", test.pattern, err)
			continue
		}
		err = handshake.CheckOrigin([]string{test.origin}, "server.test", test.secure, []handshake.OriginPattern{p})
		if (err == nil) != test.ok {
			t.Errorf("CheckOrigin(%q, secure %v) with %q = %v, want ok = %v", test.origin, test.secure, test.pattern, err, test.ok)
		}
	}
}

// A pattern that could mean more than one thing is refused, not guessed at.
//
// Security 11.
func TestParseOriginPatternMalformed(t *testing.T) {
	for _, pattern := range []string{
		"", "*", "*.", "https://", "https://*", "*.*.com", "a.*.com", "ex*mple.com", "https://example.com/", "https://example.com/x",
		"https://user@example.com", "example.com:*", "example.com:0", "example.com:x", "1://example.com", "://example.com",
		"https://example.com?x", "null ", "exa mple.com", "[::1", "http://☃.com", "https://example..com",
	} {
		if p, err := handshake.ParseOriginPattern(pattern); err == nil {
			t.Errorf("ParseOriginPattern(%q) = %+v, nil, want an error", pattern, p)
		}
	}
}
