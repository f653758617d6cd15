//go:build linux

package load

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// echoServer sends back what it reads, changed by change. It ends with the test.
func echoServer(t *testing.T, change func(p []byte)) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for p := make([]byte, 4096); ; {
					n, err := c.Read(p)
					if err != nil {
						return
					}
					change(p[:n])
					if _, err := c.Write(p[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return Target{Addr: l.Addr().(*net.TCPAddr).AddrPort(), Raw: true}
}

func TestEcho(t *testing.T) {
	marks := 0
	result, err := Echo{
		Target: echoServer(t, func([]byte) {}), Stream: Messages(100_000, true), Connections: 3, InFlight: 2,
		Time: 20 * time.Millisecond, Mark: func() error { marks++; return nil },
	}.Run()
	if err != nil {
		t.Fatal(err)
	}
	if result.Messages == 0 || result.Bytes == 0 || marks != 2 || result.Latencies.Quantile(0.5) <= 0 {
		t.Errorf("Run = %d messages, %d bytes, %d marks, median %v", result.Messages, result.Bytes, marks, result.Latencies.Quantile(0.5))
	}
}

// Fragments are joined before they are compared.
func TestJoined(t *testing.T) {
	s := Messages(70_000, false)
	var replies []byte
	for i := range s.count() {
		p := payload(s.want[s.wantAt[i]:s.wantAt[i+1]])
		replies = append(append(replies, 0x02, 126, 0x80, 0), p[:1<<15]...)
		replies = append(append(replies, 0x80, 127, 0, 0, 0, 0, 0, 0, 0x91, 0x70), p[1<<15:]...)
	}
	if n, err := s.receiver(0, true).receive(replies); n != s.count() || err != nil {
		t.Errorf("receive = %d messages, %v, want %d", n, err, s.count())
	}
	replies[len(replies)-1] ^= 1
	if _, err := s.receiver(0, true).receive(replies); err == nil {
		t.Error("receive of a wrong byte: no error")
	}
}

// One wrong bit, late in the stream, is found and named.
func TestEchoWrongByte(t *testing.T) {
	seen := 0
	target := echoServer(t, func(p []byte) {
		if at := 100_000 - seen; at >= 0 && at < len(p) {
			p[at] ^= 1
		}
		seen += len(p)
	})
	_, err := Echo{
		Target: target, Stream: Messages(125, true), Connections: 1, InFlight: 16,
		Time: 10 * time.Second, Mark: func() error { return nil },
	}.Run()
	if err == nil || !strings.Contains(err.Error(), "of the stream, byte") {
		t.Errorf("Run: error = %v, want one that names the byte", err)
	}
}

// A server that ends a connection ends the run.
func TestEchoServerGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
	}()
	_, err = Echo{
		Target: Target{Addr: netip.MustParseAddrPort(l.Addr().String()), Raw: true}, Stream: Messages(16, true),
		Connections: 1, InFlight: 1, Time: 10 * time.Second, Mark: func() error { return nil },
	}.Run()
	if err == nil {
		t.Error("Run on a server that closes its connections: no error")
	}
}

func TestLatencies(t *testing.T) {
	var l Latencies
	if got := l.Quantile(0.5); got != 0 {
		t.Errorf("Quantile(0.5) of nothing = %v, want 0", got)
	}
	for i := range 1000 {
		l.Add(time.Duration(i+1) * time.Microsecond)
	}
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{0, time.Microsecond}, {0.5, 500 * time.Microsecond}, {0.99, 990 * time.Microsecond}, {1, time.Millisecond}} {
		got := l.Quantile(tt.q)
		if got < tt.want*98/100 || got > tt.want*102/100 {
			t.Errorf("Quantile(%v) = %v, want about %v", tt.q, got, tt.want)
		}
	}
}

// What a stream of documents sends, a server that keeps no more than the agreed
// window can inflate, however often the stream begins again.
func TestDocumentsKeepToTheWindow(t *testing.T) {
	for _, tt := range []struct {
		agreed string
		window int
	}{
		{"permessage-deflate", 1 << 15},
		{"permessage-deflate; client_max_window_bits=12", 1 << 12},
		{"permessage-deflate; client_no_context_takeover; server_no_context_takeover", 1},
	} {
		d := Documents(1 << 10)
		s, err := d.inflate.agree(tt.agreed)
		if err != nil {
			t.Fatal(err)
		}
		var history []byte
		for i := range 2 * s.count() {
			frame := s.send[s.sendAt[i%s.count()]:s.sendAt[i%s.count()+1]]
			body := unmasked(frame)
			r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(body), bytes.NewReader(tail)), history)
			got := make([]byte, 1<<10)
			if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, d.inflate.payloads[i%s.count()]) {
				t.Fatalf("%s: message %d: error %v, or another document", tt.agreed, i, err)
			}
			history = append(history, got...)
			history = history[max(0, len(history)-tt.window):]
		}
	}
}

// unmasked returns the payload of a client's frame of 126 to 65,535 bytes.
func unmasked(frame []byte) []byte {
	key, p := frame[4:8], bytes.Clone(frame[8:])
	for i := range p {
		p[i] ^= key[i%4]
	}
	return p
}

// Replies are inflated and compared: with and without takeover, not compressed,
// cut anywhere.
func TestInflater(t *testing.T) {
	for _, agreed := range []string{"permessage-deflate", "permessage-deflate; server_no_context_takeover"} {
		s, err := Documents(1 << 10).inflate.agree(agreed)
		if err != nil {
			t.Fatal(err)
		}
		replies := reply(t, s.inflate)
		r := s.receiver(0, false)
		got := 0
		for i := range replies {
			n, err := r.receive(replies[i : i+1])
			if err != nil {
				t.Fatalf("%s: %v", agreed, err)
			}
			got += n
		}
		if want := s.count(); got != want {
			t.Errorf("%s: receive = %d messages, want %d", agreed, got, want)
		}
		replies[len(replies)/2] ^= 1
		if _, err := s.receiver(0, false).receive(replies); err == nil {
			t.Errorf("%s: a reply with a wrong bit: no error", agreed)
		}
	}
}

// reply returns what a server sends back for all documents.
func reply(t *testing.T, n *inflation) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i, p := range n.payloads {
		packed.Reset()
		if !n.takeover {
			w.Reset(&packed)
		}
		if i == 3 && !n.takeover {
			out = append(out, 0x82, 126, byte(len(p)>>8), byte(len(p)))
			out = append(out, p...)
			continue
		}
		w.Write(p)
		w.Flush()
		body := bytes.TrimSuffix(packed.Bytes(), tail)
		out = append(out, 0xc2, 126, byte(len(body)>>8), byte(len(body)))
		out = append(out, body...)
	}
	return out
}
