package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A recorder notes what happens in one place, as outcomes of a transcript.
type recorder struct {
	handled bool // of an application that handles events

	mu    sync.Mutex
	lines []string
}

// applications are the ways to receive messages.
var applications = map[string]func(*recorder, *websocket.Conn){
	"read": (*recorder).messages,
	"handle": func(r *recorder, conn *websocket.Conn) {
		r.handled = true
		conn.Handle(r)
	},
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// messages notes what the application reads.
func (r *recorder) messages(conn *websocket.Conn) {
	for {
		typ, p, err := conn.Read(context.Background())
		if err != nil {
			r.Closed(conn, err)
			return
		}
		r.Message(conn, typ, p)
	}
}

// Message notes what the application is handed.
func (r *recorder) Message(_ *websocket.Conn, typ websocket.MessageType, p []byte) {
	r.add("event %v %s", typ, show(p))
}

// Closed notes the end, as the application is told of it.
func (r *recorder) Closed(_ *websocket.Conn, err error) {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Remote:
		r.add("event close %d %s", closed.Code, closed.Reason)
	case errors.As(err, &closed):
		r.add("event close %d by us", closed.Code)
	default:
		r.add("event error %v", err)
	}
}

// frames notes what the peer receives.
func (r *recorder) frames(peer *wstest.Peer, role websocket.Role) {
	for {
		h, payload, err := peer.Receive()
		if err == io.EOF {
			r.add("end")
			return
		}
		if err != nil {
			r.add("end %v", err)
			return
		}
		if h.Masked != (role == websocket.Client) {
			r.add("wrong mask bit on %v", h.Opcode)
		}
		if h.Opcode == frame.Close && h.RSV == 0 {
			code, reason, err := frame.ParseClose(payload)
			if err != nil {
				reason = err.Error()
			}
			r.add("send close %d %s", code, reason)
			continue
		}
		first := frame.AppendHeader(nil, frame.Header{Fin: h.Fin, RSV: h.RSV, Opcode: h.Opcode})[0]
		r.add("send %02x %s", first, show(payload))
	}
}

// call carries out a step of the application, and notes what comes of it.
func (r *recorder) call(t *testing.T, conn *websocket.Conn, verb, arg string) {
	typ, rest, _ := strings.Cut(arg, " ")
	switch verb {
	case "write":
		r.error(conn.Write(t.Context(), messageType(typ), payload(t, rest)))
	case "write-plain":
		r.error(conn.WriteUncompressed(t.Context(), messageType(typ), payload(t, rest)))
	case "stream":
		r.error(stream(t, conn, messageType(typ), strings.Fields(rest)))
	case "ping":
		go func() {
			rtt, err := conn.Ping(t.Context())
			if r.error(err); err == nil {
				r.add("event pong %v", rtt)
			}
		}()
	case "close":
		code := websocket.CloseCode(number(t, typ))
		go func() {
			if err := conn.Close(code, rest); err != nil {
				r.add("event closed %v", err)
				return
			}
			r.add("event closed")
		}()
	default:
		t.Fatalf("unknown step %q", verb)
	}
}

func (r *recorder) error(err error) {
	if err != nil {
		r.add("event error %v", err)
	}
}

func stream(t *testing.T, conn *websocket.Conn, typ websocket.MessageType, fragments []string) error {
	w, err := conn.Writer(t.Context(), typ)
	if err != nil {
		return err
	}
	for _, s := range fragments {
		if _, err := w.Write(payload(t, s)); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

func messageType(name string) websocket.MessageType {
	if name == "text" {
		return websocket.Text
	}
	return websocket.Binary
}

var itemPattern = regexp.MustCompile(`\[([0-9a-f]{2}) ?([^\]]*)\]|[0-9a-f]+|\S`)

// items returns the bytes that the items of a recv step stand for.
func items(t *testing.T, list string, role websocket.Role) (b []byte) {
	for _, item := range itemPattern.FindAllStringSubmatch(list, -1) {
		if item[1] == "" {
			b = append(b, payload(t, "hex:"+item[0])...)
			continue
		}
		first := payload(t, "hex:"+item[1])[0]
		h := frame.Header{Fin: first&0x80 != 0, RSV: first & 0x70, Opcode: frame.Opcode(first & 0x0f)}
		if role == websocket.Server {
			h.Masked, h.Key = true, 0xb54a9c37
		}
		b = wstest.AppendFrame(b, h, payload(t, item[2]))
	}
	return b
}

var repeatPattern = regexp.MustCompile(`^(.*)\*([0-9]+)$`)

// payload returns the bytes that s stands for; show is its inverse.
func payload(t *testing.T, s string) []byte {
	t.Helper()
	if s == "" {
		return nil
	}
	if m := repeatPattern.FindStringSubmatch(s); m != nil {
		return []byte(strings.Repeat(string(payload(t, m[1])), number(t, m[2])))
	}
	if h, ok := strings.CutPrefix(s, "hex:"); ok {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatalf("payload %s: %v", s, err)
		}
		return b
	}
	if code, ok := strings.CutPrefix(s, "code:"); ok {
		return binary.BigEndian.AppendUint16(nil, uint16(number(t, code)))
	}
	u, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("payload %s: %v", s, err)
	}
	return []byte(u)
}

// show writes p as it stands in a transcript: quoted if all of it can be printed,
// and short if it is one byte many times.
func show(p []byte) string {
	if len(p) >= 16 && bytes.Count(p, p[:1]) == len(p) {
		return fmt.Sprintf("%s*%d", show(p[:1]), len(p))
	}
	if !utf8.Valid(p) || strings.ContainsFunc(string(p), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "hex:" + hex.EncodeToString(p)
	}
	return strconv.Quote(string(p))
}

var payloadPattern = regexp.MustCompile(`^(event text|event binary|send [0-9a-f]{2})(.*)$`)

// canonical writes an outcome with its payload as show has it.
func canonical(t *testing.T, want string) string {
	m := payloadPattern.FindStringSubmatch(want)
	if m == nil || strings.HasSuffix(want, "...") {
		return want
	}
	return m[1] + " " + show(payload(t, strings.TrimSpace(m[2])))
}
