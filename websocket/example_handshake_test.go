package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A server decides who may connect before the connection exists: a request without
// a valid token gets 401 and never becomes a WebSocket.
func ExampleAccept_authentication() {
	tokens := map[string]string{"let-me-in": "alice"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var user string
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OriginPatterns: []string{"https://app.example.com", "https://*.example.org"},
			BeforeUpgrade: func(r *http.Request, h http.Header) error {
				token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				var ok bool
				if user, ok = tokens[token]; !ok {
					return &websocket.HandshakeError{
						Status: http.StatusUnauthorized,
						Header: http.Header{"Www-Authenticate": {`Bearer realm="chat"`}},
						Reason: "a token is needed",
					}
				}
				h.Add("Set-Cookie", "seen=1; HttpOnly; Secure")
				return nil
			},
		})
		if err != nil {
			return // the client has its answer
		}
		defer c.CloseNow()
		if err := c.Write(r.Context(), websocket.Text, []byte("hello "+user)); err != nil {
			return
		}
		c.Close(websocket.CloseNormal, "")
	}))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	wsURL := "ws" + strings.TrimPrefix(server.URL, "http")

	_, resp, err := websocket.Dial(ctx, wsURL, nil)
	var refused *websocket.HandshakeError
	fmt.Println(errors.As(err, &refused), resp.StatusCode, resp.Header.Get("Www-Authenticate"))

	c, _, err := websocket.Dial(ctx, wsURL, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer let-me-in"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	fmt.Println(string(p), err)
	// Output:
	// true 401 Bearer realm="chat"
	// hello alice <nil>
}

// A client reaches the server through a proxy of its own choice, and directly
// where the server is inside the company. Without a Proxy function the environment
// decides: http_proxy, https_proxy, no_proxy.
func ExampleDial_proxy() {
	proxy, err := url.Parse("socks5://user:password@proxy.example.com:1080")
	if err != nil {
		log.Fatal(err)
	}
	opts := &websocket.DialOptions{
		Proxy: func(u *url.URL) (*url.URL, error) {
			if strings.HasSuffix(u.Hostname(), ".internal.example.com") {
				return nil, nil
			}
			return proxy, nil
		},
		HandshakeTimeout: 10 * time.Second,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "wss://chat.example.com/", opts)
	if err != nil {
		if resp != nil {
			log.Printf("the server answered %s", resp.Status)
		}
		log.Print(err)
		return
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Text, []byte("hello")); err != nil {
		log.Print(err)
	}
}
