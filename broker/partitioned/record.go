package partitioned

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-15847954/ropewalk/broker/wire"
	"github.com/seed-15847954/ropewalk/hub"
)

// What a record is, by its first byte. Others are passed over.
const (
	kindEntry byte = 1
	kindLife  byte = 2
	kindWord  byte = 3
)

// The fields of an entry. Those of a later version that change nothing for this one are passed over.
const (
	recordNode protowire.Number = iota + 1
	recordNumber
	recordHistory
	recordAge
	recordDedup
	recordEpoch
	recordOffset
	recordMessage
)

// The fields of a life.
const (
	lifeID protowire.Number = iota + 1
	lifeAfter
)

// maxCount bounds what a record says of itself.
const maxCount = 1 << 53

// An entry is what a node asks of all: to take a message. What becomes of it follows from
// the log alone, so that all nodes decide alike.
type entry struct {
	node   string // that asks
	number uint64 // of its question
	kept   hub.Options
	expect *hub.Position
	hub.Message
}

func (e *entry) record() (b []byte) {
	b = append(b, kindEntry)
	b = protowire.AppendString(protowire.AppendTag(b, recordNode, protowire.BytesType), e.node)
	b = appendNumber(b, recordNumber, e.number)
	b = appendNumber(b, recordHistory, uint64(e.kept.History))
	b = appendNumber(b, recordAge, uint64(e.kept.HistoryTime.Milliseconds()))
	b = appendNumber(b, recordDedup, uint64(e.kept.Dedup.Milliseconds()))
	if e.expect != nil {
		b = protowire.AppendString(protowire.AppendTag(b, recordEpoch, protowire.BytesType), e.expect.Epoch)
		b = appendNumber(b, recordOffset, e.expect.Offset)
	}
	return protowire.AppendBytes(protowire.AppendTag(b, recordMessage, protowire.BytesType), wire.AppendMessage(nil, &e.Message))
}

func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func appendNumber(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

// A life names, for all nodes, the life of the partition that begins or goes on with it.
type life struct {
	id    string
	after string // the one before; the same where it goes on, and empty for the first
}

func (l life) record() (b []byte) {
	b = append(b, kindLife)
	b = protowire.AppendString(protowire.AppendTag(b, lifeID, protowire.BytesType), l.id)
	return protowire.AppendString(protowire.AppendTag(b, lifeAfter, protowire.BytesType), l.after)
}

// parseLife returns the life that a record is.
func parseLife(value []byte) (l life, err error) {
	err = wire.Fields(value[1:], func(n protowire.Number, v []byte, _ uint64) error {
		switch n {
		case lifeID:
			l.id = string(v)
		case lifeAfter:
			l.after = string(v)
		}
		return nil
	})
	if err == nil && (l.id == "" || len(l.id) > 100 || len(l.after) > 100 || hub.CheckChannel(l.id) != nil) {
		err = errors.New("no life")
	}
	return l, err
}

// parse returns the entry that a record is. It keeps value. Every node says the same of the same
// record.
func parse(channel string, value []byte) (e entry, err error) {
	if len(value) == 0 || value[0] != kindEntry {
		return e, errors.New("no record of a known kind")
	}
	if err := hub.CheckChannel(channel); err != nil {
		return e, err
	}
	var message []byte
	var position hub.Position
	expects := false
	err = wire.Fields(value[1:], func(n protowire.Number, v []byte, i uint64) error {
		if i > maxCount {
			return fmt.Errorf("field %d is %d", n, i)
		}
		switch n {
		case recordNode:
			e.node = string(v)
		case recordNumber:
			e.number = i
		case recordHistory:
			e.kept.History = int(i)
		case recordAge:
			e.kept.HistoryTime = millis(i)
		case recordDedup:
			e.kept.Dedup = millis(i)
		case recordEpoch:
			position.Epoch, expects = string(v), true
		case recordOffset:
			position.Offset = i
		case recordMessage:
			message = v
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	if message == nil {
		return e, errors.New("no message")
	}
	if expects {
		e.expect = &position
	}
	e.Message, err = wire.ParseMessage(channel, message)
	return e, err
}

// maxAge bounds the times of a record: 10 years.
const maxAge = 10 * 365 * 24 * time.Hour

func millis(n uint64) time.Duration {
	return time.Duration(min(n, uint64(maxAge/time.Millisecond))) * time.Millisecond
}
