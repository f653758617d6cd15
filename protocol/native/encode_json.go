package native

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// jsonCodec is ropewalk.v1.json.
type jsonCodec struct{}

func (jsonCodec) Format() hub.Format { return Subprotocol }

func (jsonCodec) messageType() websocket.MessageType { return websocket.Text }

// A writer appends JSON. It knows whether a comma is due.
type writer struct {
	b     []byte
	comma bool
}

func newWriter(size int) *writer { return &writer{b: make([]byte, 0, size)} }

func (w *writer) name(name string) *writer {
	if w.comma {
		w.b = append(w.b, ',')
	}
	if name != "" {
		w.b = append(append(append(w.b, '"'), name...), '"', ':')
	}
	w.comma = true
	return w
}

func (w *writer) open(name string) *writer {
	w.name(name).b = append(w.b, '{')
	w.comma = false
	return w
}

func (w *writer) close() *writer {
	w.b = append(w.b, '}')
	w.comma = true
	return w
}

func (w *writer) array(name string) {
	w.name(name).b = append(w.b, '[')
	w.comma = false
}

func (w *writer) closeArray() *writer {
	w.b = append(w.b, ']')
	w.comma = true
	return w
}

func (w *writer) string(name, s string) *writer {
	w.name(name).b = jsonscan.AppendString(w.b, s)
	return w
}

// optional writes a string unless it is empty.
func (w *writer) optional(name, s string) *writer {
	if s != "" {
		w.string(name, s)
	}
	return w
}

func (w *writer) uint(name string, n uint64) *writer {
	w.name(name).b = strconv.AppendUint(w.b, n, 10)
	return w
}

func (w *writer) bool(name string, v bool) *writer {
	w.name(name).b = strconv.AppendBool(w.b, v)
	return w
}

// raw writes JSON text.
func (w *writer) raw(name string, value []byte) *writer {
	w.name(name)
	start := len(w.b)
	w.b = append(w.b, value...)
	// Outside of strings, where alone they can be, line ends mean nothing, but where
	// messages are lines they would cut this one.
	for i := range w.b[start:] {
		if c := &w.b[start+i]; *c == '\n' || *c == '\r' {
			*c = ' '
		}
	}
	return w
}

// data writes data, or base64 with content_type.
func (w *writer) data(b []byte, contentType string) *writer {
	b, contentType = legible(b, contentType)
	if contentType == "" {
		return w.raw("data", b)
	}
	w.string("content_type", contentType).name("base64").b = append(w.b, '"')
	w.b = append(base64.StdEncoding.AppendEncode(w.b, b), '"')
	return w
}

func (w *writer) position(name string, pos hub.Position) *writer {
	return w.open(name).place(pos).close()
}

func (w *writer) place(pos hub.Position) *writer {
	return w.string("epoch", pos.Epoch).uint("offset", pos.Offset)
}

func (w *writer) error(name string, e *Error) {
	w.open(name).string("code", string(e.Code)).string("message", e.Message).bool("retry", e.Retry).close()
}

func (w *writer) publication(name string, p *hub.Publication, pattern string) {
	w.open(name).string("channel", p.Channel).optional("pattern", pattern).place(p.Position).uint("prev", p.Prev)
	w.uint("time", uint64(max(p.Time.UnixMilli(), 0))).optional("id", p.ID).optional("key", p.Key)
	if len(p.Tags) > 0 {
		w.open("tags")
		for _, tag := range slices.Sorted(maps.Keys(p.Tags)) {
			if w.comma {
				w.b = append(w.b, ',')
			}
			w.b = append(jsonscan.AppendString(w.b, tag), ':')
			w.b = jsonscan.AppendString(w.b, p.Tags[tag])
			w.comma = true
		}
		w.close()
	}
	w.optional("client", p.Client).data(p.Data, p.ContentType).close()
}

func (w *writer) member(name string, m hub.Member) *writer {
	w.open(name).string("client", m.Client).optional("user", m.User)
	if len(m.Info) > 0 && utf8.Valid(m.Info) {
		w.raw("info", m.Info)
	}
	return w.close()
}

func (w *writer) start(name string, st session.Start) { w.open(name).begin(st).close() }

// begin writes where a subscription begins.
func (w *writer) begin(st session.Start) *writer {
	if st.Position != nil {
		w.position("position", *st.Position)
	}
	if st.Recovered != nil {
		w.bool("recovered", *st.Recovered).optional("reason", st.Reason())
	}
	return w
}

// push is the whole of a message that is no reply, which f writes.
func push(size int, f func(w *writer)) *packet {
	w := newWriter(size).open("")
	f(w)
	return text(w.close().b)
}

// reply is the whole of a reply: its id and what f writes.
func reply(id uint64, f func(w *writer)) hub.Packet {
	w := newWriter(128).open("").uint("id", id)
	f(w)
	return text(w.close().b)
}

func (jsonCodec) Publication(p *hub.Publication, pattern string) hub.Packet {
	size := 192 + len(p.Channel) + len(p.Data)
	if p.ContentType != "" { // base64
		size += len(p.Data) / 3
	}
	return push(size, func(w *writer) { w.publication("publication", p, pattern) }).forMany()
}

func (jsonCodec) Skip(channel string, prev uint64, pos hub.Position, reason session.SkipReason) hub.Packet {
	return push(160, func(w *writer) {
		w.open("skip").string("channel", channel).place(pos).uint("prev", prev).string("reason", string(reason)).close()
	})
}

func (jsonCodec) Change(c *hub.PresenceChange) hub.Packet {
	name := "join"
	if c.Left {
		name = "leave"
	}
	return push(160, func(w *writer) { w.open(name).string("channel", c.Channel).member("member", c.Member).close() }).forMany()
}

func (jsonCodec) Subscribed(t session.Target, st session.Start) hub.Packet {
	return push(160, func(w *writer) {
		w.open("subscribed").optional("channel", t.Channel).optional("pattern", t.Pattern.String()).begin(st).close()
	})
}

func (jsonCodec) Unsubscribed(t session.Target, cause error) hub.Packet {
	e := unsubscribedError(cause)
	return push(160, func(w *writer) {
		w.open("unsubscribed").optional("channel", t.Channel).optional("pattern", t.Pattern.String())
		w.string("code", string(e.Code)).string("message", e.Message).bool("retry", e.Retry).close()
	})
}

func (jsonCodec) Message(data []byte, contentType string) hub.Packet {
	return push(64+len(data), func(w *writer) { w.open("message").data(data, contentType).close() })
}

func (jsonCodec) disconnect(d Disconnect, after time.Duration) hub.Packet {
	return push(128, func(w *writer) {
		w.open("disconnect").uint("code", uint64(d.Code)).string("reason", d.Reason).bool("retry", d.Retry)
		if d.Retry {
			w.uint("after", uint64(after.Milliseconds()))
		}
		w.close()
	})
}

func (jsonCodec) connected(id uint64, c connection) hub.Packet {
	return reply(id, func(w *writer) {
		w.open(connect).string("session", c.identity.ID).string("client", c.identity.Client).string("node", c.node)
		w.bool("resumed", c.resumed)
		if len(c.subscriptions) > 0 {
			w.array("subscriptions")
			for _, r := range c.subscriptions {
				w.open("")
				if r.err != nil {
					w.error("error", r.err)
				} else {
					w.start(subscribe, r.start)
				}
				w.close()
			}
			w.closeArray()
		}
		w.uint("ping", uint64(c.ping)).close()
	})
}

func (jsonCodec) subscribed(id uint64, st session.Start) hub.Packet {
	return reply(id, func(w *writer) { w.start(subscribe, st) })
}

func (jsonCodec) published(id uint64, p hub.Published) hub.Packet {
	return reply(id, func(w *writer) {
		w.open(publish).position("position", p.Position).bool("duplicate", p.Duplicate).close()
	})
}

func (jsonCodec) history(id uint64, page hub.Page) hub.Packet {
	return reply(id, func(w *writer) {
		w.open(history).position("top", page.Top)
		w.array("publications")
		for _, p := range page.Publications {
			w.publication("", p, "")
		}
		w.closeArray().bool("more", page.More).close()
	})
}

func (jsonCodec) presence(id uint64, members []hub.Member, more bool) hub.Packet {
	return reply(id, func(w *writer) {
		w.open(presence)
		w.array("members")
		for _, m := range members {
			w.member("", m)
		}
		w.closeArray().bool("more", more).close()
	})
}

func (jsonCodec) counted(id uint64, clients, users int) hub.Packet {
	return reply(id, func(w *writer) {
		w.open(presenceCount).uint("clients", uint64(clients)).uint("users", uint64(users)).close()
	})
}

func (jsonCodec) result(id uint64, data []byte, contentType string) hub.Packet {
	return reply(id, func(w *writer) { w.open(rpc).data(data, contentType).close() })
}

func (jsonCodec) done(id uint64, name string) hub.Packet {
	return reply(id, func(w *writer) { w.open(name).close() })
}

func (jsonCodec) failed(id uint64, e *Error) hub.Packet {
	return reply(id, func(w *writer) { w.error("error", e) })
}
