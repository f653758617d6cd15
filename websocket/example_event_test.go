package websocket_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A hall sends what anybody says to everybody. It is the EventHandler of all its
// connections.
type hall struct {
	mu      sync.Mutex
	members map[*websocket.Conn]bool
}

func (r *hall) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c, err := websocket.Accept(w, req, &websocket.AcceptOptions{
		Queue: websocket.Queue{MaxBytes: 64 << 10}, // a member who falls behind by more is let go
	})
	if err != nil {
		return
	}
	r.mu.Lock()
	r.members[c] = true
	r.mu.Unlock()
	c.Handle(r)
}

func (r *hall) Message(_ *websocket.Conn, typ websocket.MessageType, p []byte) {
	m, err := websocket.Prepare(typ, p) // encoded once for all
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		_ = c.SendPrepared(m) // Closed tells of those that are gone
	}
}

func (r *hall) Closed(c *websocket.Conn, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, c)
}

// A chat in event mode: no goroutine for each connection.
func ExampleConn_Handle() {
	s := httptest.NewServer(&hall{members: make(map[*websocket.Conn]bool)})
	defer s.Close()
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Text, []byte("hello, hall")); err != nil {
		fmt.Println(err)
		return
	}
	_, r, err := c.Reader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, _ := io.ReadAll(r)
	fmt.Printf("%s\n", p)
	// Output: hello, hall
}
