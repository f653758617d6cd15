package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// Errors of lower floors have their codes however they are wrapped. What a broker adds
// of its own is not told.
func TestCommandError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want ErrorCode
	}{
		{hub.ErrPattern, BadPattern},
		{hub.ErrChannelName, BadChannel},
		{hub.ErrAlreadySubscribed, AlreadySubscribed},
		{hub.ErrNotSubscribed, NotSubscribed},
		{session.ErrTooManySubscriptions, TooManySubscriptions},
		{hub.ErrDataTooBig, DataTooBig},
		{hub.ErrConflict, Conflict},
		{hub.ErrNoHistory, NoHistory},
		{hub.ErrNoPresence, NoPresence},
		{hub.ErrNoPatterns, NoPatterns},
		{hub.ErrTooManySubscribers, TooManySubscribers},
		{hub.ErrGap, InsufficientState},
		{hub.ErrEpoch, InsufficientState},
		{hub.ErrTrimmed, InsufficientState},
		{errors.New("dial 10.0.0.7"), Unavailable},
		{context.DeadlineExceeded, Unavailable},
		{EndedByServer(), Unsubscribed},
	} {
		if got := commandError(fmt.Errorf("over there: %w", c.err)); got.Code != c.want {
			t.Errorf("commandError(%v) = %v, want %s", c.err, got, c.want)
		}
	}
	for _, err := range []error{hub.ErrConflict, hub.ErrGap, errors.New("unknown")} {
		if got := commandError(fmt.Errorf("dial 10.0.0.7: %w", err)); strings.Contains(got.Message, "10.0.0.7") {
			t.Errorf("commandError = %q, which names a host", got.Message)
		}
	}
}

// An Error of a method reaches the client as it is, any other does not.
func TestErrorsOfMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := func(err error) Method {
			return func(context.Context, Call) ([]byte, string, error) { return nil, "", err }
		}
		b := newBackEnd(t, Config{RPC: map[string]Method{
			"known":  fails(fmt.Errorf("over there: %w", &Error{Code: Conflict, Message: "too late"})),
			"secret": fails(errors.New("dial 10.0.0.7")),
		}})
		c, r := talk(t.Context(), b)
		c.receive(t.Context(), []byte(`[{"id":2,"rpc":{"method":"known","data":1}},{"id":3,"rpc":{"method":"secret","data":1}}]`))
		synctest.Wait()
		want := []string{
			`{"id":2,"error":{"code":"conflict","message":"too late","retry":false}}`,
			`{"id":3,"error":{"code":"internal","message":"the method failed","retry":true}}`,
		}
		got := r.messages()
		for i := range want {
			if len(got) != 3 || got[i+1] != want[i] {
				t.Fatalf("messages = %v, want the reply to connect and %v", got, want)
			}
		}
		_ = c.lost(context.Canceled)
	})
}

// A method is told who calls and what with.
func TestMethodsKnowTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := make(chan Call, 1)
		b := newBackEnd(t, Config{RPC: map[string]Method{"m": func(_ context.Context, c Call) ([]byte, string, error) {
			calls <- c
			return c.Data, c.ContentType, nil
		}}})
		c := new(conversation)
		c.start(t.Context(), b.Handler, jsonCodec{}, new(record))
		c.receive(t.Context(), []byte(`[{"id":1,"connect":{"info":{"name":"Ann"}}},{"id":2,"rpc":{"method":"m","base64":"/w==","content_type":"a/b"}}]`))
		got := <-calls
		if got.Client != c.current().Client() || string(got.Info) != `{"name":"Ann"}` || string(got.Data) != "\xff" || got.ContentType != "a/b" {
			t.Errorf("the method got %+v", got)
		}
		_ = c.lost(context.Canceled)
	})
}

// A back end's end of a client invites it to come back, or does not.
func TestDisconnected(t *testing.T) {
	for _, c := range []struct {
		reason string
		retry  bool
		want   Disconnect
	}{
		{"", true, Ended},
		{"", false, EndedForGood},
		{"moved", true, Disconnect{4002, "moved", true}},
		{"banned", false, Disconnect{4104, "banned", false}},
	} {
		if got := Disconnected(c.reason, c.retry); got != c.want || got.Resumable() != c.retry {
			t.Errorf("Disconnected(%q, %v) = %v, want %v", c.reason, c.retry, got, c.want)
		}
	}
}
