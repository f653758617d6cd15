package wsh3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// A server and a client in one program.
func Example() {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer udp.Close()
	server := &http3.Server{
		TLSConfig:  serverTLS(), // with a certificate
		QUICConfig: wsh3.QUICConfig(),
		Handler: wsh3.Handler(websocket.Handler{Serve: func(c *websocket.Conn, r *http.Request) {
			ctx := r.Context()
			typ, p, err := c.Read(ctx)
			if err == nil {
				err = c.Write(ctx, typ, append([]byte("you said "), p...))
			}
			if err != nil {
				log.Print(err)
			}
		}}),
	}
	defer server.Close()
	go server.Serve(udp)

	transport := &wsh3.Transport{TLSConfig: clientTLS()} // that trusts it
	defer transport.Close()
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, "wss://"+udp.LocalAddr().String(), &websocket.DialOptions{Connector: transport})
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Text, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, p, err := c.Read(ctx)
	fmt.Printf("%s %v\n", p, err)
	// Output: you said hello <nil>
}

// One handler behind all versions of HTTP. Browsers and other clients learn of
// HTTP/3 by a header of the others' answers.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/feed", websocket.Handler{Serve: func(c *websocket.Conn, r *http.Request) {
		_ = c.Write(r.Context(), websocket.Text, []byte("hello"))
	}})
	overQUIC := &http3.Server{Addr: ":443", Handler: wsh3.Handler(mux), QUICConfig: wsh3.QUICConfig()}
	overTCP := &http.Server{Addr: ":443", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = overQUIC.SetQUICHeaders(w.Header())
		mux.ServeHTTP(w, r)
	})}
	go overQUIC.ListenAndServeTLS("cert.pem", "key.pem")
	log.Fatal(overTCP.ListenAndServeTLS("cert.pem", "key.pem"))
}

// A handler that decides per request takes Accept of this package.
func ExampleAccept() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := wsh3.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"https://example.com"}})
		if err != nil {
			return // the client has its answer
		}
		defer c.CloseNow()
		_ = c.Write(r.Context(), websocket.Text, []byte("hello"))
		_ = c.Close(websocket.CloseNormal, "")
	})
	server := &http3.Server{Addr: ":443", Handler: handler, QUICConfig: wsh3.QUICConfig()}
	log.Fatal(server.ListenAndServeTLS("cert.pem", "key.pem"))
}

// One Transport for all WebSockets of a program. Where the server has no HTTP/3 tunnels,
// FallBack has them opened over HTTP/1.1.
func ExampleTransport() {
	transport := &wsh3.Transport{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13}}
	defer transport.Close()
	c, _, err := websocket.Dial(context.Background(), "wss://example.com/feed", &websocket.DialOptions{
		Connector: transport,
		FallBack:  true,
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.CloseNow()
}
