package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	ropewalk "github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// call calls a method of the api that has to succeed.
func (s *site) call(method, body string, answer any) {
	s.t.Helper()
	resp, text := s.do("POST", "/api/"+method, body, "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(text), answer); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("POST /api/%s %s = %d %s, %v", method, body, resp.StatusCode, text, err)
	}
}

type many struct{ Clients int }

// A back end subscribes a client, which is told and gets what is published, and ends
// that again, in both encodings.
func TestBackEndSubscribes(t *testing.T) {
	for _, e := range []ropewalk.Encoding{ropewalk.JSON, ropewalk.Protobuf} {
		t.Run(string(e), func(t *testing.T) { testBackEndSubscribes(t, e) })
	}
}

func testBackEndSubscribes(t *testing.T, e ropewalk.Encoding) {
	s := start(t, Config{Version: "v1.2.3"})
	up := make(chan string, 1)
	made := make(chan *ropewalk.Subscription, 1)
	c, err := ropewalk.New(s.wsURL(), &ropewalk.Options{
		Encoding:     e,
		OnConnected:  func(c ropewalk.Connected) { up <- c.Client },
		OnSubscribed: func(sub *ropewalk.Subscription) { made <- sub },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := fmt.Sprintf(`{"client":%q,"channel":"news"}`, <-up)

	var got many
	if s.call("subscribe", request, &got); got.Clients != 1 {
		t.Errorf("subscribe = %+v, want 1 client", got)
	}
	if s.call("subscribe", request, &got); got.Clients != 0 {
		t.Errorf("subscribe once more = %+v, want 0 clients", got)
	}
	sub := <-made
	s.publish(publishBody)
	events := []string{next(t, sub), next(t, sub)}
	if want := "*client.Subscribed *client.Publication"; strings.Join(events, " ") != want || sub.Channel() != "news" {
		t.Errorf("events of %s: %v, want %s", sub.Channel(), events, want)
	}
	if s.call("unsubscribe", request, &got); got.Clients != 1 {
		t.Errorf("unsubscribe = %+v, want 1 client", got)
	}
	if end := next(t, sub); !strings.Contains(end, "unsubscribed") {
		t.Errorf("the subscription ends with %s, want unsubscribed", end)
	}
	var info struct{ Version string }
	if s.call("info", "{}", &info); info.Version != "v1.2.3" {
		t.Errorf("info has the version %q", info.Version)
	}
}

// next returns the type of the next event, or the error in its place.
func next(t *testing.T, sub *ropewalk.Subscription) string {
	t.Helper()
	e, err := sub.Next(t.Context())
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%T", e)
}

// A connection that has not said connect is nobody to back ends.
func TestStrangersAreNoClients(t *testing.T) {
	s := start(t, Config{})
	p := s.dial()
	var got struct{ Connections []struct{ Client string } }
	if s.call("connections", "{}", &got); len(got.Connections) != 0 {
		t.Errorf("connections before connect = %+v, want none", got)
	}
	p.send(`{"id":1,"connect":{}}`)
	p.receive()
	if s.call("connections", "{}", &got); len(got.Connections) != 1 {
		t.Errorf("connections behind connect = %+v, want 1", got)
	}
	c := clients{s.sessions, nil}.Client(got.Connections[0].Client)
	_ = p.Close(1000, "")
	<-c.(client).Done()
	if err := c.Subscribe(context.Background(), "news"); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Subscribe behind the end = %v, want ErrClosed", err)
	}
}

// A client that has lost its connection is listed, nothing reaches it, and a back end can
// end the waiting for it.
func TestClientsThatAreAway(t *testing.T) {
	s := start(t, Config{ResumeTime: time.Hour, Channels: &hub.Options{Presence: true}})
	var names []string
	for range 3 {
		p := s.dial()
		p.send(`{"id":1,"connect":{"info":{"x":1},"subscriptions":[{"channel":"news"}]}}`)
		name := p.receive().Connect.Client
		names = append(names, name)
		if len(names) < 3 {
			live := s.sessions.Client(name)
			_ = p.CloseNow()
			<-live.Done()
		}
	}
	away := map[string]bool{names[0]: true, names[1]: true, names[2]: false}
	slices.Sort(names)

	type page struct {
		Connections []struct {
			Client string
			Away   bool
			Info   struct{ X int }
		}
		More bool
	}
	after := ""
	for i, name := range names {
		var got page
		s.call("connections", fmt.Sprintf(`{"after":%q,"limit":1}`, after), &got)
		if len(got.Connections) != 1 || got.More != (i < 2) {
			t.Fatalf("page %d = %+v", i, got)
		}
		if c := got.Connections[0]; c.Client != name || c.Away != away[name] || c.Info.X != 1 {
			t.Errorf("page %d = %+v, want %s, away = %v", i, c, name, away[name])
		}
		after = name
	}
	for _, name := range names {
		want := 1
		if away[name] {
			want = 0
		}
		for method, body := range map[string]string{
			"send":      `{"client":%q,"data":1}`,
			"subscribe": `{"client":%q,"channel":"other"}`,
		} {
			var got many
			if s.call(method, fmt.Sprintf(body, name), &got); got.Clients != want {
				t.Errorf("%s = %+v, want %d clients", method, got, want)
			}
		}
	}
	var count struct{ Clients int }
	if s.call("presence_count", `{"channel":"news"}`, &count); count.Clients != 3 {
		t.Errorf("%d clients are present, want 3", count.Clients)
	}
	for name := range away {
		if away[name] {
			s.call("disconnect", fmt.Sprintf(`{"client":%q}`, name), new(many))
		}
	}
	if s.call("presence_count", `{"channel":"news"}`, &count); count.Clients != 1 {
		t.Errorf("%d clients are present when two were given up, want 1", count.Clients)
	}
	var got page
	if s.call("connections", "{}", &got); len(got.Connections) != 1 || got.More {
		t.Errorf("connections = %+v, want 1", got)
	}
}

// A lingering is the transport of a session whose connection takes its time to end.
type lingering struct {
	session.Transport
	session.Codec
	begun, over chan struct{}
}

func (e *lingering) Format() hub.Format { return "test" }

func (e *lingering) Close(error) {
	close(e.begun)
	<-e.over
}

// A client is away from when its session has given up its subscriptions, though the connection
// may take seconds more to end: it can be disconnected then.
func TestDisconnectAtTheEnd(t *testing.T) {
	e := &lingering{begun: make(chan struct{}), over: make(chan struct{})}
	c := clients{new(session.Set), new(session.Lobby)}
	s := session.New(session.Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{}), Transport: e, Codec: e, Lobby: c.lobby})
	if err := c.Add(s); err != nil {
		t.Fatal(err)
	}
	s.Close(session.ErrSlowConsumer)
	<-e.begun
	c.Client(s.Client()).Disconnect("signed out", false)
	if _, _, ok := c.lobby.Resume(c.Set, s.ID()); ok {
		t.Error("a client that was disconnected has resumed its session")
	}
	close(e.over)
	<-s.Done()
	if c.Client(s.Client()) == nil {
		t.Error("a session at its end that nobody waits for is not found")
	}
}
