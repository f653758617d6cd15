package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/cluster"
	"github.com/seed-15847954/ropewalk/hub"
)

// others are nodes that are asked without a bus.
type others struct {
	nodes map[string]*api.Handler
	err   error // of each question
}

func (o *others) Ask(ctx context.Context, method string, request []byte) (replies []cluster.Reply, err error) {
	for name, n := range o.nodes {
		reply := cluster.Reply{Node: name}
		reply.Response, reply.Err = n.Answer(ctx, method, request)
		replies = append(replies, reply)
	}
	return replies, o.err
}

func (o *others) Nodes() (nodes []cluster.Node) {
	for name := range o.nodes {
		nodes = append(nodes, cluster.Node{Name: name, Version: "v2"})
	}
	return nodes
}

// newNodes returns node "a", which knows "b" and "c", with clients here and there: client i
// of 30 is on node i mod 3, and subscribed to room i mod 5; each user has two of them.
func newNodes(t *testing.T) (*backEnd, *others, [][]*fakeClient) {
	t.Helper()
	o := &others{nodes: make(map[string]*api.Handler)}
	var first *backEnd
	var all [][]*fakeClient
	for n, name := range []string{"a", "b", "c"} {
		h := hub.New(newLogBroker(), hub.Config{})
		var clients crowd
		for i := n; i < 30; i += 3 {
			clients = append(clients, &fakeClient{Description: api.Description{Name: fmt.Sprintf("client %02d", i), User: fmt.Sprint("user ", i/2)}})
			if _, err := h.Subscribe(t.Context(), fmt.Sprint("room ", i%5), new(earless)); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, clients)
		config := api.Config{Hub: h, Clients: clients, Node: name, Version: "v1"}
		if n == 0 {
			config.Nodes = o
			first = &backEnd{handler: api.New(config)}
			continue
		}
		o.nodes[name] = api.New(config)
	}
	return first, o, all
}

// call returns the answer of a method.
func (b *backEnd) call(t *testing.T, method, body string) (status int, answer map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/"+method, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s %s: %v: %s", method, body, err, w.Body)
	}
	return w.Code, answer
}

// must is call where nothing may go wrong.
func (b *backEnd) must(t *testing.T, method, body string) map[string]any {
	t.Helper()
	status, answer := b.call(t, method, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v", method, body, status, answer)
	}
	return answer
}

// earless is a subscriber that is in the way of nobody.
type earless struct{ _ int }

func (*earless) Deliver(*hub.Publication)   {}
func (*earless) Change(*hub.PresenceChange) {}
func (*earless) Lost(error)                 {}

func TestListsOfAllNodes(t *testing.T) {
	b, _, _ := newNodes(t)
	for _, limit := range []int{1, 4, 30, 1000} {
		var got, want []string
		for after, more := "", true; more && len(got) <= 30; {
			page := b.must(t, "connections", fmt.Sprintf(`{"after":%q,"limit":%d}`, after, limit))
			var names []string
			for _, c := range page["connections"].([]any) {
				names = append(names, c.(map[string]any)["client"].(string))
			}
			if len(names) == 0 || len(names) > limit {
				t.Fatalf("a page of %d has %d clients", limit, len(names))
			}
			got = append(got, names...)
			after, more = names[len(names)-1], page["more"].(bool)
		}
		for i := range 30 {
			want = append(want, fmt.Sprintf("client %02d", i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q", limit, got)
		}
	}
	page := b.must(t, "channels", `{"pattern":"room *","limit":3}`)
	channels := page["channels"].([]any)
	if len(channels) != 3 || page["more"] != true {
		t.Fatalf("channels %v", page)
	}
	if c := channels[2].(map[string]any); c["name"] != "room 2" || c["subscribers"] != 6.0 {
		t.Errorf("channels %v", c)
	}
	if nodes := b.must(t, "info", `{}`)["nodes"].([]any); len(nodes) != 3 || nodes[1].(map[string]any)["version"] != "v2" {
		t.Errorf("nodes %v", nodes)
	}
}

func TestClientsOfAllNodes(t *testing.T) {
	b, _, clients := newNodes(t)
	for call, want := range map[string]float64{
		`subscribe {"client":"client 01","channel":"x"}`:                   1,
		`send {"client":"client 00","data":1}`:                             1,
		`send {"user":"user 1","data":2}`:                                  2,
		`disconnect {"user":"user 1","reason":"because"}`:                  2,
		`unsubscribe {"client":"client 02","channel":"is not subscribed"}`: 0,
		`disconnect {"user":"nobody"}`:                                     0,
	} {
		var method, body string
		fmt.Sscan(call, &method)
		body = call[len(method)+1:]
		if got := b.must(t, method, body)["clients"]; got != want {
			t.Errorf("%s: %v clients, want %v", call, got, want)
		}
	}
	if !clients[1][0].channels["x"] {
		t.Error("a client of another node is not subscribed")
	}
	if got := clients[2][0].did; len(got) != 2 || !slices.Contains(got, "disconnect because") {
		t.Errorf("a client of another node: %q", got)
	}
}

func TestErrorsOfNodes(t *testing.T) {
	b, o, clients := newNodes(t)
	clients[1][0].subscribe = hub.ErrTooManySubscribers
	check := func(call, body, want string) {
		t.Helper()
		if _, got := b.call(t, call, body); got["reason"] != want {
			t.Errorf("%s %s = %v, want %s", call, body, got, want)
		}
	}
	check("send", `{"client":"client 99","data":1}`, "no_client")
	check("subscribe", `{"client":"client 01","channel":"x"}`, "too_many_subscribers")
	check("subscribe", `{"client":"","channel":"x"}`, "bad_request")
	o.err = fmt.Errorf("%w: c", cluster.ErrSilent)
	check("connections", `{}`, "node_silent")
	check("send", `{"client":"client 01","data":1}`, "node_silent")
	if got := b.must(t, "send", `{"client":"client 00","data":1}`)["clients"]; got != 1.0 {
		t.Errorf("a client of this node: %v", got)
	}
	if _, err := o.nodes["b"].Answer(t.Context(), "publish", nil); err == nil {
		t.Error("a node publishes for another one")
	}
	if _, err := o.nodes["b"].Answer(t.Context(), "send", []byte{0xff}); err == nil {
		t.Error("what is no request is answered")
	}
}
