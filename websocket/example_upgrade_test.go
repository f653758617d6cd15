package websocket_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A server that speaks nothing but WebSocket on its port needs no net/http.
func ExampleUpgrade() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c, r, err := websocket.Upgrade(context.Background(), conn, nil)
				if err != nil {
					return // the client has its answer, and conn is closed
				}
				defer c.CloseNow()
				_ = c.Write(context.Background(), websocket.Text, []byte("this is "+r.URL.Path))
				_ = c.Close(websocket.CloseNormal, "")
			}()
		}
	}()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+l.Addr().String()+"/room", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output: this is /room <nil>
}

// A Handler frees what net/http holds for a request as soon as the connection is
// accepted.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/room/{name}", websocket.Handler{
		Serve: func(c *websocket.Conn, r *http.Request) {
			typ, p, err := c.Read(r.Context())
			if err != nil {
				return
			}
			_ = c.Write(r.Context(), typ, append([]byte(r.PathValue("name")+": "), p...))
		},
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/room/blue", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Text, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	_, _, err = c.Read(ctx)
	fmt.Println(err)
	// Output:
	// blue: hello <nil>
	// websocket: closed by remote: 1000 normal closure
}
