package transcript

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// Test plays all transcripts over a carrier. Every case runs six times: with the input
// of a step in one piece, cut in two, and byte by byte (long input by 997 bytes), and
// with an application that calls Read and one that handles events. It returns how many
// cases, in how many roles, go another way for each reason of the carrier.
func Test(t *testing.T, carrier Carrier) map[Reason]int {
	different := map[Reason]int{}
	for _, tr := range all(t) {
		for _, role := range tr.roles(t) {
			for _, reason := range carrier.reasons(role) {
				if tr.differs(t, role, reason) {
					different[reason]++
				}
			}
			for name, cut := range cuts {
				for mode, app := range applications {
					t.Run(fmt.Sprintf("%s/%v/%s/%s", tr.name, role, name, mode), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) { tr.play(t, carrier, role, cut, app) })
					})
				}
			}
		}
	}
	return different
}

// cuts are the ways to split input.
var cuts = map[string]func([]byte) [][]byte{
	"whole": func(b []byte) [][]byte { return [][]byte{b} },
	"half":  func(b []byte) [][]byte { return [][]byte{b[:len(b)/2], b[len(b)/2:]} },
	"bytes": func(b []byte) [][]byte {
		size := 1
		if len(b) > 2000 {
			size = 997
		}
		return slices.Collect(slices.Chunk(b, size))
	},
}

// A performance is one run of a case.
type performance struct {
	carrier          Carrier
	role             websocket.Role
	cut              func([]byte) [][]byte
	conn             *websocket.Conn
	stream           Stream
	app, calls, wire *recorder

	late time.Duration // how much time the latest step took that the transcript has not
}

func (tr transcript) play(t *testing.T, carrier Carrier, role websocket.Role, cut func([]byte) [][]byte, application func(*recorder, *websocket.Conn)) {
	p := &performance{carrier: carrier, role: role, cut: cut, app: &recorder{}, calls: &recorder{}, wire: &recorder{}}
	p.conn, p.stream = carrier.Open(t, role, tr.params(t, role), func(conn *websocket.Conn) { application(p.app, conn) })
	defer p.conn.CloseNow()
	defer func() { _ = p.stream.Close() }() // what it returns depends on how far the case has come
	go p.wire.frames(wstest.PeerOn(peerConn{Stream: p.stream}), role, carrier)
	for _, step := range tr.steps {
		synctest.Wait()
		p.do(t, step.do)
		want := step.outcomes(t, role, carrier.reasons(role))
		if p.app.handled { // Close returns at once
			want = withoutClosed(want)
		}
		if got := p.settle(len(want)); !slices.EqualFunc(got, want, matches) {
			t.Fatalf("line %d: %s\ngot:\n%s\nwant:\n%s", step.line, step.do,
				strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	<-time.After(carrier.Slack)
	if got := p.settle(0); len(got) > 0 {
		t.Fatalf("behind the last step:\n%s", strings.Join(got, "\n"))
	}
}

// do carries out a step.
func (p *performance) do(t *testing.T, step string) {
	verb, arg, _ := strings.Cut(step, " ")
	switch verb {
	case "recv":
		for _, piece := range p.cut(items(t, arg, p.role)) {
			if _, err := p.stream.Write(piece); err != nil {
				return // the connection has closed already, as some cases want
			}
			synctest.Wait()
		}
	case "eof":
		_ = p.stream.CloseWrite() // the connection may have closed already
	case "wait":
		<-time.After(duration(t, arg) - p.late)
	default:
		p.calls.call(t, p.conn, verb, arg)
	}
}

// settle returns what has happened since it was called last. If that is less than is
// wanted, it waits as long as the carrier may take.
func (p *performance) settle(wanted int) []string {
	const tick = time.Millisecond
	var app, calls, wire []string
	for p.late = 0; ; p.late += tick {
		synctest.Wait()
		app, calls, wire = append(app, p.app.take()...), append(calls, p.calls.take()...), append(wire, p.wire.take()...)
		got := slices.Concat(app, calls, wire)
		if p.app.handled {
			got = withoutClosed(got)
		}
		if len(got) >= wanted || p.late >= p.carrier.Slack {
			return got
		}
		<-time.After(tick)
	}
}

// A peerConn is a Stream for wstest.PeerOn, which reads and writes alone.
type peerConn struct {
	net.Conn
	Stream
}

func (c peerConn) Read(p []byte) (int, error)  { return c.Stream.Read(p) }
func (c peerConn) Write(p []byte) (int, error) { return c.Stream.Write(p) }
func (c peerConn) Close() error                { return c.Stream.Close() }

func withoutClosed(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "event closed") })
}

// matches reports whether got is want, or begins as want does before its "...".
func matches(got, want string) bool {
	if prefix, ok := strings.CutSuffix(want, "..."); ok {
		return strings.HasPrefix(got, prefix)
	}
	return got == want
}
