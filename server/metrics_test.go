package server

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/websocket"
)

// scrape returns the values of /metrics by series: name{label="value"}.
func (s *site) scrape() map[string]string {
	s.t.Helper()
	resp, text := s.do("GET", "/metrics", "")
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET /metrics = %d %s", resp.StatusCode, text)
	}
	series := make(map[string]string)
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); line[0] != '#' && i >= 0 {
			series[line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	return series
}

// expect compares series with what they should be.
func (s *site) expect(want map[string]string) {
	s.t.Helper()
	got := s.scrape()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			s.t.Errorf("%s = %q, want %q", name, got[name], want[name])
		}
	}
}

// closeAndWait closes a connection from the client's side and waits until the
// server has counted its end.
func (s *site) closeAndWait(p peer, code websocket.CloseCode) {
	s.t.Helper()
	if err := p.Close(code, ""); err != nil {
		s.t.Fatalf("Close = %v", err)
	}
	s.connections.Wait()
}

func TestMetricsCountConnections(t *testing.T) {
	s := start(t, Config{})
	a, b := s.connect(), s.connect()
	a.send(`{"id":2,"subscribe":{"channel":"news"}}`)
	a.receive()
	s.expect(map[string]string{"ropewalk_connections": "2", "ropewalk_sessions": "2", "ropewalk_channels": "1"})
	if err := b.Close(4321, "odd"); err != nil {
		t.Fatal(err)
	}
	s.closeAndWait(a, websocket.CloseNormal)
	c := s.connect()
	c.send("this is no command")
	for { // the push, then the end
		if _, _, err := c.Read(t.Context()); err != nil {
			break
		}
	}
	s.connections.Wait()
	s.expect(map[string]string{
		"ropewalk_connections": "0", "ropewalk_sessions": "0", "ropewalk_channels": "0",
		`ropewalk_closes_total{code="1000"}`:      "1",
		`ropewalk_closes_total{code="4100"}`:      "1",
		`ropewalk_closes_total{code="other"}`:     "1",
		`ropewalk_handshakes_total{status="101"}`: "3",
	})
}

func TestMetricsCountMessages(t *testing.T) {
	s := start(t, Config{})
	conn, _, err := websocket.Dial(t.Context(), s.wsURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	in, out := 0, 0
	commands := []string{`{"id":1,"connect":{}}`, `{"id":2,"ping":{}}`, `{"id":3,"subscribe":{"channel":"é"}}`}
	for _, command := range commands {
		if err := conn.Write(t.Context(), websocket.Text, []byte(command)); err != nil {
			t.Fatal(err)
		}
		in += len(command)
		_, reply, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out += len(reply)
	}
	s.publish(`{"channel":"é","data":"for nobody else"}`)
	_, push, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.closeAndWait(peer{conn, t}, websocket.CloseNormal)
	s.expect(map[string]string{
		`ropewalk_messages_total{direction="in"}`:  strconv.Itoa(len(commands)),
		`ropewalk_messages_total{direction="out"}`: strconv.Itoa(len(commands) + 1),
		`ropewalk_bytes_total{direction="in"}`:     strconv.Itoa(in),
		`ropewalk_bytes_total{direction="out"}`:    strconv.Itoa(out + len(push)),
	})
}

func TestMetricsCountHandshakes(t *testing.T) {
	s := start(t, Config{})
	const path = "/connection/websocket"
	s.do("POST", path, "")
	s.do("GET", path, "")
	s.do("GET", path, "", "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "12", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	s.do("GET", path, "", "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "short")
	s.visit(allRoutes[0], "", "https://evil.example")
	s.closeAndWait(s.connect(), websocket.CloseNormal)
	s.expect(map[string]string{
		`ropewalk_handshakes_total{status="101"}`: "1",
		`ropewalk_handshakes_total{status="400"}`: "1",
		`ropewalk_handshakes_total{status="403"}`: "1",
		`ropewalk_handshakes_total{status="405"}`: "1",
		`ropewalk_handshakes_total{status="426"}`: "2",
		`ropewalk_connections`:                    "0",
	})
}

// oddities does once everything that has a name, a number or a text chosen by a
// client in it. Different n choose differently.
func (s *site) oddities(n int) {
	s.t.Helper()
	p := s.connect()
	channel := fmt.Sprintf(`odd-%d-\"}\\n{\u202e`, n)
	p.send(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"%s"}}`, channel))
	p.receive()
	p.send(fmt.Sprintf(`{"id":%d,"odd-%d":{}}`, n+3, n))
	p.receive()
	s.publish(fmt.Sprintf(`{"channel":"%s","data":%d,"id":"odd-%d\n"}`, channel, n, n))
	p.receive()
	s.closeAndWait(p, websocket.CloseCode(3000+n%1000))
	s.do("POST", "/api/publish", fmt.Sprintf(`{"odd-%d\u001b\n":1}`, n), "Content-Type", "application/json")
	s.do("ODD", "/connection/websocket?odd="+url.QueryEscape(fmt.Sprintf("%d\n\x1b", n)), "")
	s.do("GET", "/odd/"+url.PathEscape(fmt.Sprintf("%d\n\x1b]0;", n)), "")
	s.do("GET", "/health", "", "Host", fmt.Sprintf("odd-%d.example", n))
	_, _, err := websocket.Dial(s.t.Context(), s.wsURL(), &websocket.DialOptions{HTTPHeader: http.Header{
		"Origin": {fmt.Sprintf("http://odd-%d\u202e.example level=ERROR msg=\"forged\"", n)},
	}})
	if err == nil {
		s.t.Fatal("Dial with an odd origin succeeded")
	}
}

// What clients choose is no label: after 1,000 more channels, ids, commands,
// methods, paths, hosts, origins and close codes there is not one series more, and
// none of it stands in a series or raw in the log.
//
// Security 28.
func TestMetricsHaveFixedSeries(t *testing.T) {
	s := start(t, Config{})
	s.oddities(0)
	before := slices.Sorted(maps.Keys(s.scrape()))
	for n := range 1000 {
		s.oddities(n + 1)
	}
	after := slices.Sorted(maps.Keys(s.scrape()))
	if !slices.Equal(before, after) {
		t.Errorf("series = %q, want those from before: %q", after, before)
	}
	if all := strings.Join(after, "\n"); strings.Contains(all, "odd") || strings.Contains(all, "ODD") {
		t.Errorf("series name what clients have sent: %s", all)
	}
	log := s.log.String()
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, ` msg="forged"`) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("log line %q, want one of the server's own, without control characters", line)
		}
	}
	if !strings.Contains(log, "opening handshake refused") {
		t.Error("the log says nothing of refused handshakes")
	}
}

// Close codes that the protocols have are told apart, others are not.
func TestCloseLabel(t *testing.T) {
	want := map[uint16]string{0: "other", 999: "other", 1016: "other", 2999: "other", 3000: "other", 4999: "other", 65535: "other"}
	for code := uint16(1000); code <= 1015; code++ {
		want[code] = strconv.Itoa(int(code))
	}
	for _, d := range native.Disconnects {
		want[uint16(d.Code)] = strconv.Itoa(int(d.Code))
	}
	for code, label := range want {
		if got := closeLabel(code); got != label {
			t.Errorf("closeLabel(%d) = %q, want %q", code, got, label)
		}
	}
}

// A setting that gives up protection shows in the metrics and in the log.
//
// Security 20.
func TestInsecureSettings(t *testing.T) {
	const series = `ropewalk_insecure_settings{setting="insecure_public"}`
	for _, c := range []struct {
		insecure bool
		want     string
	}{{false, ""}, {true, "1"}} {
		s := start(t, Config{InsecurePublic: c.insecure})
		if got := s.scrape()[series]; got != c.want {
			t.Errorf("InsecurePublic %v: %s = %q, want %q", c.insecure, series, got, c.want)
		}
		if got := strings.Contains(s.log.String(), "setting=insecure_public"); got != c.insecure {
			t.Errorf("InsecurePublic %v: the log has %s", c.insecure, s.log)
		}
	}
}

// A connection that breaks without a Close frame counts as 1006.
func TestMetricsCountBrokenConnections(t *testing.T) {
	s := start(t, Config{})
	p := s.connect()
	p.CloseNow()
	if _, _, err := p.Read(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Read = %v, want net.ErrClosed", err)
	}
	s.connections.Wait()
	s.expect(map[string]string{`ropewalk_closes_total{code="1006"}`: "1", "ropewalk_connections": "0"})
}
