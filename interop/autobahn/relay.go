package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A relay takes the suite's handshake over HTTP/1.1, opens an extended CONNECT to the
// target for it, and copies the bytes both ways as they are. So the suite, which
// speaks HTTP/1.1 alone, tests a server over HTTP/2 and HTTP/3. The ends of the
// directions are passed on too: FIN of TCP is END_STREAM or FIN there.
type relay struct {
	connector websocket.Connector
	target    *url.URL // http or https
}

// passed are the headers of the opening handshake that both versions have, and that
// the relay leaves to the two sides (RFC 8441, section 5).
var passed = []string{"Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol"}

func (y *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resp, tunnel, err := y.connect(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if tunnel == nil {
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // a client that is gone needs no answer
		return
	}
	defer tunnel.Close() // a reset, unless both directions have ended
	conn, client, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, switching(r, resp)); err != nil {
		return
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		send(tunnel, client)
	}()
	if _, err := io.Copy(conn, tunnel); err == nil {
		_ = conn.(*net.TCPConn).CloseWrite() // one that is gone is at its end
		<-up
		return
	}
	_ = conn.Close()
	<-up
}

// connect opens the extended CONNECT that stands for r.
func (y *relay) connect(r *http.Request) (*http.Response, io.ReadWriteCloser, error) {
	target := *y.target
	target.Path, target.RawQuery = r.URL.Path, r.URL.RawQuery
	header := http.Header{}
	for _, name := range passed {
		if values := r.Header[name]; values != nil {
			header[name] = values
		}
	}
	return y.connector.Connect(r.Context(), (&http.Request{
		Method: http.MethodConnect,
		URL:    &target,
		Host:   target.Host,
		Proto:  "websocket",
		Header: header,
	}).WithContext(r.Context()))
}

// switching is the answer over HTTP/1.1 that says what resp does.
func switching(r *http.Request, resp *http.Response) string {
	// RFC 6455, section 4.2.2.
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	for _, name := range passed {
		for _, value := range resp.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	return b.String() + "\r\n"
}

// send copies what the client sends into the tunnel until the client has ended, and
// then ends that direction.
func send(tunnel io.ReadWriteCloser, client io.Reader) {
	_, err := io.Copy(tunnel, client)
	if err == nil {
		_ = tunnel.(interface{ CloseWrite() error }).CloseWrite() // one that is gone has ended
		return
	}
	// Either the server takes no more, and what it still sends is on its way: a TCP
	// connection that is closed with input unread would lose that. Or the client has
	// reset the connection, which reading it tells again.
	if _, err := io.Copy(io.Discard, client); err != nil {
		_ = tunnel.Close()
	}
}

// serveRelay serves y on the address that it returns, until stop is called.
func serveRelay(y *relay) (addr string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: y}
	go func() { _ = server.Serve(listener) }() // until it is closed
	return listener.Addr().String(), server.Close, nil
}
