package websocket_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// TestTranscripts replays testdata/transcripts: what a peer sends, and what the
// connection must make of it. Every case runs three times: with the input of a
// step in one piece, cut in two, and byte by byte. The rows of the conformance
// table stand in the files.
//
// A case is a block of lines. The first names the role and options (deflate,
// no-takeover, max=N, fragments=N, control=N). Steps follow, each with what it
// must cause behind "----":
//
//	recv HEX...            the peer sends these bytes
//	write text|binary STR  the application sends a message
//	close CODE [REASON]    the application starts the closing handshake
//	wait DURATION          time passes
//	eof                    the peer ends its side of the transport
//
//	event text|binary STR  the application reads a message ("..." quoted, or hex:...)
//	event close CODE       ... or the end, as CloseError says it: "by us" unless remote
//	send HEX               the peer receives this frame, shown without its mask
//	send close CODE TEXT   ... a Close frame
//	end                    the peer sees the end of the transport
//
// An outcome that ends in "..." is the start of one.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob(transcripts) = %v, %v", files, err)
	}
	for _, file := range files {
		for _, tr := range readTranscripts(t, file) {
			for name, cut := range map[string]func([]byte) [][]byte{
				"whole": func(b []byte) [][]byte { return [][]byte{b} },
				"half":  func(b []byte) [][]byte { return [][]byte{b[:len(b)/2], b[len(b)/2:]} },
				"bytes": func(b []byte) (all [][]byte) {
					for i := range b {
						all = append(all, b[i:i+1])
					}
					return all
				},
			} {
				t.Run(fmt.Sprintf("%s:%d/%s", filepath.Base(file), tr.line, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { tr.run(t, cut) })
				})
			}
		}
	}
}

type transcript struct {
	line    int
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
	return all
}

func isOutcome(line string) bool {
	return line == "end" || strings.HasPrefix(line, "event ") || strings.HasPrefix(line, "send ")
}

func (tr transcript) run(t *testing.T, cut func([]byte) [][]byte) {
	role, params := tr.params(t)
	conn, peer := wstest.NewPeer(role, params)
	defer conn.CloseNow()
	defer peer.Stream().Close()
	app, wire := &recorder{}, &recorder{}
	go app.messages(conn)
	go wire.frames(peer, role)
	for _, step := range tr.steps {
		verb, arg, _ := strings.Cut(step.do, " ")
		switch verb {
		case "recv":
			b, err := hex.DecodeString(strings.ReplaceAll(arg, " ", ""))
			if err != nil {
				t.Fatalf("line %d: %v", step.line, err)
			}
			for _, piece := range cut(b) {
				if peer.Send(piece) != nil {
					break // the connection has closed already, as some cases want
				}
				synctest.Wait()
			}
		case "write":
			typ, s, _ := strings.Cut(arg, " ")
			if err := conn.Write(t.Context(), messageType(typ), unquote(t, s)); err != nil {
				wire.add("error " + err.Error())
			}
		case "close":
			code, reason, _ := strings.Cut(arg, " ")
			n, err := strconv.Atoi(code)
			if err != nil {
				t.Fatalf("line %d: %v", step.line, err)
			}
			go conn.Close(websocket.CloseCode(n), reason)
		case "wait":
			d, err := time.ParseDuration(arg)
			if err != nil {
				t.Fatalf("line %d: %v", step.line, err)
			}
			<-time.After(d)
		case "eof":
			peer.Stream().(interface{ CloseWrite() error }).CloseWrite()
		default:
			t.Fatalf("line %d: unknown step %q", step.line, step.do)
		}
		synctest.Wait()
		got := append(app.take(), wire.take()...)
		if !slices.EqualFunc(got, step.want, matches) {
			t.Fatalf("line %d: %s\ngot:\n%s\nwant:\n%s", step.line, step.do,
				strings.Join(got, "\n"), strings.Join(step.want, "\n"))
		}
	}
}

// matches reports whether got is want, or begins as want does before its "...".
func matches(got, want string) bool {
	if prefix, ok := strings.CutSuffix(want, "..."); ok {
		return strings.HasPrefix(got, prefix)
	}
	return got == want
}

func (tr transcript) params(t *testing.T) (websocket.Role, websocket.Params) {
	role := websocket.Server
	params := websocket.Params{
		CompressionThreshold: -1,
		KeepAlive:            websocket.KeepAlive{Interval: -1},
	}
	for _, option := range tr.options {
		name, value, _ := strings.Cut(option, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "server":
		case "client":
			role = websocket.Client
		case "deflate":
			params.Deflate = &websocket.DeflateParams{}
		case "no-takeover":
			params.Deflate = &websocket.DeflateParams{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
		case "max":
			params.Limits.MaxMessageSize = int64(n)
		case "fragments":
			params.Limits.MaxFragments = n
		case "control":
			params.Limits.MaxControlRate = n
		default:
			t.Fatalf("line %d: unknown option %q", tr.line, option)
		}
	}
	return role, params
}

// A recorder notes what happens on one side, as lines of a transcript. Its owner
// reads it when all goroutines of the bubble are blocked.
type recorder struct{ lines []string }

func (r *recorder) add(line string) { r.lines = append(r.lines, line) }

func (r *recorder) take() []string {
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *recorder) messages(conn *websocket.Conn) {
	for {
		typ, p, err := conn.Read(context.Background())
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed) && closed.Remote:
			r.add(strings.TrimSpace(fmt.Sprintf("event close %d %s", closed.Code, closed.Reason)))
			return
		case errors.As(err, &closed):
			r.add(fmt.Sprintf("event close %d by us", closed.Code))
			return
		case err != nil:
			r.add("event error " + err.Error())
			return
		case typ == websocket.Text:
			r.add("event text " + strconv.Quote(string(p)))
		default:
			r.add("event binary hex:" + hex.EncodeToString(p))
		}
	}
}

func (r *recorder) frames(peer *wstest.Peer, role websocket.Role) {
	for {
		h, payload, err := peer.Receive()
		if err == io.EOF {
			r.add("end")
			// A peer that is done closes its side too.
			return
		}
		if err != nil {
			r.add("end " + err.Error())
			return
		}
		if h.Masked != (role == websocket.Client) {
			r.add(fmt.Sprintf("wrong mask bit on %v", h.Opcode))
		}
		if h.Opcode == frame.Close {
			code, reason, err := frame.ParseClose(payload)
			if err != nil {
				reason = err.Error()
			}
			r.add(strings.TrimSpace(fmt.Sprintf("send close %d %s", code, reason)))
			continue
		}
		h.Masked = false
		header := frame.AppendHeader(nil, h)
		r.add(strings.TrimSpace(fmt.Sprintf("send %x %x", header, payload)))
	}
}

func messageType(name string) websocket.MessageType {
	if name == "text" {
		return websocket.Text
	}
	return websocket.Binary
}

func unquote(t *testing.T, s string) []byte {
	if h, ok := strings.CutPrefix(s, "hex:"); ok {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	u, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("Unquote(%s): %v", s, err)
	}
	return []byte(u)
}
