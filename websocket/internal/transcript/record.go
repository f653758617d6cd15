package transcript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

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
func (r *recorder) frames(peer *wstest.Peer, role websocket.Role, carrier Carrier) {
	for {
		h, payload, err := peer.Receive()
		switch {
		case err == io.EOF:
			r.add("end")
			return
		case err != nil && carrier.Reset != nil && carrier.Reset(role, err):
			r.add("reset")
			return
		case err != nil:
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
