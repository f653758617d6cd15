package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// readBytes bounds what one reading of entries is answered with, more or less.
const readBytes = 4 << 20

// errLagging means that a copy of the stream was asked that is behind.
var errLagging = errors.New("the copy of the stream is behind")

// A reading asks for entries of one channel, or for the last ones of several.
type reading struct {
	Next     string   `json:"next_by_subj,omitempty"`
	Seq      uint64   `json:"seq,omitempty"`
	Batch    int      `json:"batch,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"`
	Last     []string `json:"multi_last,omitempty"`
}

// last asks the stream's leader for the last entry of a channel; nil means that there is none.
func (b *Broker) last(ctx context.Context, conn *nats.Conn, subject string) (*entry, error) {
	return b.get(ctx, conn, fmt.Sprintf(`{"last_by_subj":%q}`, subject))
}

// at asks it for the entry at a sequence.
func (b *Broker) at(ctx context.Context, seq uint64) (*entry, error) {
	return b.get(ctx, b.calls, fmt.Sprintf(`{"seq":%d}`, seq))
}

func (b *Broker) get(ctx context.Context, conn *nats.Conn, question string) (*entry, error) {
	var answer struct {
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	m, err := request(ctx, conn, "$JS.API.STREAM.MSG.GET."+b.names.stream(), question)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil, fmt.Errorf("read an entry: %w", err)
	}
	switch {
	case answer.Error == nil:
	case answer.Error.Code == codeNoMessage:
		return nil, nil
	default:
		return nil, fmt.Errorf("read an entry: %s", answer.Error.Description)
	}
	header, err := nats.DecodeHeadersMsg(answer.Message.Header)
	if err != nil || header == nil {
		header = make(nats.Header) // a stranger's
	}
	e := &entry{seq: answer.Message.Seq, time: answer.Message.Time}
	var ok bool
	if e.epoch, e.token, ok = b.names.parseLog(answer.Message.Subject); !ok {
		return nil, errors.New("read an entry: it is not of the log")
	}
	e.readKind(header.Get(headerKind), answer.Message.Data)
	return e, nil
}

// request asks until there is an answer: while a stream has no leader nobody answers. What is
// asked changes nothing.
func request(ctx context.Context, conn *nats.Conn, subject, question string) (*nats.Msg, error) {
	for {
		one, cancel := context.WithTimeout(ctx, time.Second)
		m, err := conn.RequestWithContext(one, subject, []byte(question))
		cancel()
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !errors.Is(err, context.DeadlineExceeded) && !pause(ctx, 50*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
}

// A batch is what a reading found.
type batch struct {
	entries   []entry
	remaining uint64 // more in the same channel
	upTo      uint64 // of readings of the last ones: what the copy that was asked has
}

// read reads entries from any copy of the stream.
func (b *Broker) read(ctx context.Context, r reading) (batch, error) {
	for {
		one, cancel := context.WithTimeout(ctx, 2*time.Second)
		got, err := b.readOnce(one, r)
		cancel()
		if err == nil || ctx.Err() != nil {
			return got, err
		}
		if !pause(ctx, 50*time.Millisecond) {
			return got, err
		}
	}
}

func (b *Broker) readOnce(ctx context.Context, r reading) (batch, error) {
	r.MaxBytes = readBytes
	question, err := json.Marshal(r)
	if err != nil {
		return batch{}, err
	}
	answers := make(chan *nats.Msg, max(r.Batch, len(r.Last))+1)
	inbox := nats.NewInbox()
	sub, err := b.calls.ChanSubscribe(inbox, answers)
	if err != nil {
		return batch{}, err
	}
	defer func() { _ = sub.Unsubscribe() }() // of a connection that is gone there is nothing to undo
	if err := b.calls.PublishRequest("$JS.API.DIRECT.GET."+b.names.stream(), inbox, question); err != nil {
		return batch{}, err
	}
	var got batch
	for {
		select {
		case m := <-answers:
			if done, err := b.take(&got, m, len(r.Last) > 0); done || err != nil {
				return got, err
			}
		case <-ctx.Done():
			return batch{}, context.Cause(ctx)
		}
	}
}

// take adds an answer to what was read, and reports whether it was the last one.
func (b *Broker) take(got *batch, m *nats.Msg, several bool) (done bool, err error) {
	switch status := m.Header.Get(headerStatus); status {
	case "":
	case "404":
		return true, nil
	case "204":
		if got.remaining, err = optional(m.Header.Get(headerRemaining)); err != nil {
			return true, err
		}
		got.upTo, err = optional(m.Header.Get(headerUpTo))
		return true, err
	default:
		return true, fmt.Errorf("read entries: status %s %s", status, m.Header.Get("Description"))
	}
	e, err := b.names.parseEntry(m.Header, m.Data)
	if err != nil {
		return true, fmt.Errorf("read entries: %w", err)
	}
	var before uint64
	if n := len(got.entries); n > 0 {
		before = got.entries[n-1].seq
	}
	if e.prev != before && !several {
		return true, errors.New("read entries: one of them did not get here")
	}
	got.entries = append(got.entries, e)
	return false, nil
}

func quote(n uint64) string { return strconv.FormatUint(n, 10) }
