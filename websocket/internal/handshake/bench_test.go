package handshake_test

import (
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// browserRequest is what Chromium sends.
const browserRequest = "GET /chat?room=1 HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\n" +
	"Pragma: no-cache\r\nCache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\nOrigin: https://chat.example.com\r\nSec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

// plainRequest is what a small client sends.
const plainRequest = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

func BenchmarkParseRequest(b *testing.B) {
	for name, request := range map[string]string{"browser": browserRequest, "plain": plainRequest} {
		b.Run(name, func(b *testing.B) {
			head := make([]byte, len(request))
			b.ReportAllocs()
			for b.Loop() {
				copy(head, request)
				if _, err := handshake.ParseRequest(head); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	pattern, err := handshake.ParseOriginPattern("https://*.example.org")
	if err != nil {
		b.Fatal(err)
	}
	s := &handshake.Server{
		Subprotocols: []string{"chat.v2", "chat.v1"},
		Origins:      []handshake.OriginPattern{pattern},
		Deflate:      &handshake.Deflate{},
	}
	for name, request := range map[string]string{
		"browser": browserRequest,
		"plain":   plainRequest,
		"pattern": strings.Replace(browserRequest, "Origin: https://chat.example.com", "Origin: https://a.example.org", 1),
	} {
		b.Run(name, func(b *testing.B) {
			r, refused := handshake.ParseRequest([]byte(request))
			if refused != nil {
				b.Fatal(refused)
			}
			var answer [512]byte
			b.ReportAllocs()
			for b.Loop() {
				agreed, refused := s.Check(r)
				if refused != nil {
					b.Fatal(refused)
				}
				agreed.AppendResponse(answer[:0], nil)
			}
		})
	}
}
