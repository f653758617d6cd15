package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/cluster/clusterpb"
)

// house runs a test with three nodes a, b and c, in fake time, when they know one another.
func house(t *testing.T, f func(t *testing.T, nodes []*node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := new(hall)
		var nodes []*node
		for _, name := range []string{"a", "b", "c"} {
			nodes = append(nodes, h.node(t, name, echo(name)))
		}
		<-time.After(settleTime) // of the clock of synctest
		f(t, nodes)
		for _, n := range nodes {
			n.Close()
		}
	})
}

// echo answers with the node's name and the question, unless that is "fail".
func echo(name string) func(ctx context.Context, method string, request []byte) ([]byte, error) {
	return func(_ context.Context, method string, request []byte) ([]byte, error) {
		if method == "fail" {
			return nil, &Failure{Reason: "reason", Message: "message of " + name}
		}
		return fmt.Appendf(nil, "%s %s %s", name, method, request), nil
	}
}

func names(nodes []Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, " ")
}

func TestNodes(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		for i, want := range []string{"b c", "a c", "a b"} {
			if got := names(nodes[i].Nodes()); got != want {
				t.Errorf("node %d knows %q, want %q", i, got, want)
			}
		}
		b, ok := nodes[0].Node("b")
		if !ok || b.Address != "b:80" || b.Version != "1" || b.Token != nodes[1].Token() {
			t.Errorf("a knows %+v of b", b)
		}
		nodes[1].Close()
		synctest.Wait()
		if _, ok := nodes[0].Node("b"); ok {
			t.Error("a node that has said goodbye is still there")
		}
	})
}

// A node that is not heard any more is gone when its lease ends, and there again when it is heard.
func TestLease(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		a, c := nodes[0], nodes[2]
		c.enter("room", "x")
		<-time.After(100 * time.Millisecond)
		c.set(func(s *seat) { s.mute, s.deaf = true, true })
		<-time.After(leaseTime - 2*beatTime)
		if got := names(a.Nodes()); got != "b c" {
			t.Errorf("a node is given up early: %s", got)
		}
		<-time.After(3 * beatTime)
		if got := names(a.Nodes()); got != "b" || len(a.present("room")) > 0 {
			t.Errorf("a node is kept: %s", got)
		}
		if got := names(c.Nodes()); got != "a b" {
			t.Errorf("who hears nobody, and not itself, knows %q", got)
		}
		if c.Err() == nil || a.Err() != nil {
			t.Errorf("Err = %v and %v, want one of the node that is cut off", c.Err(), a.Err())
		}
		c.set(func(s *seat) { s.mute, s.deaf = false, false })
		<-time.After(2 * beatTime)
		if got := a.present("room"); !slices.Equal(got, []string{"x"}) || c.Err() != nil {
			t.Errorf("present are %q, %v", got, c.Err())
		}
		if got, want := a.heard(), []string{"+x", "-x", "+x"}; !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}

func TestAsk(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		a := nodes[0]
		big := strings.Repeat("x", 3*MaxMessage) // in parts
		replies, err := a.Ask(t.Context(), "say", []byte(big))
		if err != nil || len(replies) != 2 || string(replies[0].Response) != "b say "+big || replies[1].Node != "c" {
			t.Errorf("%d replies, %v", len(replies), err)
		}
		replies, err = a.Ask(t.Context(), "fail", nil)
		if err != nil || len(replies) != 2 {
			t.Fatalf("%d replies, %v", len(replies), err)
		}
		if f, ok := errors.AsType[*Failure](replies[1].Err); !ok || f.Reason != "reason" || f.Message != "message of c" {
			t.Errorf("the error is %v", replies[1].Err)
		}
	})
}

// Who does not answer is named; who is gone is not waited for.
func TestAskSilent(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		a, b := nodes[0], nodes[1]
		b.set(func(s *seat) { s.deaf = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		replies, err := a.Ask(ctx, "say", nil)
		if !errors.Is(err, ErrSilent) || !strings.HasSuffix(err.Error(), ": b") || len(replies) != 1 {
			t.Errorf("%d replies, %v", len(replies), err)
		}
		b.set(func(s *seat) { s.mute = true })
		began := time.Now()
		replies, err = a.Ask(t.Context(), "say", nil)
		if err != nil || len(replies) != 1 {
			t.Errorf("%d replies, %v", len(replies), err)
		}
		if took := time.Since(began); took > leaseTime+2*beatTime {
			t.Errorf("it took %v", took)
		}
		a.set(func(s *seat) { s.mute = true })
		if _, err := a.Ask(t.Context(), "say", nil); !errors.Is(err, errHall) {
			t.Errorf("Ask = %v where nothing can be said", err)
		}
	})
}

// A node that has just begun asks those that it does not know yet, too.
func TestAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(hall)
		b := h.node(t, "b", echo("b"))
		defer b.Close()
		b.set(func(s *seat) { s.deaf = true }) // does not hear the greeting
		a := h.node(t, "a", nil)
		defer a.Close()
		synctest.Wait()
		b.set(func(s *seat) { s.deaf = false })
		replies, err := a.Ask(t.Context(), "say", []byte("x"))
		if err != nil || len(replies) != 1 || string(replies[0].Response) != "b say x" {
			t.Errorf("%v, %v", replies, err)
		}
	})
}

func TestAlone(t *testing.T) {
	c := New(Config{Node: "a"})
	if err := c.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	replies, err := c.Ask(t.Context(), "say", nil)
	if err != nil || len(replies) > 0 || len(c.Nodes()) > 0 || c.Err() != nil {
		t.Errorf("%v, %v, %v, %v", replies, err, c.Nodes(), c.Err())
	}
	c.Close()
}

// What is no message of a node does nothing.
func TestGarbage(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		a := nodes[0]
		a.enter("room", "x")
		body := func(b *clusterpb.Body) []byte {
			raw, err := proto.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		envelope := func(e *clusterpb.Envelope) []byte {
			raw, err := proto.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		changes := body(&clusterpb.Body{Kind: &clusterpb.Body_Changes{Changes: &clusterpb.Changes{Changes: []*clusterpb.Change{{Channel: "room"}, {Leaves: true, Member: &clusterpb.Member{}}}}}})
		for _, message := range [][]byte{
			[]byte("garbage"), bytes.Repeat([]byte{0xff}, 1000),
			{0},
			envelope(&clusterpb.Envelope{}),
			envelope(&clusterpb.Envelope{Node: "a"}),
			envelope(&clusterpb.Envelope{Node: "b", Parts: 1, Body: []byte{0xff}}),
			envelope(&clusterpb.Envelope{Node: "b", Parts: 1, Body: changes}),
			envelope(&clusterpb.Envelope{Node: "b", Part: 7, Parts: 2, Body: changes}),
			envelope(&clusterpb.Envelope{Node: "b", Part: 0, Parts: 1 << 31, Body: changes}),
			envelope(&clusterpb.Envelope{Node: "stranger", Parts: 1, Body: changes}),
			envelope(&clusterpb.Envelope{Node: "b", Parts: 1, Body: body(&clusterpb.Body{})}),
			envelope(&clusterpb.Envelope{Node: "b", Parts: 1, Body: body(&clusterpb.Body{Kind: &clusterpb.Body_Answer{Answer: &clusterpb.Answer{Node: "a", Id: 99}}})}),
			envelope(&clusterpb.Envelope{Node: "b", Parts: 1, Body: body(&clusterpb.Body{Kind: &clusterpb.Body_Snapshot{Snapshot: &clusterpb.Snapshot{Members: []*clusterpb.Change{nil, {}}}}})}),
		} {
			a.Cluster.hear(message)
		}
		<-time.After(2 * beatTime)
		for _, n := range nodes {
			if got := n.present("room"); !slices.Equal(got, []string{"x"}) {
				t.Errorf("present are %q", got)
			}
		}
	})
}
