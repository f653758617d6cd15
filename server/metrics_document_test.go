package server

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// docs/reference/metrics.md lists each metric of the server, with its labels and what it
// says of itself, and no other.
func TestMetricsDocument(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			listed = append(listed, strings.TrimSpace(line))
		}
	}
	s := start(t, Config{InsecurePublic: true})
	s.closeAndWait(s.connect(), websocket.CloseNormal) // a vector without a series does not show
	found := s.metricRows()
	slices.Sort(listed)
	if !slices.Equal(listed, found) {
		t.Errorf("metrics.md has\n%s\nthe server has\n%s", strings.Join(listed, "\n"), strings.Join(found, "\n"))
	}
}

// metricRows returns the server's own metrics as rows of the page, in their order.
func (s *site) metricRows() (rows []string) {
	s.t.Helper()
	_, text := s.do("GET", "/metrics", "")
	help, kind, labels := map[string]string{}, map[string]string{}, map[string]string{}
	for line := range strings.Lines(text) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 4)
		switch {
		case words[0] == "#" && words[1] == "HELP":
			help[words[2]] = words[3]
		case words[0] == "#":
			kind[words[2]] = words[3]
		default:
			name, label, _ := strings.Cut(words[0], "{")
			labels[name], _, _ = strings.Cut(label, "=")
		}
	}
	for name := range help {
		if !strings.HasPrefix(name, "ropewalk_") {
			continue
		}
		series := name
		if labels[name] != "" {
			series += "{" + labels[name] + "}"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", series, kind[name], help[name]))
	}
	slices.Sort(rows)
	return rows
}

// Slow consumers, recoveries and what is there show in the metrics.
func TestMetricsCountChannels(t *testing.T) {
	s := start(t, Config{})
	a := s.connect()
	a.send(`{"id":2,"subscribe":{"channel":"news"}}`)
	begin := a.receive().Subscribe.Position
	a.send(`{"id":3,"subscribe":{"pattern":"ne*"}}`)
	a.receive()
	s.publish(publishBody)
	b := s.connect()
	b.send(fmt.Sprintf(`{"id":2,"subscribe":{"channel":"news","from":{"epoch":%q,"offset":%d}}}`, begin.Epoch, begin.Offset))
	b.receive()
	b.send(`{"id":3,"unsubscribe":{"channel":"news"}}`)
	for b.receive().ID != 3 {
	}
	b.send(`{"id":4,"subscribe":{"channel":"news","from":{"epoch":"another","offset":1}}}`)
	b.receive()
	s.stats.Disconnected.Add(1)
	s.stats.Lagged.Add(2)
	s.stats.Dropped.Add(3)
	s.stats.Conflated.Add(4)
	s.stats.Latest.Add(5)
	s.expect(map[string]string{
		"ropewalk_channels": "1", "ropewalk_subscriptions": "2", "ropewalk_patterns": "1", "ropewalk_publications_total": "1",
		`ropewalk_recoveries_total{from="broker"}`:                 "1",
		`ropewalk_recoveries_total{from="failed"}`:                 "1",
		`ropewalk_slow_consumers_total{outcome="disconnected"}`:    "1",
		`ropewalk_slow_consumers_total{outcome="lagged"}`:          "2",
		`ropewalk_publications_left_out_total{reason="dropped"}`:   "3",
		`ropewalk_publications_left_out_total{reason="conflated"}`: "4",
		`ropewalk_publications_left_out_total{reason="latest"}`:    "5",
		"ropewalk_gaps_total":                                      "0", "ropewalk_sessions_away": "0", "ropewalk_tail_bytes": "0",
	})
}
