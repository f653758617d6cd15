package websocket_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// TestTranscripts replays testdata/transcripts: what a peer sends, and what the
// connection must make of it. Every case runs six times: with the input of a
// step in one piece, cut in two, and byte by byte (long input by 997 bytes), and
// with an application that calls Read and one that handles events. The
// rows of the conformance table stand in the files.
//
// A case is a block of lines. The first names the role that the connection plays
// (server, client, or both for once each) and options (deflate, no-takeover,
// server-no-takeover, client-no-takeover, max=N, fragments=N, control=N,
// time=DURATION). The server's pings are off. The option $=A,B,... runs the
// case once for each value, with $ replaced by it. Steps follow, each with what it
// must cause behind "----":
//
//	recv ITEM...           the peer sends, in one piece, bytes in HEX and frames:
//	                       [HH PAYLOAD] is one whose first byte is HH, masked as it
//	                       is due
//	write text|binary PAYLOAD            the application sends a message
//	write-plain text|binary PAYLOAD      ... that is not to be compressed
//	stream text|binary PAYLOAD...        ... in fragments
//	ping                   the application pings
//	close CODE [REASON]    the application starts the closing handshake
//	wait DURATION          time passes
//	eof                    the peer ends its side of the transport
//
//	event text|binary PAYLOAD   the application reads a message
//	event close CODE            ... or the end, as CloseError says it: "by us" unless remote
//	event pong DURATION         Ping returns
//	event closed [ERROR]        Close returns
//	event error ERROR           another call fails
//	send HH PAYLOAD        the peer receives this frame, shown without its mask
//	send close CODE TEXT   ... a Close frame
//	end                    the peer sees the end of the transport
//
// A payload is "quoted", hex:... or the close code code:N, and *N behind it repeats
// it. Outcomes stand in the order: what the application reads, what its calls
// return, what the peer sees. One that ends in "..." is the start of one, and one
// behind "server:" or "client:" is of that role alone.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob(transcripts) = %v, %v", files, err)
	}
	for _, file := range files {
		for _, tr := range readTranscripts(t, file) {
			for _, role := range tr.roles(t) {
				for name, cut := range cuts {
					for mode, app := range applications {
						t.Run(fmt.Sprintf("%s:%d%s/%v/%s/%s", filepath.Base(file), tr.line, tr.value, role, name, mode), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { tr.run(t, role, cut, app) })
						})
					}
				}
			}
		}
	}
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

type transcript struct {
	line    int
	value   string // of $, with "=" before it
	options []string
	steps   []transcriptStep
}

type transcriptStep struct {
	line int
	do   string
	want []string
}

func readTranscripts(t *testing.T, file string) (all []transcript) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tr *transcript
	wanted := false
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			tr = nil
		case tr == nil:
			all = append(all, transcript{line: i + 1, options: strings.Fields(line)})
			tr, wanted = &all[len(all)-1], false
		case line == "----":
			wanted = true
		case isOutcome(line) && wanted:
			step := &tr.steps[len(tr.steps)-1]
			step.want = append(step.want, line)
		default:
			tr.steps = append(tr.steps, transcriptStep{line: i + 1, do: line})
			wanted = false
		}
	}
	return expand(all)
}

// expand replaces the cases that have values of $ by one for each.
func expand(all []transcript) (expanded []transcript) {
	for _, tr := range all {
		i := slices.IndexFunc(tr.options, func(o string) bool { return strings.HasPrefix(o, "$=") })
		if i < 0 {
			expanded = append(expanded, tr)
			continue
		}
		for value := range strings.SplitSeq(tr.options[i][2:], ",") {
			one := transcript{line: tr.line, value: "=" + value}
			one.options = slices.Concat(tr.options[:i], tr.options[i+1:])
			for _, step := range tr.steps {
				step.do = strings.ReplaceAll(step.do, "$", value)
				step.want = slices.Clone(step.want)
				for j := range step.want {
					step.want[j] = strings.ReplaceAll(step.want[j], "$", value)
				}
				one.steps = append(one.steps, step)
			}
			expanded = append(expanded, one)
		}
	}
	return expanded
}

func isOutcome(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"event", "send", "end", "server:", "client:"}, verb)
}

// outcomes returns what the step must cause in one role.
func (s transcriptStep) outcomes(t *testing.T, role websocket.Role) (want []string) {
	for _, line := range s.want {
		if who, rest, ok := strings.Cut(line, ": "); ok && isRole(who) {
			if who != role.String() {
				continue
			}
			line = rest
		}
		want = append(want, canonical(t, line))
	}
	return want
}

func isRole(s string) bool { return s == "server" || s == "client" }

func (tr transcript) roles(t *testing.T) []websocket.Role {
	switch tr.options[0] {
	case "server":
		return []websocket.Role{websocket.Server}
	case "client":
		return []websocket.Role{websocket.Client}
	case "both":
		return []websocket.Role{websocket.Server, websocket.Client}
	}
	t.Fatalf("line %d: no role in %q", tr.line, tr.options)
	return nil
}

func (tr transcript) params(t *testing.T, role websocket.Role) websocket.Params {
	params := websocket.Params{CompressionThreshold: -1}
	if role == websocket.Server {
		params.KeepAlive.Interval = -1
	}
	for _, option := range tr.options[1:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "deflate":
			params.Deflate = &websocket.DeflateParams{}
		case "no-takeover":
			params.Deflate = &websocket.DeflateParams{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
		case "server-no-takeover":
			params.Deflate = &websocket.DeflateParams{ServerNoContextTakeover: true}
		case "client-no-takeover":
			params.Deflate = &websocket.DeflateParams{ClientNoContextTakeover: true}
		case "max":
			params.Limits.MaxMessageSize = int64(number(t, value))
		case "fragments":
			params.Limits.MaxFragments = number(t, value)
		case "control":
			params.Limits.MaxControlRate = number(t, value)
		case "time":
			params.Limits.MaxMessageTime = duration(t, value)
		default:
			t.Fatalf("line %d: unknown option %q", tr.line, option)
		}
	}
	return params
}

func (tr transcript) run(t *testing.T, role websocket.Role, cut func([]byte) [][]byte, application func(*recorder, *websocket.Conn)) {
	conn, peer := wstest.NewPeer(role, tr.params(t, role))
	defer conn.CloseNow()
	defer peer.Stream().Close()
	app, calls, wire := &recorder{}, &recorder{}, &recorder{}
	go application(app, conn)
	go wire.frames(peer, role)
	for _, step := range tr.steps {
		verb, arg, _ := strings.Cut(step.do, " ")
		switch verb {
		case "recv":
			for _, piece := range cut(items(t, arg, role)) {
				if peer.Send(piece) != nil {
					break // the connection has closed already, as some cases want
				}
				synctest.Wait()
			}
		case "eof":
			peer.Stream().(interface{ CloseWrite() error }).CloseWrite()
		case "wait":
			<-time.After(duration(t, arg))
		default:
			calls.call(t, conn, verb, arg)
		}
		synctest.Wait()
		got := slices.Concat(app.take(), calls.take(), wire.take())
		want := step.outcomes(t, role)
		if app.handled { // Close returns at once
			got, want = withoutClosed(got), withoutClosed(want)
		}
		if !slices.EqualFunc(got, want, matches) {
			t.Fatalf("line %d: %s\ngot:\n%s\nwant:\n%s", step.line, step.do,
				strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

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

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
