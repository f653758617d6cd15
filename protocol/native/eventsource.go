package native

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// maxSources bounds the channels of one EventSource, and maxSourceNames their names together
// in bytes. With their positions they stand in each id, which has to fit into a header.
const (
	maxSources     = 32
	maxSourceNames = 2 << 10
)

// eventSource serves the EventSource of a page that has no client library: the
// publications of the channels in the query, as JSON objects. Each event's id says
// where all channels are, and Last-Event-ID goes on from there.
func (h *Handler) eventSource(w http.ResponseWriter, r *http.Request) {
	channels := r.URL.Query()["channel"]
	if len(channels) == 0 || len(channels) > maxSources {
		h.refuse(w, r, refusal{http.StatusBadRequest, "bad_request", fmt.Sprintf("the query needs channel, 1 to %d times", maxSources)})
		return
	}
	if len(strings.Join(channels, "")) > maxSourceNames {
		h.refuse(w, r, refusal{http.StatusBadRequest, "bad_request", fmt.Sprintf("the names of the channels have more than %d bytes together", maxSourceNames)})
		return
	}
	from, err := lastEvent(r)
	if err != nil {
		h.refuse(w, r, refusal{http.StatusBadRequest, "bad_request", "the id of the last event is none of this server"})
		return
	}
	h.connections.Add(1)
	defer h.connections.Done()
	c := newCarrier(h.connQueue, func(d Disconnect, after time.Duration) hub.Packet { return &sourceEvent{retry: after} })
	s := session.New(session.Config{
		Hub:              h.Hub,
		Transport:        c,
		Codec:            sourceCodec{},
		Identity:         session.NewIdentity(h.Node),
		MaxQueue:         h.MaxQueue - h.connQueue,
		MaxSubscriptions: h.MaxSubscriptions,
		Stats:            h.Stats,
	})
	if h.Sessions.Add(s) != nil {
		comeBack(w)
		return
	}
	defer func() {
		c.Abort()
		s.Lost(session.ErrLeft) // nobody can resume it
		<-s.Done()
		h.Sessions.Remove(s)
	}()
	if err := subscribeAll(r.Context(), s, channels, from); err != nil {
		if err.Retry {
			comeBack(w)
			return
		}
		h.refuse(w, r, refusal{http.StatusBadRequest, string(err.Code), err.Message})
		return
	}
	h.Observer.Opened()
	defer func() { h.Observer.Closed(c.closeCode()) }()
	cur := newCursor(channels, from)
	c.write(w, r, framing{"text/event-stream", ":\n\n", func(b []byte, p hub.Packet) []byte {
		e := p.(*sourceEvent)
		if e.cause != nil && e.cause.Retry {
			s.Close(Ended) // the page comes back by itself, which is how it subscribes again
		}
		return cur.append(b, e)
	}}, s.Ready, h.Observer)
}

func subscribeAll(ctx context.Context, s *session.Session, channels []string, from places) *Error {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	for _, channel := range channels {
		if err := hub.CheckChannel(channel); err != nil {
			return commandError(err)
		}
		request := session.Request{Target: session.Target{Channel: channel}}
		if pos, ok := from[channel]; ok {
			request.From = &pos
		}
		err := s.Subscribe(ctx, request, func(st session.Start) hub.Packet { return &sourceEvent{channel: channel, start: &st} })
		if err != nil {
			return commandError(err)
		}
	}
	return nil
}

// comeBack answers where a later request may succeed. After any other status than 200 an
// EventSource gives up for good.
func comeBack(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "retry: %d\n\n", 1000+rand.IntN(4000))
}

// places are the positions of channels, by their names.
type places map[string]hub.Position

// lastEvent returns the places that a request goes on from.
func lastEvent(r *http.Request) (places, error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("last_event_id")
	}
	if id == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return nil, err
	}
	var at places
	if err := json.Unmarshal(b, &at); err != nil {
		return nil, err
	}
	if len(at) > maxSources {
		return nil, errors.New("too many channels")
	}
	return at, nil
}

// id is the id of an event behind which the channels are where at says.
func (at places) id() string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // which would make names longer
	_ = encoder.Encode(at)       // strings and numbers
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// A cursor is how far an EventSource is in the channels that it has asked for. A back end
// may have subscribed it to others, which it does not ask for when it comes back.
type cursor struct {
	channels []string
	at       places
}

// newCursor returns one that begins where the client is. The events of a channel wait
// behind those of others: an id in between that did not have its place would let the
// client come back without it, and lose what it has missed.
func newCursor(channels []string, from places) *cursor {
	c := &cursor{channels, places{}}
	for channel, pos := range from {
		c.move(channel, pos)
	}
	return c
}

func (c *cursor) move(channel string, pos hub.Position) {
	if slices.Contains(c.channels, channel) {
		c.at[channel] = pos
	}
}

// append appends an event as EventSource reads it, and moves its channel on.
func (c *cursor) append(b []byte, e *sourceEvent) []byte {
	var lost string
	switch {
	case e.retry > 0:
		b = append(b, "retry: "...)
		b = strconv.AppendInt(b, e.retry.Milliseconds(), 10)
		return append(b, "\n\n"...)
	case e.cause != nil:
		lost = string(e.cause.Code)
	case e.start != nil:
		if e.start.Position != nil {
			c.move(e.channel, *e.start.Position)
		}
		if e.start.Recovered != nil && !*e.start.Recovered {
			lost = e.start.Reason()
		}
	case e.channel != "":
		c.move(e.channel, e.position)
	}
	b = append(b, "id: "...)
	b = append(b, c.at.id()...)
	b = append(b, '\n')
	if lost != "" {
		b = append(b, "event: lost\ndata: "...)
		w := &writer{b: b}
		w.open("").string("channel", e.channel).string("reason", lost).close()
		b = append(w.b, '\n')
	}
	if e.data != nil {
		b = append(b, "data: "...)
		b = append(b, e.data...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

// A sourceEvent is one event of an EventSource, but for the id, which is each
// client's own.
type sourceEvent struct {
	channel  string
	position hub.Position
	data     []byte         // JSON text
	start    *session.Start // the subscription begins
	cause    *Error         // the subscription has ended
	retry    time.Duration  // the stream ends, and this is how long to stay away
}

func (e *sourceEvent) Size() int { return len(e.data) + 128 }

// sourceCodec is the codec of EventSource.
type sourceCodec struct{}

func (sourceCodec) Format() hub.Format { return "eventsource" }

func (sourceCodec) Publication(p *hub.Publication, _ string) hub.Packet {
	w := newWriter(256 + len(p.Channel) + len(p.Data)*4/3)
	w.publication("", p, "")
	return &sourceEvent{channel: p.Channel, position: p.Position, data: w.b}
}

func (sourceCodec) Skip(channel string, _ uint64, pos hub.Position, _ session.SkipReason) hub.Packet {
	return &sourceEvent{channel: channel, position: pos}
}

// Change is not asked for: a plain EventSource subscribes without joins.
func (sourceCodec) Change(*hub.PresenceChange) hub.Packet { return &sourceEvent{} }

func (sourceCodec) Subscribed(t session.Target, st session.Start) hub.Packet {
	return &sourceEvent{channel: t.Channel, start: &st}
}

func (sourceCodec) Unsubscribed(t session.Target, cause error) hub.Packet {
	return &sourceEvent{channel: t.Channel, cause: unsubscribedError(cause)}
}

// Message is for clients that speak the protocol.
func (sourceCodec) Message(data []byte, contentType string) hub.Packet {
	w := newWriter(64 + len(data)).open("")
	return &sourceEvent{data: w.open("message").data(data, contentType).close().close().b}
}
