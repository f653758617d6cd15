package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-15847954/ropewalk/broker/wire"
	"github.com/seed-15847954/ropewalk/hub"
)

// Publish appends m to its channel's log.
func (b *Broker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	p, what := partitionOf(m.Channel), b.publication(m, o)
	a, err := b.insist(ctx, p, func() (answer, error) { return b.batcher(p).publish(ctx, what) })
	if err != nil {
		return hub.Published{}, err
	}
	pos, err := a.position()
	if err != nil {
		return hub.Published{}, fmt.Errorf("%w: %w", hub.ErrIndeterminate, err)
	}
	switch a.word(0) {
	case "ok":
		return hub.Published{Position: pos}, nil
	case "known":
		return hub.Published{Position: pos, Duplicate: true}, nil
	case "conflict":
		return hub.Published{Position: pos}, fmt.Errorf("%w: it is offset %d of epoch %s", hub.ErrConflict, pos.Offset, pos.Epoch)
	}
	return hub.Published{}, fmt.Errorf("redis: %w: the answer is %q", hub.ErrIndeterminate, a.word(0))
}

// publication returns what is to be asked for.
func (b *Broker) publication(m hub.Message, o hub.PublishOptions) *publication {
	if o.Options == nil {
		o.Options = new(hub.Options)
	}
	p := partitionOf(m.Channel)
	history, dedup, id, expected := 0, "0", b.partitionKey(p), ""
	if o.Recoverable() {
		history = o.History
	}
	if o.Dedup > 0 && m.ID != "" {
		dedup, id = millis(o.Dedup), b.idKey(p, m.Channel, m.ID)
	}
	if o.Expect != nil {
		expected = o.Expect.Epoch + " " + strconv.FormatUint(o.Expect.Offset, 10)
	}
	options := strconv.Itoa(history) + " " + millis(o.HistoryTime) + " " + millis(max(b.config.StateTime, 2*o.HistoryTime)) + " " + dedup
	return &publication{
		keys: [...]string{b.partitionKey(p), b.key(p, kindLast, m.Channel), b.key(p, kindStream, m.Channel), id},
		args: [...]string{string(wire.AppendMessage(nil, &m)), options, expected},
	}
}

// millis returns a duration as PEXPIRE wants it: at least 1.
func millis(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
