package wsh2_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
	"golang.org/x/net/http2"
)

// FuzzServer has a client of two WebSockets face a server that sends any bytes: the
// fuzzer's, as they are or as the frames that they stand for. In the end everything
// has returned and every goroutine has ended, which the bubble checks.
func FuzzServer(f *testing.F) {
	f.Add(false, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add(false, []byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x01"))
	f.Add(true, []byte{byte(http2.FrameHeaders), 4, 1, 1, 0x88, byte(http2.FrameData), 0, 1, 7, 0x81, 5, 'h', 'e', 'l', 'l', 'o'})
	f.Add(true, []byte{byte(http2.FrameHeaders), 4, 1, 1, 0x88, byte(http2.FrameRSTStream), 0, 1, 4, 0, 0, 0, 8})
	f.Add(true, []byte{byte(http2.FrameGoAway), 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, byte(http2.FramePing), 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(true, []byte{byte(http2.FrameSettings), 0, 0, 6, 0, 8, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, frames bool, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			near, far := wstest.Streams()
			defer far.Close()
			first := true
			tr := &wsh2.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				if !first {
					return nil, net.ErrClosed
				}
				first = false
				return near, nil
			}}
			defer tr.Close()
			for range 2 {
				go use(t, tr)
			}
			p := &peer{Framer: http2.NewFramer(far, far)}
			p.AllowIllegalWrites = true
			if frames {
				p.WriteSettings(offer)
				writeFrames(p, b)
			} else {
				far.Write(b)
			}
			buf := make([]byte, 4<<10)
			far.SetReadDeadline(time.Now().Add(time.Minute))
			for {
				if _, err := far.Read(buf); err != nil {
					break
				}
			}
		})
	})
}

// writeFrames takes type, flags, stream and length of each frame from b, and then its
// payload.
func writeFrames(p *peer, b []byte) {
	for len(b) >= 4 {
		size := min(int(b[3]), len(b)-4)
		if p.WriteRawFrame(http2.FrameType(b[0]), http2.Flags(b[1]), uint32(b[2]), b[4:4+size]) != nil {
			return
		}
		b = b[4+size:]
		synctest.Wait()
	}
}

// use opens a WebSocket and does a little of everything with it.
func use(t *testing.T, tr *wsh2.Transport) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "ws://example.com/", &websocket.DialOptions{Connector: tr, Compression: &websocket.Compression{}})
	if err != nil {
		if resp != nil {
			resp.Body.Close()
		}
		return
	}
	go func() {
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	}()
	c.Write(ctx, websocket.Text, make([]byte, 100_000))
	c.Close(websocket.CloseNormal, "")
}
