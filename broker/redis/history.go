package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/broker/wire"
	"github.com/seed-15847954/ropewalk/hub"
)

// maxPage bounds the publications of one reading.
const maxPage = 10_000

// History returns a part of a channel's log.
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	page, _, err := b.read(ctx, channel, q)
	return page, err
}

// read is History, and says which process has answered.
func (b *Broker) read(ctx context.Context, channel string, q hub.Query) (page hub.Page, by string, err error) {
	p := partitionOf(channel)
	var epoch, offset, backwards string
	if q.From != nil {
		epoch, offset = q.From.Epoch, strconv.FormatUint(q.From.Offset, 10)
	}
	if q.Reverse {
		backwards = "1"
	}
	limit := min(max(q.Limit, 1), maxPage)
	a, err := b.call(ctx, p, "rw1_read",
		[]string{b.partitionKey(p), b.key(p, kindLast, channel), b.key(p, kindStream, channel)},
		b.fresh(), millis(b.config.StateTime), epoch, offset, strconv.Itoa(limit), backwards)
	if err != nil {
		return hub.Page{}, "", err
	}
	if page, err = a.page(channel, limit); err != nil {
		return hub.Page{}, "", fmt.Errorf("redis: history of %q: %w", channel, err)
	}
	return page, a.process, nil
}

// page returns the page that the answer of rw1_read is.
func (a answer) page(channel string, limit int) (hub.Page, error) {
	top, err := a.position()
	if err != nil {
		return hub.Page{}, err
	}
	page := hub.Page{Top: top}
	now, err := strconv.ParseInt(a.word(4), 10, 64)
	if err != nil || len(a.rest) == 0 {
		return page, errors.New("the answer is cut short")
	}
	entries, err := a.rest[0].ToArray()
	if err != nil {
		return page, err
	}
	if page.More = len(entries) > limit; page.More {
		entries = entries[:limit]
	}
	for _, entry := range entries {
		p, until, err := parseEntry(channel, top.Epoch, entry)
		if err != nil {
			return page, err
		}
		if until > now {
			page.Publications = append(page.Publications, p)
		}
	}
	return page, nil
}

// parseEntry returns the publication that an entry of a stream is, and until when it is kept.
func parseEntry(channel, epoch string, entry rueidis.RedisMessage) (*hub.Publication, int64, error) {
	parts, err := entry.ToArray()
	if err != nil || len(parts) != 2 {
		return nil, 0, errors.New("not an entry")
	}
	id, err := parts[0].ToString()
	if err != nil {
		return nil, 0, err
	}
	fields, err := parts[1].AsStrSlice()
	if err != nil {
		return nil, 0, err
	}
	if len(fields) != 2 || fields[0] != "m" {
		return nil, 0, errors.New("not an entry")
	}
	text, message, _ := strings.Cut(fields[1], "\n")
	head := strings.Fields(text)
	if len(head) != 3 {
		return nil, 0, errors.New("not the head of an entry")
	}
	offset, _, _ := strings.Cut(id, "-")
	p, err := newPublication(channel, epoch, offset, head[0], head[1], []byte(message))
	if err != nil {
		return nil, 0, err
	}
	age, err := strconv.ParseInt(head[2], 10, 64)
	return p, p.Time.UnixMilli() + age, err
}

// newPublication returns a publication of what Redis says about it.
func newPublication(channel, epoch, offset, prev, at string, message []byte) (*hub.Publication, error) {
	pos, err := parsePosition(epoch, offset)
	if err != nil {
		return nil, err
	}
	before, err := strconv.ParseUint(prev, 10, 64)
	if err != nil || before >= pos.Offset {
		return nil, errors.New("prev is not an earlier offset")
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("time: %w", err)
	}
	m, err := wire.ParseMessage(channel, message)
	if err != nil {
		return nil, err
	}
	return &hub.Publication{Message: m, Position: pos, Prev: before, Time: time.UnixMilli(ms)}, nil
}
