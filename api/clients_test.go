package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/api/apipb/apipbconnect"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

func TestClientsEveryWay(t *testing.T) {
	everyWay(t, func(t *testing.T, b *backEnd, c apipbconnect.ApiClient) {
		ctx := t.Context()
		page, err := c.Connections(ctx, &apipb.ConnectionsRequest{After: client})
		want := &apipb.ConnectionsResponse{Connections: []*apipb.Connection{{
			Client: other, User: "ada", Format: "ropewalk.v1.protobuf", Since: 1795400153739, Queued: 512, Away: true, Info: []byte(`{"x":1}`),
		}}}
		if err != nil || !proto.Equal(page, want) {
			t.Errorf("Connections = %v, %v, want %v", page, err, want)
		}
		if got, err := c.Subscribe(ctx, &apipb.SubscribeRequest{Client: client, Channel: "news"}); err != nil || got.Clients != 1 {
			t.Errorf("Subscribe = %v, %v, want 1 client", got, err)
		}
		if got, err := c.Subscribe(ctx, &apipb.SubscribeRequest{User: "ada", Channel: "news"}); err != nil || got.Clients != 1 {
			t.Errorf("Subscribe of both = %v, %v, want only the one that was not subscribed", got, err)
		}
		if got, err := c.Unsubscribe(ctx, &apipb.UnsubscribeRequest{User: "ada", Channel: "news"}); err != nil || got.Clients != 2 {
			t.Errorf("Unsubscribe = %v, %v, want 2 clients", got, err)
		}
		if got, err := c.Unsubscribe(ctx, &apipb.UnsubscribeRequest{Client: other, Channel: "news"}); err != nil || got.Clients != 0 {
			t.Errorf("Unsubscribe again = %v, %v, want 0 clients", got, err)
		}
		if got, err := c.Send(ctx, &apipb.SendRequest{User: "ada", Data: []byte("\x00"), ContentType: "a/b"}); err != nil || got.Clients != 2 {
			t.Errorf("Send = %v, %v, want 2 clients", got, err)
		}
		if got, err := c.Disconnect(ctx, &apipb.DisconnectRequest{Client: other, Reason: "moved", Retry: true}); err != nil || got.Clients != 1 {
			t.Errorf("Disconnect = %v, %v, want 1 client", got, err)
		}
		if got, err := c.Disconnect(ctx, &apipb.DisconnectRequest{User: "nobody"}); err != nil || got.Clients != 0 {
			t.Errorf("Disconnect of nobody = %v, %v, want 0 clients", got, err)
		}
		for i, did := range [][]string{{"send a/b \x00"}, {"send a/b \x00", "disconnect moved, come back"}} {
			if got := b.clients[i].did; !slices.Equal(got, did) {
				t.Errorf("client %d: %q, want %q", i, got, did)
			}
		}
	})
}

// Security 29.
func TestClientsRefuse(t *testing.T) {
	full := &fakeClient{Description: api.Description{Name: client}, subscribe: fmt.Errorf("subscribe: %w", session.ErrTooManySubscriptions)}
	b := &backEnd{handler: api.New(api.Config{Hub: hub.New(newLogBroker(), hub.Config{}), Clients: crowd{full}})}
	for body, want := range map[string]string{
		`subscribe {"channel":"news"}`:                           "bad_request",
		`subscribe {"channel":"news","client":"x","user":"y"}`:   "bad_request",
		`subscribe {"channel":"","user":"y"}`:                    "bad_channel",
		`subscribe {"channel":"news","client":"x"}`:              "no_client",
		`subscribe {"channel":"news","client":"` + client + `"}`: "too_many_subscriptions",
		`unsubscribe {"channel":"news"}`:                         "bad_request",
		"unsubscribe {\"channel\":\"a\nb\",\"user\":\"y\"}":      "bad_request", // a line break in JSON
		`unsubscribe {"channel":"a\u0000","user":"y"}`:           "bad_channel",
		`disconnect {}`: "bad_request",
		`disconnect {"user":"y","reason":"` + strings.Repeat("r", 101) + `"}`: "bad_request",
		`send {"user":"y"}`: "bad_request",
		`send {"user":"y","base64":"","content_type":"none"}`:                                 "bad_request",
		`send {"user":"y","base64":"","content_type":"a/b; x=\"\u00e9\""}`:                    "bad_request",
		`send {"user":"y","data":"` + strings.Repeat("d", 64<<10) + `"}`:                      "data_too_big",
		`connections {"limit":4294967296}`:                                                    "bad_request",
		`channels {"limit":-1}`:                                                               "bad_request",
		`channels {"limit":-9223372036854775808}`:                                             "bad_request",
		`channels {"limit":9223372036854775807}`:                                              "bad_request",
		`channels {"pattern":"***"}`:                                                          "bad_pattern",
		`channels {"pattern":"a\u0000"}`:                                                      "bad_pattern",
		`presence {"channel":"news","limit":18446744073709551616}`:                            "bad_request",
		`history {"channel":"news","from":{"epoch":"e","offset":9223372036854775807}}`:        "bad_request",
		`history {"channel":"news","from":{"offset":1}}`:                                      "bad_request",
		`history {"channel":"news"}`:                                                          "no_history",
		`presence_count {"channel":"news"}`:                                                   "no_presence",
		`publish_batch {"messages":[]}`:                                                       "bad_request",
		`broadcast {"data":1}`:                                                                "bad_request",
		`publish {"channel":"news","data":1,"expect":{}}`:                                     "bad_request",
		`publish {"channel":"news","data":1,"key":"` + strings.Repeat("k", 65) + `"}`:         "bad_request",
		`publish {"channel":"news","data":1,"tags":{"t":"` + strings.Repeat("t", 257) + `"}}`: "bad_request",
	} {
		name, text, _ := strings.Cut(body, " ")
		if got := reason(t, b, name, text); got != want {
			t.Errorf("%.100s: reason %q, want %q", body, got, want)
		}
	}
}

// Data is what it is said to be, however it came: in the Connect protocol and gRPC
// it is bytes that nobody has read yet.
func TestDataIsChecked(t *testing.T) {
	everyWay(t, func(t *testing.T, b *backEnd, c apipbconnect.ApiClient) {
		for data, contentType := range map[string]string{"": "", "{": "", "plain text": "", "\xff": "", "{}{}": "", "x": "text", "y": strings.Repeat("a", 64) + "/" + strings.Repeat("b", 63)} {
			_, err := c.Publish(t.Context(), &apipb.PublishRequest{Channel: "news", Data: []byte(data), ContentType: contentType})
			if _, why := detail(t, err); why.Reason != "bad_request" {
				t.Errorf("Publish of %q as %.20q = %v, want bad_request", data, contentType, err)
			}
		}
		_, err := c.Publish(t.Context(), &apipb.PublishRequest{Channel: "news", Data: make([]byte, 1001), ContentType: "a/b"})
		if _, why := detail(t, err); why.Reason != "data_too_big" {
			t.Errorf("Publish of 1001 bytes = %v, want data_too_big", err)
		}
		tags := make(map[string]string)
		for i := range 17 {
			tags[fmt.Sprint(i)] = ""
		}
		_, err = c.Publish(t.Context(), &apipb.PublishRequest{Channel: "news", Data: []byte(`1`), Tags: tags})
		if _, why := detail(t, err); why.Reason != "bad_request" {
			t.Errorf("Publish with 17 tags = %v, want bad_request", err)
		}
		if n := len(b.broker.logs["news"]); n != 0 {
			t.Errorf("%d messages were published all the same", n)
		}
	})
}

// A page of history ends when it has much data, and goes on from there.
func TestPageOfMuchData(t *testing.T) {
	b := newBackEnd()
	for range 5 {
		m := hub.Message{Channel: "big", Data: []byte(`"` + strings.Repeat("x", 400<<10) + `"`)}
		if _, err := b.hub.Publish(t.Context(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	c := apipbconnect.NewApiClient(httpClient(t), b.listen(t))
	var from *apipb.Position
	var sizes []int
	for more := true; more; {
		page, err := c.History(t.Context(), &apipb.HistoryRequest{Channel: "big", From: from})
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.Publications))
		last := page.Publications[len(page.Publications)-1]
		from, more = &apipb.Position{Epoch: last.Epoch, Offset: last.Offset}, page.More
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("pages of %v publications, want 2, 2 and 1", sizes)
	}
}

// All clients of a user are reached, however many pages they fill.
func TestManyClientsOfAUser(t *testing.T) {
	var all crowd
	for i := range 2500 {
		all = append(all, &fakeClient{Description: api.Description{Name: fmt.Sprintf("%016x", i), User: "bot"}})
	}
	b := &backEnd{handler: api.New(api.Config{Hub: hub.New(newLogBroker(), hub.Config{}), Clients: all})}
	c := apipbconnect.NewApiClient(httpClient(t), b.listen(t))
	got, err := c.Disconnect(t.Context(), &apipb.DisconnectRequest{User: "bot"})
	if err != nil || got.Clients != 2500 {
		t.Errorf("Disconnect = %v, %v, want 2500 clients", got, err)
	}
	for _, one := range all {
		if len(one.did) != 1 {
			t.Fatalf("client %s: %q, want one disconnect", one.Name, one.did)
		}
	}
}
