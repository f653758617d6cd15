package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-15847954/ropewalk/broker/wire"
	"github.com/seed-15847954/ropewalk/hub"
)

// Codes of JetStream's errors.
const (
	codeNoMessage     = 10037
	codeWrongLast     = 10071
	codeWrongLastID   = 10070
	codeIDInProcess   = 10158
	codeWrongLastSoon = 10164 // another message of the channel is under way
	codeTooMany       = 10167
)

// never is no sequence that a channel's last entry has, and noID no ID that one has.
const (
	never = "9007199254740993"
	noID  = "-"
)

// trimEvery is how many publications of channels that keep nothing go by until the stream is told to let go
// of what the channel had: letting go of each costs more than keeping it for a while.
const trimEvery = 64

// An ack is what JetStream says to a publication.
type ack struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

func (a ack) code() int {
	if a.Error == nil {
		return 0
	}
	return a.Error.Code
}

// tryTime is how long a message with an ID waits for its acknowledgement before it is sent again.
const tryTime = 2 * time.Second

// Publish appends m to its channel's log.
func (b *Broker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	if o.Options == nil {
		o.Options = new(hub.Options)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	p := publishing{b: b, token: tokenOf(m.Channel), options: o}
	p.body, p.header = wire.AppendMessage(nil, &m), nats.Header{headerKind: {kindOf(o.Options)}}
	if o.Dedup > 0 && m.ID != "" {
		p.id = idOf(p.token, m.ID)
	}
	if !o.Recoverable() && b.trims.Add(1)%trimEvery == 0 {
		p.header.Set(headerRollup, "sub")
	}
	var unsure error
	for {
		done, again, err := p.once(ctx)
		if p.unanswered(ctx, err) {
			unsure, again = err, true
		}
		if again && pause(ctx, 5*time.Millisecond) {
			continue
		}
		if err != nil && unsure != nil && !errors.Is(err, hub.ErrConflict) {
			err = unsure
		}
		return done, err
	}
}

// unanswered reports whether a try was in vain whose message may be published once more: a leader
// that is no longer one answers nothing.
func (p *publishing) unanswered(ctx context.Context, err error) bool {
	return p.id != "" && ctx.Err() == nil && errors.Is(err, hub.ErrIndeterminate) && errors.Is(err, context.DeadlineExceeded)
}

// A publishing is one call of Publish.
type publishing struct {
	b       *Broker
	token   string
	options hub.PublishOptions
	header  nats.Header
	body    []byte
	id      string // its ID in the stream, or empty
}

// once tries to publish. Its error, together with again, means that nothing was published.
func (p *publishing) once(ctx context.Context) (done hub.Published, again bool, err error) {
	live, leave, err := p.b.gate.pass(ctx)
	if err != nil {
		return hub.Published{}, false, err
	}
	defer leave()
	if err := p.b.stream.fit(live, p.b, p.options.Options); err != nil {
		return hub.Published{}, ctx.Err() == nil, err
	}
	now := p.b.stream.now.Load()
	try := live
	if p.id != "" {
		var end context.CancelFunc
		try, end = context.WithTimeout(live, tryTime)
		defer end()
	}
	a, err := p.b.send(try, now, p.token, p.head(now), p.body)
	switch {
	case errors.Is(err, nats.ErrNoResponders): // no leader, or another epoch
		p.b.keeper.wake()
		return hub.Published{}, ctx.Err() == nil, err
	case err != nil:
		return hub.Published{}, false, err
	}
	switch code := a.code(); {
	case code == 0 && a.Duplicate:
		return p.known(live, now, a.Seq)
	case code == 0:
		p.b.stream.see(now.epoch, a.Seq)
		return hub.Published{Position: hub.Position{Epoch: now.epoch, Offset: a.Seq}}, false, nil
	case code == codeIDInProcess, code == codeTooMany:
		return hub.Published{}, true, p.refused(a)
	case code == codeWrongLast, code == codeWrongLastSoon:
		return p.conflict(live, now)
	default:
		return hub.Published{}, false, p.refused(a)
	}
}

// head returns the headers of a try.
func (p *publishing) head(now *life) nats.Header {
	header := make(nats.Header, len(p.header)+2)
	for name, values := range p.header {
		header[name] = values
	}
	if p.id != "" {
		header.Set(headerID, p.id)
	}
	if at := p.options.Expect; at != nil {
		header.Set(headerExpect, never)
		if at.Epoch == now.epoch {
			header.Set(headerExpect, quote(at.Offset))
		}
	}
	return header
}

// send has one message appended, and sorts what goes wrong.
func (b *Broker) send(ctx context.Context, now *life, token string, header nats.Header, body []byte) (ack, error) {
	return b.sendOn(ctx, b.calls, now, token, header, body)
}

func (b *Broker) sendOn(ctx context.Context, conn *nats.Conn, now *life, token string, header nats.Header, body []byte) (ack, error) {
	m := &nats.Msg{Subject: b.names.log(now.epoch, token), Header: header, Data: body}
	answer, err := conn.RequestMsgWithContext(ctx, m)
	if err != nil {
		return ack{}, sort(err)
	}
	var a ack
	if err := json.Unmarshal(answer.Data, &a); err != nil || a.Error == nil && a.Seq == 0 {
		return ack{}, fmt.Errorf("nats: %w: the answer is none", hub.ErrIndeterminate)
	}
	return a, nil
}

// untaken are the errors of what was not sent, or was refused by a server that did not have it taken.
var untaken = []error{
	nats.ErrNoResponders, nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionReconnecting,
	nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrInvalidMsg, nats.ErrHeadersNotSupported, nats.ErrConnectionDraining,
}

// sort wraps ErrIndeterminate around errors behind which the message may have been taken.
func sort(err error) error {
	for _, known := range untaken {
		if errors.Is(err, known) {
			return fmt.Errorf("nats: %w", err)
		}
	}
	return fmt.Errorf("nats: %w: %w", hub.ErrIndeterminate, err)
}

// surely are the codes of errors that come before anything is proposed or stored.
var surely = map[int]bool{
	10002: true, 10003: true, 10023: true, 10028: true, 10039: true, 10047: true, 10053: true, 10054: true, 10059: true,
	10060: true, 10076: true, 10097: true, 10109: true, 10111: true, 10120: true, 10122: true, 10165: true, 10166: true,
	codeWrongLastID: true, codeWrongLast: true, codeWrongLastSoon: true, codeIDInProcess: true, codeTooMany: true,
}

func (p *publishing) refused(a ack) error {
	if surely[a.Error.Code] {
		return fmt.Errorf("nats: the stream refuses it: %s (%d)", a.Error.Description, a.Error.Code)
	}
	return fmt.Errorf("nats: %w: %s (%d)", hub.ErrIndeterminate, a.Error.Description, a.Error.Code)
}

// conflict settles a publication that was not at the expected position: its ID comes first.
func (p *publishing) conflict(ctx context.Context, now *life) (done hub.Published, again bool, err error) {
	if p.id != "" && now.replicas == 1 { // several copies look at the ID first
		a, err := p.b.send(ctx, now, p.token, nats.Header{headerID: {p.id}, headerExpectID: {noID}}, nil)
		switch {
		case err != nil:
			return hub.Published{}, false, fmt.Errorf("look for the ID: %w", err)
		case a.Duplicate:
			return p.known(ctx, now, a.Seq)
		case a.code() != codeWrongLastID:
			return hub.Published{}, false, p.refused(a)
		}
	}
	pos, err := p.b.place(ctx, p.b.calls, now, p.token)
	if err != nil {
		return hub.Published{}, false, fmt.Errorf("nats: read the position: %w", err)
	}
	err = fmt.Errorf("nats: %w: it is offset %d of epoch %s", hub.ErrConflict, pos.Offset, pos.Epoch)
	return hub.Published{Position: pos}, pos == *p.options.Expect, err
}

// known returns where the message of a known ID is. The stream remembers IDs for as long as any channel
// is promised; where this one is promised less, a message that is older is not the same: it gets an ID
// that stands for the second message of that name, the same on every node.
func (p *publishing) known(ctx context.Context, now *life, seq uint64) (done hub.Published, again bool, err error) {
	e, err := p.b.at(ctx, seq)
	if err != nil {
		return hub.Published{}, false, fmt.Errorf("nats: look for the message of the ID: %w", err)
	}
	pos := hub.Position{Epoch: now.epoch, Offset: seq}
	switch {
	case e != nil:
		pos.Epoch = e.epoch
	case seq <= now.since:
		pos.Epoch = "gone"
	}
	done = hub.Published{Position: pos, Duplicate: true}
	if e == nil || int64(p.options.Dedup) >= p.b.stream.age.Load() {
		return done, false, nil
	}
	info, err := p.b.ask(ctx)
	if err != nil {
		return hub.Published{}, false, fmt.Errorf("nats: ask for the time: %w", err)
	}
	if info.TimeStamp.Sub(e.time) < p.options.Dedup {
		return done, false, nil
	}
	p.id = idOf(p.id, quote(seq))
	return hub.Published{}, true, nil
}

// place returns the position of a channel's log. One that has none begins now: an entry holds the place, so that
// all nodes agree about it.
func (b *Broker) place(ctx context.Context, conn *nats.Conn, now *life, token string) (hub.Position, error) {
	e, err := b.placeEntry(ctx, conn, now, token)
	if err != nil {
		return hub.Position{}, err
	}
	return e.position(), nil
}

func (b *Broker) placeEntry(ctx context.Context, conn *nats.Conn, now *life, token string) (*entry, error) {
	for {
		e, err := b.last(ctx, conn, b.names.log(now.epoch, token))
		if err != nil || e != nil {
			return e, err
		}
		a, err := b.sendOn(ctx, conn, now, token, nats.Header{headerKind: {"b"}, headerExpect: {"0"}}, nil)
		switch code := a.code(); {
		case err != nil:
			return nil, err
		case code == 0:
			return &entry{epoch: now.epoch, token: token, seq: a.Seq, begin: true}, nil
		case code != codeWrongLast && code != codeWrongLastSoon && code != codeTooMany:
			return nil, errors.New(a.Error.Description)
		}
		if !pause(ctx, 5*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
}
