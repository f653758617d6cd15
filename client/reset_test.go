package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/websocket"
)

// Whoever publishes while connections are reset gets an answer all the same, over another one.
func TestPublishThroughResets(t *testing.T) {
	var taken atomic.Uint64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{string(client.JSON)}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			_, b, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			var command struct {
				ID      uint64
				Connect any
			}
			if err := json.Unmarshal(b, &command); err != nil {
				t.Errorf("%s is not JSON: %v", b, err)
			}
			answer := fmt.Sprintf(`{"id":%d,"connect":%s}`, command.ID, connected)
			if command.Connect == nil {
				n := taken.Add(1)
				if n%3 == 0 {
					return
				}
				answer = fmt.Sprintf(`{"id":%d,"publish":{"position":{"epoch":"e","offset":%d}}}`, command.ID, n)
			}
			if conn.Write(r.Context(), websocket.Text, []byte(answer)) != nil {
				return
			}
		}
	}))
	defer srv.Close()
	c, err := client.New("ws"+strings.TrimPrefix(srv.URL, "http"), &client.Options{
		MinBackoff: time.Nanosecond, MaxBackoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				if _, err := c.Publish(t.Context(), "news", []byte("1"), nil); err != nil {
					t.Errorf("Publish = %v, want nil", err)
					return
				}
			}
		})
	}
	group.Wait()
}
