package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

const publishBody = `{"channel":"news","data":1}`

// An entrance is one of the server's routes, with what a page elsewhere gets from it.
type entrance struct {
	pattern string
	method  string
	path    string
	own     int  // the answer to the server's own pages
	foreign int  // the answer to pages of other origins
	clients bool // pages of the configured origins may use it, too
	public  bool // pages of all origins may read it
}

// allRoutes is every route there is. Who adds one says here who may use it.
var allRoutes = []entrance{
	{pattern: "/connection/websocket", method: "GET", path: "/connection/websocket", own: 101, foreign: 403, clients: true},
	{pattern: "/connection/sse", method: "GET", path: `/connection/sse?connect={}`, own: 200, foreign: 403, clients: true},
	{pattern: "/connection/stream", method: "POST", path: "/connection/stream", own: 200, foreign: 403, clients: true},
	{pattern: "/connection/poll", method: "POST", path: "/connection/poll", own: 200, foreign: 403, clients: true},
	{pattern: "/connection/commands", method: "POST", path: "/connection/commands", own: 404, foreign: 403, clients: true},
	{pattern: "/sse", method: "GET", path: "/sse?channel=a", own: 200, foreign: 403, clients: true},
	{pattern: "/api/{method}", method: "POST", path: "/api/publish", own: 200, foreign: 403},
	{pattern: "/ropewalk.api.v1.Api/{method}", method: "POST", path: "/ropewalk.api.v1.Api/Info", own: 200, foreign: 403},
	// These change nothing, and a page of another origin cannot read the answer.
	{pattern: "GET /health", method: "GET", path: "/health", own: 200, foreign: 200},
	{pattern: "GET /live", method: "GET", path: "/live", own: 200, foreign: 200},
	{pattern: "GET /metrics", method: "GET", path: "/metrics", own: 200, foreign: 200},
	{pattern: "GET /ropewalk.js", method: "GET", path: "/ropewalk.js", own: 200, foreign: 200, public: true},
	{pattern: "GET /{$}", method: "GET", path: "/", own: 200, foreign: 200},
	{pattern: "GET /console/app.js", method: "GET", path: "/console/app.js", own: 200, foreign: 200},
	{pattern: "GET /console/log.js", method: "GET", path: "/console/log.js", own: 200, foreign: 200},
	{pattern: "GET /console/presence.js", method: "GET", path: "/console/presence.js", own: 200, foreign: 200},
	{pattern: "GET /console/style.css", method: "GET", path: "/console/style.css", own: 200, foreign: 200},
}

// A route that nobody has listed above fails here.
//
// Security 10.
func TestRouteInventory(t *testing.T) {
	srv, err := New(Config{Dev: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	all, err := srv.routes()
	if err != nil {
		t.Fatal(err)
	}
	var listed, found []string
	for _, r := range allRoutes {
		listed = append(listed, r.pattern)
	}
	for _, r := range all {
		found = append(found, r.pattern)
	}
	slices.Sort(listed)
	slices.Sort(found)
	if !slices.Equal(found, listed) {
		t.Errorf("the server has the routes %q, want those of the table: %q", found, listed)
	}
}

// foreign lists Origin headers of pages that are not of the server at addr.
func foreign(t *testing.T, addr string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"https://evil.example",
		"null",
		"",
		"http://" + host,               // another port
		"http://" + host + ":1" + port, // a port with this one in it
		"http://" + host + ".evil.example:" + port,  // this host is a prefix
		"http://x" + host + ":" + port,              // and a suffix
		"http://evil.example:" + port,               // the port alone
		"http://localhost:" + port,                  // another name of it
		"http://" + addr + "@evil.example",          // it is the userinfo
		"http://user@" + addr,                       // it has a userinfo
		"http://user:password@evil.example:" + port, //
		"http://evil.example/" + addr,               // it is the path
		"http://" + addr + "/",                      // an origin has no path
		"ws://" + addr,                              // no page has such a scheme
		"ftp://" + addr,
		"file://" + addr,
		"file://",
		addr,
		"//" + addr,
		"http:" + addr,
		"http://" + addr + " http://evil.example",
		"http://evil.example, http://" + addr,
	}
}

// visit asks for a route as a page of that origin would, and returns the status.
func (s *site) visit(r entrance, host string, origin ...string) int {
	s.t.Helper()
	if r.path == "/connection/websocket" {
		conn, resp, err := websocket.Dial(s.t.Context(), s.wsURL(), &websocket.DialOptions{
			Host: host, HTTPHeader: http.Header{"Origin": origin},
		})
		if err == nil {
			conn.CloseNow()
			return http.StatusSwitchingProtocols
		}
		if resp == nil {
			s.t.Fatalf("Dial with Origin %q = %v, want an answer", origin, err)
		}
		return resp.StatusCode
	}
	body := ""
	if r.method == "POST" {
		body = publishBody
	}
	req, err := http.NewRequestWithContext(s.t.Context(), r.method, "http://"+s.addr+r.path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = host
	req.Header = http.Header{"Content-Type": {"application/json"}, "Origin": origin}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close() // some never end
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") && !r.public && (!r.clients || resp.StatusCode == r.foreign) {
			s.t.Errorf("%s %s: the answer has %s, want nothing that opens it to other pages", r.method, r.path, name)
		}
	}
	return resp.StatusCode
}

// Pages of other origins neither connect nor publish, and read nothing. The
// server's own do, and so do programs, which send no Origin.
//
// Security 10, 11.
func TestOrigins(t *testing.T) {
	s := start(t, Config{Dev: true})
	for _, r := range allRoutes {
		if got := s.visit(r, ""); got != r.own {
			t.Errorf("%s without Origin = %d, want %d", r.pattern, got, r.own)
		}
		// TLS may have ended at a proxy, so that the own page may be https.
		for _, origin := range []string{"http://" + s.addr, "https://" + s.addr} {
			if got := s.visit(r, "", origin); got != r.own {
				t.Errorf("%s with Origin %q = %d, want %d", r.pattern, origin, got, r.own)
			}
		}
		for _, origin := range foreign(t, s.addr) {
			if got := s.visit(r, "", origin); got != r.foreign {
				t.Errorf("%s with Origin %q = %d, want %d", r.pattern, origin, got, r.foreign)
			}
		}
		if got := s.visit(r, "", "http://"+s.addr, "http://evil.example"); got != r.foreign {
			t.Errorf("%s with two Origin lines = %d, want %d", r.pattern, got, r.foreign)
		}
	}
}

// Origins that the configuration allows may connect, compared by scheme, host and
// port; a "*." stands for one label. They are for clients, not for back ends.
//
// Security 10, 11.
func TestConfiguredOrigins(t *testing.T) {
	s := start(t, Config{Origins: []string{"https://app.example", "https://*.b.example:8443"}})
	for _, c := range []struct {
		origin  string
		allowed bool
	}{
		{"https://app.example", true},
		{"https://APP.example", true},
		{"https://app.example:443", true},
		{"http://app.example", false},
		{"https://app.example:8443", false},
		{"https://x.app.example", false},
		{"https://xapp.example", false},
		{"https://app.example.evil.example", false},
		{"https://app.example@evil.example", false},
		{"https://a.b.example:8443", true},
		{"https://a.b.example", false},
		{"https://b.example:8443", false},
		{"https://a.a.b.example:8443", false},
		{"https://.b.example:8443", false},
		{"https://ab.example:8443", false},
	} {
		for _, r := range allRoutes {
			want := r.foreign
			if c.allowed && r.clients {
				want = r.own
			}
			if got := s.visit(r, "", c.origin); r.method != "GET" && got != want || r.clients && got != want {
				t.Errorf("%s with Origin %q = %d, want %d", r.pattern, c.origin, got, want)
			}
		}
	}
}

// A form of another page sends what needs no permission of the server: those
// content types are refused, also where the browser sends no Origin.
//
// Security 10.
func TestCrossSiteForm(t *testing.T) {
	s := start(t, Config{})
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		resp, body := s.do("POST", "/api/publish", publishBody, "Content-Type", contentType)
		if resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("POST of %q = %d %s, want 415", contentType, resp.StatusCode, body)
		}
		resp, body = s.do("POST", "/api/publish", publishBody, "Content-Type", contentType, "Origin", "https://evil.example")
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("POST of %q from elsewhere = %d %s, want 403", contentType, resp.StatusCode, body)
		}
	}
	// What a browser asks before it lets a page send JSON elsewhere.
	resp, _ := s.do("OPTIONS", "/api/publish", "", "Origin", "https://evil.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("OPTIONS = %d %v, want 405 and no permission", resp.StatusCode, resp.Header)
	}
}

// A page whose own name is made to point here (DNS rebinding) is of the origin that
// it asks for. The Host header tells.
//
// Security 10.
func TestHosts(t *testing.T) {
	s := start(t, Config{Dev: true, Hosts: []string{"Chat.example"}})
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host string
		want bool
	}{
		{s.addr, true},
		{"localhost:" + port, true},
		{"LOCALHOST.:" + port, true},
		{"a.localhost", true},
		{"[::1]:" + port, true},
		{"[::1]", true},
		{"192.0.2.7", true},
		{"chat.example:" + port, true},
		{"CHAT.example.", true},
		{"evil.example", false},
		{"evil.example:" + port, false},
		{"x.chat.example", false},
		{"chat.example.evil.example", false},
		{"localhost.evil.example", false},
		{"evillocalhost", false},
		{"127.0.0.1.evil.example", false},
	} {
		for _, r := range allRoutes {
			got := s.visit(r, c.host, "http://"+strings.ToLower(c.host)) != http.StatusMisdirectedRequest
			if got != c.want {
				t.Errorf("%s with Host %q: served = %v, want %v", r.pattern, c.host, got, c.want)
			}
		}
	}
}

// On addresses that others reach, the Host is looked at once hosts are configured.
func TestHostsInPublic(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		want  int
	}{
		{nil, http.StatusOK},
		{[]string{"chat.example"}, http.StatusMisdirectedRequest},
	} {
		srv, err := New(Config{Listen: "0.0.0.0:0", InsecurePublic: true, Hosts: c.hosts}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		srv.http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://other.example/health", nil))
		if w.Code != c.want {
			t.Errorf("hosts %q: Host other.example = %d, want %d", c.hosts, w.Code, c.want)
		}
	}
}

// What a route does not do is refused, and without Dev there is no page.
//
// Security 12.
func TestMethodsAndPaths(t *testing.T) {
	s := start(t, Config{})
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/health", 405},
		{"DELETE", "/metrics", 405},
		{"GET", "/api/publish", 405},
		{"PUT", "/api/publish", 405},
		{"POST", "/connection/websocket", 405},
		{"GET", "/connection/websocket", 426},
		{"GET", "/connection/websocket/", 404},
		{"GET", "/connection", 404},
		{"GET", "/api", 404},
		{"GET", "/debug/pprof/", 404},
		{"GET", "/", 404},
		{"GET", "/console/app.js", 404},
		{"HEAD", "/health", 200},
	} {
		if resp, body := s.do(c.method, c.path, ""); resp.StatusCode != c.want {
			t.Errorf("%s %s = %d %s, want %d", c.method, c.path, resp.StatusCode, body, c.want)
		}
	}
}

// Behind an answer to an Upgrade that is not 101 the connection ends, whatever
// the route: what follows is not taken for a request.
//
// Security 6.
func TestRefusedUpgradeEnds(t *testing.T) {
	s := start(t, Config{Dev: true})
	paths := []string{"/nowhere", "//health"}
	for _, r := range allRoutes {
		path, _, _ := strings.Cut(r.path, "?") // with what they want, some never end
		paths = append(paths, path)
	}
	for _, path := range paths {
		for _, host := range []string{s.addr, "evil.example"} {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+
				"GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", path, host, s.addr)
			answers := bufio.NewReader(conn)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("GET %s with Upgrade: %v", path, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if next, err := http.ReadResponse(answers, nil); resp.StatusCode == http.StatusSwitchingProtocols || err == nil {
				t.Errorf("GET %s with Upgrade, Host %s = %d, then %v, want a refusal and the end", path, host, resp.StatusCode, next)
			}
			conn.Close()
		}
	}
}

// A load balancer may ask without a host, as HTTP/1.0 allows.
func TestHostlessHealth(t *testing.T) {
	s := start(t, Config{})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /health = %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}
