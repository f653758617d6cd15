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
	if o.Options == nil {
		o.Options = new(hub.Options)
	}
	p := partitionOf(m.Channel)
	keys := []string{
		b.partitionKey(p), b.key(p, kindLast, m.Channel), b.key(p, kindStream, m.Channel), b.key(p, kindChannel, m.Channel),
		b.key(p, kindAll, ""),
	}
	if o.Dedup > 0 && m.ID != "" {
		keys = append(keys, b.idKey(p, m.Channel, m.ID))
	}
	history := 0
	if o.Recoverable() {
		history = o.History
	}
	var expect [2]string
	if o.Expect != nil {
		expect = [2]string{o.Expect.Epoch, strconv.FormatUint(o.Expect.Offset, 10)}
	}
	a, err := b.call(ctx, p, "rw1_publish", keys, m.Channel, b.fresh(), string(wire.AppendMessage(nil, &m)), strconv.Itoa(history),
		millis(o.HistoryTime), millis(max(b.config.StateTime, 2*o.HistoryTime)), millis(o.Dedup), expect[0], expect[1])
	if err != nil {
		return hub.Published{}, err
	}
	pos, err := a.position(0)
	if err != nil {
		return hub.Published{}, fmt.Errorf("%w: %w", hub.ErrIndeterminate, err)
	}
	switch a.word {
	case "ok":
		return hub.Published{Position: pos}, nil
	case "known":
		return hub.Published{Position: pos, Duplicate: true}, nil
	case "conflict":
		return hub.Published{Position: pos}, fmt.Errorf("%w: it is offset %d of epoch %s", hub.ErrConflict, pos.Offset, pos.Epoch)
	}
	return hub.Published{}, fmt.Errorf("redis: %w: the answer is %q", hub.ErrIndeterminate, a.word)
}

// millis returns a duration as PEXPIRE wants it: at least 1.
func millis(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
