package native

import (
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-15847954/ropewalk/hub"
)

// stallTime is how long a client may take none of what is written to its stream.
const stallTime = 30 * time.Second

// maxPiece is about how much is written at once. What a framing makes of a packet may be
// much longer than that is counted as.
const maxPiece = 64 << 10

// A framing is how packets stand in a body that goes on.
type framing struct {
	mediaType string
	alive     string // a sign of life
	append    func(b []byte, p hub.Packet) []byte
}

// The framings: Server-Sent Events, as the HTML standard has them; JSON, a line each;
// and Protocol Buffers, each behind its length.
var (
	eventFraming    = framing{"text/event-stream", ":\n\n", appendEvent}
	lineFraming     = framing{"application/x-ndjson", "\n", appendLine}
	prefixedFraming = framing{"application/x-protobuf", "\x00", appendPrefixed}
)

func appendEvent(b []byte, p hub.Packet) []byte {
	b = append(b, "data: "...)
	b = append(b, p.(*packet).bytes...) // has no line ends
	return append(b, "\n\n"...)
}

func appendLine(b []byte, p hub.Packet) []byte { return append(append(b, p.(*packet).bytes...), '\n') }

func appendPrefixed(b []byte, p hub.Packet) []byte {
	return append(protowire.AppendVarint(b, uint64(p.Size())), p.(*packet).bytes...)
}

// pieces has send write packets, but for a rest that it returns.
func (f framing) pieces(packets []hub.Packet, observer Observer, send func([]byte) error) (b []byte, err error) {
	for _, p := range packets {
		if len(b) > maxPiece {
			if err := send(b); err != nil {
				return nil, err
			}
			b = b[:0]
		}
		b = f.append(b, p)
		observer.Sent(p.Size())
	}
	return b, nil
}

// events serves Server-Sent Events in JSON. The body of connect stands in the query, and
// its id may. The session to resume is a secret, and stands in the header.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	query, id := values["connect"], values.Get("id")
	if id == "" {
		id = "1"
	}
	if _, err := strconv.ParseUint(id, 10, 53); err != nil {
		h.refuse(w, r, refusal{http.StatusBadRequest, "bad_request", "id in the query is no id of a command"})
		return
	}
	if len(query) != 1 {
		h.refuse(w, r, refusal{http.StatusBadRequest, "bad_request", "the query needs connect, with the body of that command, once"})
		return
	}
	h.serveStream(w, r, jsonCodec{}, eventFraming, []byte(`{"id":`+id+`,"connect":`+query[0]+`}`))
}

// stream serves a body that goes on, to a request whose own body is the first commands.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	codec, err := codecOf(r)
	var first []byte
	if err == nil {
		first, err = h.firstBody(w, r)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	framing := lineFraming
	if codec == (protobufCodec{}) {
		framing = prefixedFraming
	}
	h.serveStream(w, r, codec, framing, first)
}

// firstBody reads what a client says before anybody knows who it is.
func (h *Handler) firstBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.ConnectTimeout))
	b, err := body(r, maxEarly)
	if err == nil && len(b) == 0 {
		return nil, bodyMissing
	}
	return b, err
}

// serveStream holds a conversation that begins with the message first, and returns when
// it has ended.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, codec codec, f framing, first []byte) {
	c := h.newHTTPClient(r.Context(), codec)
	defer c.finish(r.RemoteAddr)
	c.talk.resume = r.Header.Get(sessionHeader)
	c.take(r.Context(), first)
	c.write(w, r, f, c.talk.ready, h.Observer)
}

// write writes what is sent until that, or the request, has ended. It calls ready when
// there is room again.
func (c *carrier) write(w http.ResponseWriter, r *http.Request, f framing, ready func(), observer Observer) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // it would end the request
	// Has a write return that the client does not take.
	c.onAbort(func() { _ = rc.SetWriteDeadline(time.Now()) })
	defer c.onAbort(nil)
	w.Header().Set("Content-Type", f.mediaType)
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(b []byte) error {
		_ = rc.SetWriteDeadline(time.Now().Add(stallTime))
		if c.isAborted() { // its cut may have come before that
			return errStreamEnded
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		return rc.Flush()
	}
	if send([]byte(f.alive)) != nil {
		return
	}
	beat := time.NewTimer(pingTime)
	defer beat.Stop()
	for {
		var b []byte
		var full, over bool
		select {
		case <-r.Context().Done():
			return
		case <-c.gone:
			return
		case <-beat.C:
			b = []byte(f.alive)
		case <-c.news:
			var packets []hub.Packet
			packets, full, over = c.drain()
			var err error
			if b, err = f.pieces(packets, observer, send); err != nil {
				return
			}
		}
		if len(b) > 0 && send(b) != nil || over {
			return
		}
		if full {
			ready()
		}
		beat.Reset(pingTime)
	}
}
