// Package probe asks an HTTP/2 server of net/http, in the same process, whether it
// takes an extended CONNECT.
package probe

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// The types of frames, and the setting, that are looked at.
const (
	headers, resetStream, settings = 1, 3, 4
	enableConnectProtocol          = 8
)

// Report prints what the server offers and how it answers a CONNECT.
func Report() {
	conn := dial(serve())
	send(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	send(conn, "\x00\x00\x00\x04\x00\x00\x00\x00\x00") // empty SETTINGS
	offered := false
	for kind := byte(0xff); kind != settings; {
		var payload []byte
		kind, payload = receive(conn)
		for ; kind == settings && len(payload) >= 6; payload = payload[6:] {
			if binary.BigEndian.Uint16(payload) == enableConnectProtocol {
				offered = binary.BigEndian.Uint32(payload[2:]) == 1
			}
		}
	}
	send(conn, request())
	for {
		switch kind, payload := receive(conn); kind {
		case headers:
			// 0x88 stands for ":status: 200" (RFC 7541, appendix A).
			fmt.Printf("offered: %v, CONNECT: %v\n", offered, map[bool]any{true: 200, false: payload}[payload[0] == 0x88])
			return
		case resetStream:
			fmt.Printf("offered: %v, CONNECT: reset with %d\n", offered, binary.BigEndian.Uint32(payload))
			return
		}
	}
}

// serve starts the server and returns its address.
func serve() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(ln)
	return ln.Addr().String()
}

func dial(address string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// request is the HEADERS frame of an extended CONNECT on stream 1, each field a
// literal (RFC 7541, section 6.2.2).
func request() string {
	var block string
	for _, f := range [][2]string{
		{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "localhost"},
	} {
		block += "\x00" + string(rune(len(f[0]))) + f[0] + string(rune(len(f[1]))) + f[1]
	}
	const endHeaders = "\x04"
	return "\x00\x00" + string(rune(len(block))) + "\x01" + endHeaders + "\x00\x00\x00\x01" + block
}

func send(conn net.Conn, s string) {
	if _, err := io.WriteString(conn, s); err != nil {
		log.Fatal(err)
	}
}

// receive returns the type and the payload of the next frame.
func receive(conn net.Conn) (kind byte, payload []byte) {
	var header [9]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		log.Fatal(err)
	}
	payload = make([]byte, int(header[0])<<16|int(header[1])<<8|int(header[2]))
	if _, err := io.ReadFull(conn, payload); err != nil {
		log.Fatal(err)
	}
	return header[3], payload
}
