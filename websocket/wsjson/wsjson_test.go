package wsjson_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsjson"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

type publication struct {
	Channel string   `json:"channel"`
	Offset  int      `json:"offset"`
	Tags    []string `json:"tags,omitempty"`
}

func pipe(t *testing.T) (client, server *websocket.Conn) {
	client, server = wstest.Pipe(websocket.Params{})
	t.Cleanup(func() {
		client.CloseNow()
		server.CloseNow()
	})
	return client, server
}

// TestRoundTrip sends values and reads them back.
func TestRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t)
		for _, want := range []any{
			&publication{"news", 7, []string{"a", "ü"}}, new(float64), &map[string]any{"x": nil}, &[]int{1, 2},
		} {
			if err := wsjson.Write(t.Context(), client, want); err != nil {
				t.Errorf("Write(%v) = %v, want nil", want, err)
			}
			got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
			if err := wsjson.Read(t.Context(), server, got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Read() = %v, %v, want %v", got, err, want)
			}
		}
	})
}

// TestWriteIsText checks the type of the message, and its bytes.
func TestWriteIsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t)
		if err := wsjson.Write(t.Context(), client, publication{Channel: "news"}); err != nil {
			t.Fatal(err)
		}
		typ, p, err := server.Read(t.Context())
		if want := `{"channel":"news","offset":0}`; typ != websocket.Text || string(p) != want || err != nil {
			t.Errorf("Read() = %v %s, %v, want text %s", typ, p, err, want)
		}
	})
}

// TestReadBadMessages checks that what cannot be decoded does no harm.
func TestReadBadMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t)
		var (
			syntax *json.SyntaxError
			typed  *json.UnmarshalTypeError
		)
		for _, tc := range []struct {
			message string
			want    any
		}{
			{"", &syntax},
			{"{", &syntax},
			{"{} {}", &syntax},
			{"rope", &syntax},
			{`{"offset":"x"}`, &typed},
			{`[]`, &typed},
			{`{"offset":1e400}`, &typed},
		} {
			if err := client.Write(t.Context(), websocket.Text, []byte(tc.message)); err != nil {
				t.Fatal(err)
			}
			var v publication
			if err := wsjson.Read(t.Context(), server, &v); !errors.As(err, tc.want) || errors.Is(err, net.ErrClosed) {
				t.Errorf("Read(%s) = %v, want a %T", tc.message, err, tc.want)
			}
		}
		if err := client.Write(t.Context(), websocket.Binary, []byte(`{"offset":9}`)); err != nil {
			t.Fatal(err)
		}
		var v publication
		if err := wsjson.Read(t.Context(), server, &v); err != nil || v.Offset != 9 {
			t.Errorf("Read() of a binary message = %+v, %v, want offset 9", v, err)
		}
	})
}

// TestWriteUnencodable checks that nothing is sent.
func TestWriteUnencodable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t)
		for _, v := range []any{make(chan int), func() {}, map[bool]int{true: 1}, fmt.Println} {
			if err := wsjson.Write(t.Context(), client, v); err == nil {
				t.Errorf("Write(%T) = nil, want an error", v)
			}
		}
		if err := wsjson.Write(t.Context(), client, "next"); err != nil {
			t.Fatal(err)
		}
		var s string
		if err := wsjson.Read(t.Context(), server, &s); err != nil || s != "next" {
			t.Errorf("Read() = %q, %v, want next", s, err)
		}
	})
}

// TestErrorsOfTheConnection checks that they come through as they are.
func TestErrorsOfTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var v any
		if err := wsjson.Read(ctx, server, &v); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read() = %v, want DeadlineExceeded", err)
		}
		go client.Close(4001, "bye")
		var closed *websocket.CloseError
		if err := wsjson.Read(t.Context(), server, &v); !errors.As(err, &closed) || closed.Code != 4001 {
			t.Errorf("Read() = %v, want a CloseError with code 4001", err)
		}
		if err := wsjson.Write(t.Context(), server, 1); !errors.As(err, &closed) || closed.Code != 4001 {
			t.Errorf("Write() = %v, want a CloseError with code 4001", err)
		}
	})
}
