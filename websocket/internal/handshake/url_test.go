package handshake_test

import (
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// RFC 6455, section 3: what goes where on the wire. Section 11.1.1: what is
// outside ASCII goes encoded.
//
// Checks 6455-1, 6455-2, 6455-15, 6455-16, 6455-68, 6455-69.
func TestParseTarget(t *testing.T) {
	for _, test := range []struct{ url, address, host, resource string }{
		{"ws://h", "h:80", "h", "/"},
		{"wss://h", "h:443", "h", "/"},
		{"WSS://H/P", "h:443", "h", "/P"},
		{"ws://h:80/", "h:80", "h", "/"},
		{"ws://h:443/", "h:443", "h:443", "/"},
		{"wss://h:80/", "h:80", "h:80", "/"},
		{"ws://h:/", "h:80", "h", "/"},
		{"ws://h:8080/a/b", "h:8080", "h:8080", "/a/b"},
		{"ws://h?q=1", "h:80", "h", "/?q=1"},
		{"ws://h/?", "h:80", "h", "/?"},
		{"ws://h/a%23b?c%23d", "h:80", "h", "/a%23b?c%23d"},
		{"ws://h/a%2Fb%20c", "h:80", "h", "/a%2Fb%20c"},
		{"ws://h//x//y", "h:80", "h", "//x//y"},
		{"ws://h/ä?ö", "h:80", "h", "/%C3%A4?%C3%B6"},
		{"ws://h/a b?c d", "h:80", "h", "/a%20b?c%20d"},
		{`ws://h/?"<>\^{|}` + "`", "h:80", "h", "/?%22%3C%3E%5C%5E%7B%7C%7D%60"},
		{"ws://h/?a=b&c=/?:@!$'()*,;[]", "h:80", "h", "/?a=b&c=/?:@!$'()*,;[]"},
		{"ws://bücher.localhost/", "xn--bcher-kva.localhost:80", "xn--bcher-kva.localhost", "/"},
		{"ws://BÜCHER.localhost:81/", "xn--bcher-kva.localhost:81", "xn--bcher-kva.localhost:81", "/"},
		{"ws://b%C3%BCcher.localhost/", "xn--bcher-kva.localhost:80", "xn--bcher-kva.localhost", "/"},
		{"ws://127.0.0.1:9/", "127.0.0.1:9", "127.0.0.1:9", "/"},
		{"ws://[::1]/", "[::1]:80", "[::1]", "/"},
		{"wss://[2001:DB8:0::1]:8443/", "[2001:db8::1]:8443", "[2001:db8::1]:8443", "/"},
		{"ws://[fe80::1%25eth0]:81/", "[fe80::1%eth0]:81", "[fe80::1]:81", "/"},
	} {
		got, err := handshake.ParseTarget(test.url)
		if err != nil {
			t.Errorf("ParseTarget(%q) = %v", test.url, err)
			continue
		}
		if got.Address() != test.address || got.Host() != test.host || got.RequestURI != test.resource {
			t.Errorf("ParseTarget(%q) = address %q, Host %q, target %q, want %q, %q, %q",
				test.url, got.Address(), got.Host(), got.RequestURI, test.address, test.host, test.resource)
		}
	}
}

// RFC 6455, section 3: URIs that name no resource.
//
// Checks 6455-1, 6455-3.
func TestParseTargetMalformed(t *testing.T) {
	for _, url := range []string{
		"", "h", "/", "ws:", "ws:h", "ws:/h", "ws://", "ws:///p", "ws://:80", "http://h", "https://h", "http+ws://h", "ftp://h", "//h",
		"ws://h/p#f", "ws://h/p#", "ws://h#f", "ws://h:0", "ws://h:99999", "ws://h:65536", "ws://h:x", "ws://h:-1", "ws://h:080",
		"ws://h:80:80", "ws://[::1", "ws://::1/", "ws://[h]/", "ws://[1.2.3.4]/", "ws://h h/", "ws://h%20h/", "ws://a..b/", "ws://.h/", "ws://h,i/", "ws://h/%zz",
		"ws://h/\r\nX: y", "ws://h\x00/", "ws://h/\xff", "ws://%FF/", "ws://☃.net/", "ws://a\u0308.net/", "ws://ﬀ.net/", "ws://ａ.net/", "ws://a。net/",
		"ws://" + strings.Repeat("a.", 130) + "a/", "ws://" + strings.Repeat("ü", 300) + "/", "ws://us:er:x@h:x/", "ws://a%3Ab:c@h/",
	} {
		if got, err := handshake.ParseTarget(url); err == nil {
			t.Errorf("ParseTarget(%.80q) = %+v, nil, want an error", url, got)
		}
	}
}

// An error says nothing that belongs to the user alone.
//
// Security 19.
func TestParseTargetSecret(t *testing.T) {
	for _, url := range []string{"ws://u:s3cret@h:x/s3cret?s3cret", "ws://u:s3cret@h/#", "http://u:s3cret@h", "ws://u:s3cret@h h/", "ws://u:s3cret/@h"} {
		if _, err := handshake.ParseTarget(url); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("ParseTarget(%q) = %v, want an error without the secret", url, err)
		}
	}
}

// Userinfo is Basic authentication (RFC 7617).
//
// Checks 6455-150.
func TestBasicAuth(t *testing.T) {
	for url, want := range map[string]string{
		"ws://h/":                "",
		"ws://Aladdin:open@h/":   "Basic QWxhZGRpbjpvcGVu",
		"ws://u@h/":              "Basic dTo=",
		"ws://u:a%3Ab%40c@h/":    "Basic dTphOmJAYw==",
		"ws://t%C3%A9st:123@h/p": "Basic dMOpc3Q6MTIz",
	} {
		got, err := handshake.ParseTarget(url)
		if err != nil || got.BasicAuth != want {
			t.Errorf("ParseTarget(%q).BasicAuth = %q, %v, want %q", url, got.BasicAuth, err, want)
		}
	}
}

// Redirects keep or raise security, and carry credentials nowhere else.
//
// Checks 6455-34.
func TestRedirect(t *testing.T) {
	for _, test := range []struct{ from, location, want, auth string }{
		{"ws://u:p@h/a/b?q", "c", "ws://h:80/a/c", "Basic dTpw"},
		{"ws://u:p@h/a", "/c?d", "ws://h:80/c?d", "Basic dTpw"},
		{"ws://u:p@h/a", "http://h/c", "ws://h:80/c", "Basic dTpw"},
		{"ws://u:p@h/a", "http://h:80/c", "ws://h:80/c", "Basic dTpw"},
		{"ws://u:p@h/a", "ws://H/c", "ws://h:80/c", "Basic dTpw"},
		{"ws://u:p@h/a", "//h/c", "ws://h:80/c", "Basic dTpw"},
		{"ws://u:p@h/a", "http://h:81/c", "ws://h:81/c", ""},
		{"ws://u:p@h/a", "http://i/c", "ws://i:80/c", ""},
		{"ws://u:p@h/a", "//i/c", "ws://i:80/c", ""},
		{"ws://u:p@h/a", "https://h/c", "wss://h:443/c", ""},
		{"ws://u:p@h:443/a", "https://h/c", "wss://h:443/c", ""},
		{"ws://h/a", "http://x:y@i/c", "ws://i:80/c", ""},
		{"ws://h/a", "http://x:y@h/c", "ws://h:80/c", ""},
		{"wss://u:p@h/a", "https://h/c", "wss://h:443/c", "Basic dTpw"},
		{"ws://h//a", "/ä", "ws://h:80/%C3%A4", ""},
		{"ws://[fe80::1%25eth0]/", "/c", "ws://[fe80::1%eth0]:80/c", ""},
	} {
		from, err := handshake.ParseTarget(test.from)
		if err != nil {
			t.Fatalf("ParseTarget(%q) = %v", test.from, err)
		}
		got, err := from.Redirect(test.location)
		if err != nil {
			t.Errorf("from %q Redirect(%q) = %v", test.from, test.location, err)
			continue
		}
		if url := got.Origin() + got.RequestURI; url != test.want || got.BasicAuth != test.auth {
			t.Errorf("from %q Redirect(%q) = %q, %q, want %q, %q", test.from, test.location, url, got.BasicAuth, test.want, test.auth)
		}
	}
	secure, err := handshake.ParseTarget("wss://h/")
	if err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"http://h/", "ws://h/", "http://h:443/", "ftp://h/", "/a#b", "://", "https://h:x/", "javascript:x"} {
		if got, err := secure.Redirect(location); err == nil {
			t.Errorf("from wss://h/ Redirect(%q) = %+v, nil, want an error", location, got)
		}
	}
}
