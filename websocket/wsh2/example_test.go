package wsh2_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect" // the server offers extended CONNECT
)

// A server of net/http takes WebSockets over HTTP/2, and a client opens two of them
// on one connection.
func Example() {
	server := httptest.NewUnstartedServer(websocket.Handler{Serve: func(c *websocket.Conn, r *http.Request) {
		typ, p, err := c.Read(r.Context())
		if err == nil {
			_ = c.Write(r.Context(), typ, append(p, (" over "+r.Proto)...))
		}
	}})
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	transport := &wsh2.Transport{TLSConfig: server.Client().Transport.(*http.Transport).TLSClientConfig}
	defer transport.Close()
	ctx := context.Background()
	for _, greeting := range []string{"hello", "hello again"} {
		c, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(server.URL, "https"), &websocket.DialOptions{Connector: transport})
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = c.Write(ctx, websocket.Text, []byte(greeting))
		_, p, _ := c.Read(ctx)
		fmt.Println(string(p))
		_ = c.Close(websocket.CloseNormal, "")
	}
	// Output:
	// hello over HTTP/2.0
	// hello again over HTTP/2.0
}
