package native

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A GET that announces a body is refused at once. The HTTP server reads what is announced before
// it answers: a stream would wait for it for ever, and whoever drains the server with it.
//
// Security 26.
func TestGetWithBody(t *testing.T) {
	b := newBackEnd(t, Config{})
	base := strings.TrimPrefix(b.serveRoutes(t), "http://")
	for _, path := range []string{"/sse?channel=a", "/connection/sse?connect={}"} {
		for _, length := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
			conn, err := net.Dial("tcp", base)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", path, base, length)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusBadRequest || !resp.Close || err != nil {
				t.Errorf("GET %s with %s = %s %s, %v, want 400 and the connection closed", path, length, resp.Status, text, err)
			}
			conn.Close()
		}
	}
}
