package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/api/apipb/apipbconnect"
	"github.com/seed-15847954/ropewalk/hub"
)

// everything is what a channel may keep.
var everything = hub.Options{History: 1 << 20, HistoryTime: time.Hour, Dedup: time.Hour, Presence: true, Joins: true}

// backEnd is a handler on a broker that can everything, with two clients.
type backEnd struct {
	broker  *logBroker
	hub     *hub.Hub
	clients crowd
	handler http.Handler
}

func newBackEnd() *backEnd {
	b := &backEnd{broker: newLogBroker()}
	b.hub = hub.New(b.broker, hub.Config{Default: everything, Namespaces: []hub.Namespace{{Pattern: "plain.*"}}})
	since := time.UnixMilli(1795400153739)
	b.clients = crowd{
		{Description: api.Description{Name: client, User: "ada", Format: "ropewalk.v1.json", Since: since, Subscriptions: 2}},
		{Description: api.Description{Name: other, User: "ada", Format: "ropewalk.v1.protobuf", Since: since, Queued: 512, Away: true, Info: []byte(`{"x":1}`)}},
	}
	b.handler = api.New(api.Config{
		Hub: b.hub, Broker: b.broker, BrokerName: "log", Clients: b.clients,
		Node: "n1", Version: "v0.0.0", MaxData: 1000,
	})
	return b
}

// listen serves HTTP/1.1 and HTTP/2 without TLS and returns the base URL.
func (b *backEnd) listen(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(b.handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// httpClient returns a client whose connections end with the test.
func httpClient(t *testing.T) *http.Client {
	t.Helper()
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// reason calls a method in plain JSON and returns the reason of its error.
func reason(t *testing.T, b *backEnd, name, body string) string {
	t.Helper()
	r := request(http.MethodPost, body)
	r.URL.Path = "/api/" + name
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	var answer struct{ Reason string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: the answer %q is not JSON: %v", name, w.Body, err)
	}
	return answer.Reason
}

// speakers are the ways to call that clients of Connect have.
var speakers = []struct {
	name    string
	http2   bool
	options []connect.ClientOption
}{
	{"connect with protobuf", false, nil},
	{"connect with JSON", false, []connect.ClientOption{connect.WithProtoJSON()}},
	{"connect with gzip", false, []connect.ClientOption{connect.WithSendGzip()}},
	{"grpc", true, []connect.ClientOption{connect.WithGRPC()}},
	{"grpc with JSON", true, []connect.ClientOption{connect.WithGRPC(), connect.WithProtoJSON()}},
	{"grpc-web", false, []connect.ClientOption{connect.WithGRPCWeb()}},
}

// everyWay calls f with a client for each way, and a server for each.
func everyWay(t *testing.T, f func(t *testing.T, b *backEnd, c apipbconnect.ApiClient)) {
	for _, s := range speakers {
		t.Run(s.name, func(t *testing.T) {
			b := newBackEnd()
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(!s.http2)
			transport.Protocols.SetUnencryptedHTTP2(s.http2)
			t.Cleanup(transport.CloseIdleConnections)
			f(t, b, apipbconnect.NewApiClient(&http.Client{Transport: transport}, b.listen(t), s.options...))
		})
	}
}

// detail returns what stands in the details of an error.
func detail(t *testing.T, err error) (connect.Code, *apipb.ErrorDetail) {
	t.Helper()
	e, ok := errors.AsType[*connect.Error](err)
	if !ok || len(e.Details()) != 1 {
		t.Fatalf("error = %v, want one with a detail", err)
	}
	m, err := e.Details()[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	return e.Code(), m.(*apipb.ErrorDetail)
}

func TestPublishEveryWay(t *testing.T) {
	everyWay(t, func(t *testing.T, _ *backEnd, c apipbconnect.ApiClient) {
		ctx := t.Context()
		first, err := c.Publish(ctx, &apipb.PublishRequest{
			Channel: "news", Id: "a1", Key: "k", Tags: map[string]string{"by": "ada"}, Data: []byte(`{"n":1}`),
		})
		if err != nil || first.Epoch != epoch || first.Offset != 10 || first.Duplicate {
			t.Fatalf("Publish = %v, %v, want offset 10", first, err)
		}
		again, err := c.Publish(ctx, &apipb.PublishRequest{Channel: "news", Id: "a1", Data: []byte(`2`)})
		if err != nil || again.Offset != 10 || !again.Duplicate {
			t.Errorf("Publish of the same id = %v, %v, want a duplicate at 10", again, err)
		}
		expect := &apipb.Position{Epoch: epoch, Offset: 10}
		binary := &apipb.PublishRequest{Channel: "news", Data: []byte{0, 255}, ContentType: "a/b", Expect: expect}
		second, err := c.Publish(ctx, binary)
		if err != nil || second.Offset != 20 {
			t.Errorf("Publish at the expected position = %v, %v, want offset 20", second, err)
		}
		_, err = c.Publish(ctx, binary)
		code, why := detail(t, err)
		want := &apipb.ErrorDetail{Reason: "conflict", Position: &apipb.Position{Epoch: epoch, Offset: 20}}
		if code != connect.CodeAborted || !proto.Equal(why, want) {
			t.Errorf("Publish at another position = %v %v, want aborted %v", code, why, want)
		}
		page, err := c.History(ctx, &apipb.HistoryRequest{Channel: "news", Reverse: true})
		if err != nil || page.More || len(page.Publications) != 2 || !proto.Equal(page.Top, want.Position) {
			t.Fatalf("History = %v, %v, want both publications", page, err)
		}
		newest, oldest := page.Publications[0], page.Publications[1]
		if string(newest.Data) != "\x00\xff" || newest.ContentType != "a/b" || newest.Prev != 10 || newest.Offset != 20 {
			t.Errorf("the second publication = %v", newest)
		}
		if string(oldest.Data) != `{"n":1}` || oldest.Id != "a1" || oldest.Key != "k" || oldest.Tags["by"] != "ada" || oldest.Prev != 0 {
			t.Errorf("the first publication = %v", oldest)
		}
	})
}

func TestReadEveryWay(t *testing.T) {
	everyWay(t, func(t *testing.T, b *backEnd, c apipbconnect.ApiClient) {
		ctx := t.Context()
		for _, m := range []hub.Member{{Client: "c1", User: "ada", Info: []byte(`{"x":1}`)}, {Client: "c2", User: "ada"}} {
			if err := b.hub.Enter(ctx, "news", m); err != nil {
				t.Fatal(err)
			}
		}
		members, err := c.Presence(ctx, &apipb.PresenceRequest{Channel: "news", Limit: 1})
		want := &apipb.PresenceResponse{Members: []*apipb.Member{{Client: "c1", User: "ada", Info: []byte(`{"x":1}`)}}, More: true}
		if err != nil || !proto.Equal(members, want) {
			t.Errorf("Presence = %v, %v, want %v", members, err, want)
		}
		members, err = c.Presence(ctx, &apipb.PresenceRequest{Channel: "news", After: "c1"})
		want = &apipb.PresenceResponse{Members: []*apipb.Member{{Client: "c2", User: "ada"}}}
		if err != nil || !proto.Equal(members, want) {
			t.Errorf("Presence behind c1 = %v, %v, want %v", members, err, want)
		}
		count, err := c.PresenceCount(ctx, &apipb.PresenceCountRequest{Channel: "news"})
		if err != nil || count.Clients != 2 || count.Users != 1 {
			t.Errorf("PresenceCount = %v, %v, want 2 clients of 1 user", count, err)
		}
		for _, name := range []string{"a.1", "a.2", "b"} {
			if _, err := b.hub.Subscribe(ctx, name, new(recorder)); err != nil {
				t.Fatal(err)
			}
		}
		channels, err := c.Channels(ctx, &apipb.ChannelsRequest{Pattern: "a.*", Limit: 1})
		if err != nil || len(channels.Channels) != 1 || channels.Channels[0].Name != "a.1" || channels.Channels[0].Subscribers != 1 || !channels.More {
			t.Errorf("Channels = %v, %v, want a.1 with one subscriber, and more", channels, err)
		}
		channels, err = c.Channels(ctx, &apipb.ChannelsRequest{Pattern: "a.*", After: "a.1"})
		if err != nil || len(channels.Channels) != 1 || channels.Channels[0].Name != "a.2" || channels.More {
			t.Errorf("Channels behind a.1 = %v, %v, want a.2 and no more", channels, err)
		}
		info, err := c.Info(ctx, &apipb.InfoRequest{})
		if err != nil || info.Node != "n1" || info.Version != "v0.0.0" || info.Channels != 3 || info.Subscriptions != 3 || info.Clients != 2 ||
			!info.Broker.History || !info.Broker.Presence || info.Broker.Patterns || info.Broker.Name != "log" {
			t.Errorf("Info = %v, %v", info, err)
		}
	})
}

func TestBatchEveryWay(t *testing.T) {
	everyWay(t, func(t *testing.T, _ *backEnd, c apipbconnect.ApiClient) {
		var messages []*apipb.PublishRequest
		for i := range 90 {
			messages = append(messages, &apipb.PublishRequest{Channel: string(rune('a' + i%30)), Data: []byte(`1`)})
		}
		messages[1].Channel = "bad\n"
		batch, err := c.PublishBatch(t.Context(), &apipb.PublishBatchRequest{Messages: messages})
		if err != nil || len(batch.Results) != 90 {
			t.Fatalf("PublishBatch = %v, %v, want 90 results", batch, err)
		}
		for i, r := range batch.Results {
			want := uint64(i/30*10 + 10)
			if i%30 == 1 {
				want -= 10 // the first one of this channel was refused
			}
			if i != 1 && (r.Published.GetOffset() != want || r.Error != nil) {
				t.Errorf("result %d = %v, want offset %d", i, r, want)
			}
		}
		if e := batch.Results[1].Error; e.GetReason() != "bad_channel" || e.Code != "invalid_argument" || batch.Results[1].Published != nil {
			t.Errorf("result 1 = %v, want bad_channel", batch.Results[1])
		}
		broadcast, err := c.Broadcast(t.Context(), &apipb.BroadcastRequest{Channels: []string{"left", "", "right"}, Data: []byte(`1`)})
		if err != nil || broadcast.Results[0].Published.GetOffset() != 10 || broadcast.Results[1].Error.GetReason() != "bad_channel" ||
			broadcast.Results[2].Published.GetOffset() != 10 {
			t.Errorf("Broadcast = %v, %v, want two publications and bad_channel", broadcast, err)
		}
	})
}

// Limits and offsets at the ends of what their types hold neither break a page nor
// make it longer than pages are.
//
// Security 29.
func TestEndsOfIntegers(t *testing.T) {
	everyWay(t, func(t *testing.T, b *backEnd, c apipbconnect.ApiClient) {
		ctx := t.Context()
		for range 1001 {
			if _, err := b.hub.Publish(ctx, hub.Message{Channel: "news", Data: []byte(`1`)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		offsets := []uint64{0, 1, 10010, 10011, math.MaxInt32, math.MaxUint32, 1<<53 - 1, 1 << 53, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64}
		for _, offset := range offsets {
			checkPage(t, c, offset, math.MaxUint32)
		}
		for _, limit := range []uint32{0, 1, 999, 1000, 1001, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32} {
			checkPage(t, c, 0, limit)
			checkPage(t, c, math.MaxUint64, limit)
			if _, err := c.Presence(ctx, &apipb.PresenceRequest{Channel: "news", Limit: limit}); err != nil {
				t.Errorf("Presence with limit %d: %v", limit, err)
			}
			if _, err := c.Channels(ctx, &apipb.ChannelsRequest{Limit: limit}); err != nil {
				t.Errorf("Channels with limit %d: %v", limit, err)
			}
			if _, err := c.Connections(ctx, &apipb.ConnectionsRequest{Limit: limit}); err != nil {
				t.Errorf("Connections with limit %d: %v", limit, err)
			}
		}
		for _, offset := range offsets {
			_, err := c.Publish(ctx, &apipb.PublishRequest{Channel: "new", Data: []byte(`1`), Expect: &apipb.Position{Epoch: epoch, Offset: max(offset, 1)}})
			if _, why := detail(t, err); why.Reason != "conflict" {
				t.Errorf("Publish at %d = %v, want a conflict", offset, why)
			}
		}
	})
}

// checkPage reads both ways from an offset of a channel with the offsets 10, 20 to 10010.
func checkPage(t *testing.T, c apipbconnect.ApiClient, offset uint64, limit uint32) {
	t.Helper()
	most := 100
	if limit > 0 {
		most = int(min(limit, 1000))
	}
	before := int(min(offset/10, 1001))
	for reverse, left := range map[bool]int{false: 1001 - before, true: before} {
		page, err := c.History(t.Context(), &apipb.HistoryRequest{
			Channel: "news", From: &apipb.Position{Epoch: epoch, Offset: offset}, Limit: limit, Reverse: reverse,
		})
		if err != nil || len(page.Publications) != min(left, most) || page.More != (left > most) {
			t.Errorf("History from %d, limit %d, reverse %v = %d publications, more %v, %v, want %d of %d",
				offset, limit, reverse, len(page.GetPublications()), page.GetMore(), err, min(left, most), left)
		}
	}
}

// Pages of other origins cannot call the paths of the Connect protocol either, in
// none of its content types.
//
// Security 10.
func TestOriginOfCalls(t *testing.T) {
	b := newBackEnd()
	for _, contentType := range []string{
		"application/json", "application/proto", "application/grpc", "application/grpc+json", "application/grpc-web", "application/grpc-web+proto",
		"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "",
	} {
		for _, origin := range []string{"https://evil.example", "null", "", "http://rope.example:8001", "http://rope.example:8000.evil.example", "http://rope.example:8000@evil.example"} {
			r := httptest.NewRequest(http.MethodPost, "http://rope.example:8000/ropewalk.api.v1.Api/Publish", strings.NewReader(`{"channel":"news","data":"MQ=="}`))
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Origin", origin)
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, r)
			grpcRefused := w.Header().Get("Grpc-Status") == "7" || strings.Contains(w.Body.String(), "grpc-status: 7")
			if w.Code != 403 && !grpcRefused {
				t.Errorf("%s of %q: answer = %d %v %s, want a refusal", contentType, origin, w.Code, w.Header(), w.Body)
			}
		}
	}
	// Without Origin, as a browser's form may be: what it can send is not taken.
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		r := httptest.NewRequest(http.MethodPost, "/ropewalk.api.v1.Api/Publish", strings.NewReader(`{"channel":"news","data":"MQ=="}`))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: answer = %d, want 415", contentType, w.Code)
		}
	}
	// Nothing can be called by GET, which a link or an image can send.
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, `/ropewalk.api.v1.Api/Publish?encoding=json&message={"channel":"news","data":"MQ=="}`, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET = %d, want 405", w.Code)
	}
	if got := len(b.broker.logs["news"]); got != 0 {
		t.Errorf("%d messages were published all the same", got)
	}
}

// What the broker says is not told to callers, however they call, and the error
// says whether the message may have been taken.
func TestBrokerFailsCalls(t *testing.T) {
	for name, c := range map[string]struct {
		broker hub.Broker
		reason string
	}{
		"dead":        {dead{}, "unavailable"},
		"forgetful":   {failing{hub.ErrIndeterminate}, "indeterminate"},
		"out of time": {failing{context.DeadlineExceeded}, "indeterminate"},
		"cancelled":   {failing{context.Canceled}, "indeterminate"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backEnd{handler: api.New(api.Config{Hub: hub.New(c.broker, hub.Config{})})}
			rpc := apipbconnect.NewApiClient(httpClient(t), b.listen(t))
			_, err := rpc.Publish(t.Context(), &apipb.PublishRequest{Channel: "news", Data: []byte(`1`)})
			code, why := detail(t, err)
			if code != connect.CodeUnavailable || why.Reason != c.reason || !why.Retry || strings.Contains(err.Error(), "10.0.0.7") {
				t.Errorf("Publish = %v %v, want unavailable, %s", err, why, c.reason)
			}
		})
	}
}

// A failing broker takes nothing and says so in its way.
type failing struct{ err error }

func (f failing) Publish(context.Context, hub.Message, hub.PublishOptions) (hub.Published, error) {
	return hub.Published{}, f.err
}

func (f failing) Subscribe(context.Context, string, hub.Sink) (hub.Position, error) {
	return hub.Position{}, f.err
}

func (f failing) Unsubscribe(context.Context, string) error { return f.err }

// A request of few bytes cannot make many messages.
//
// Security 2.
func TestManyMessagesInFewBytes(t *testing.T) {
	b := newBackEnd()
	for contentType, body := range map[string]string{
		"application/proto": strings.Repeat("\x0a\x00", 100_000),
		"application/json":  `{"messages":[` + strings.Repeat("{},", 100_000) + `{}]}`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/ropewalk.api.v1.Api/PublishBatch", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		allocated := testing.AllocsPerRun(1, func() {
			r.Body = io.NopCloser(strings.NewReader(body))
			b.handler.ServeHTTP(w, r)
		})
		if w.Code != http.StatusBadRequest || allocated > 10_000 {
			t.Errorf("%s: answer = %d %.100s after %g allocations, want 400 after few", contentType, w.Code, w.Body, allocated)
		}
	}
}
