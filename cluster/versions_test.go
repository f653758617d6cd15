package cluster

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-15847954/ropewalk/cluster/clusterpb"
)

// later has a node speak as a later version might: everything has a field that nobody knows, and between
// any two things comes one of a kind that nobody knows.
type later struct {
	*seat
	strange atomic.Uint64 // how many of those have come
}

const unknownField = 999

func (l *later) Broadcast(ctx context.Context, message []byte) error {
	var e clusterpb.Envelope
	if err := proto.Unmarshal(message, &e); err != nil {
		return err
	}
	strange := protowire.AppendString(protowire.AppendTag(nil, unknownField, protowire.BytesType), "of a later version")
	if e.Parts <= 1 {
		var body clusterpb.Body
		if err := proto.Unmarshal(e.Body, &body); err != nil {
			return err
		}
		addUnknown(body.ProtoReflect(), strange)
		text, err := proto.Marshal(&body)
		if err != nil {
			return err
		}
		number := e.Number + l.strange.Add(1) - 1
		other := &clusterpb.Envelope{Node: e.Node, Number: number, Parts: e.Parts, Body: strange}
		if err := l.send(ctx, other); err != nil {
			return err
		}
		e.Body = text
	}
	e.Number += l.strange.Load()
	addUnknown(e.ProtoReflect(), strange)
	return l.send(ctx, &e)
}

func (l *later) send(ctx context.Context, e *clusterpb.Envelope) error {
	text, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	return l.seat.Broadcast(ctx, text)
}

// addUnknown gives an unknown field to a message and to all that it holds.
func addUnknown(m protoreflect.Message, field []byte) {
	m.SetUnknown(append(m.GetUnknown(), field...))
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.IsList() && d.Message() != nil:
			for i := range v.List().Len() {
				addUnknown(v.List().Get(i).Message(), field)
			}
		case d.Message() != nil:
			addUnknown(v.Message(), field)
		}
		return true
	})
}

// Nodes of two versions are one cluster: they know each other, each other's clients, and answer.
func TestLaterVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(hall)
		old := h.node(t, "old", echo("old"))
		young := &node{seat: h.seat(), t: t, told: make(map[string]int)}
		young.Cluster = New(Config{
			Node: "young", Version: "2", Bus: &later{seat: young.seat}, Changed: young.changed, Answer: echo("young"), Log: slog.New(slog.DiscardHandler),
		})
		if err := young.Start(t.Context(), "young:80"); err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		young.enter("room", "x")
		old.enter("room", "y")
		<-time.After(2 * beatTime)
		for _, n := range []*node{old, young} {
			if got := n.present("room"); !slices.Equal(got, []string{"x", "y"}) || n.Err() != nil {
				t.Errorf("%s: present are %q, %v", n.config.Node, got, n.Err())
			}
			replies, err := n.Ask(t.Context(), "say", []byte("hello"))
			if err != nil || len(replies) != 1 || replies[0].Err != nil {
				t.Errorf("%s: %d replies, %v", n.config.Node, len(replies), err)
			}
		}
		if one, ok := old.Node("young"); !ok || one.Version != "2" || one.Address != "young:80" {
			t.Errorf("the old one knows %+v of the young one", one)
		}
		young.Close()
		synctest.Wait()
		if got := old.present("room"); !slices.Equal(got, []string{"y"}) {
			t.Errorf("behind the goodbye %q are present", got)
		}
	})
}
