package deflate

import (
	"bytes"
	"io"
	"math/rand"
	"testing"
)

// FuzzInflate feeds arbitrary bytes as messages of one connection: a whole one,
// and the same split at cut, give what the plain decoder gives, or fail with it.
func FuzzInflate(f *testing.F) {
	f.Add(unhex("f2 48 cd c9 c9 07 00"), uint16(3), uint16(7))
	f.Add(unhex("f3 48 cd c9 c9 07 00 00 f2 00 11 00 00"), uint16(8), uint16(2))
	f.Add(unhex("00 05 00 fa ff 48 65 6c 6c 6f 00"), uint16(11), uint16(5))
	f.Add(NewCompressor(0, false).Append(nil, sample(rand.New(rand.NewSource(1)), 400)), uint16(1000), uint16(60))
	f.Add(bomb(200), uint16(1000), uint16(20))
	f.Fuzz(func(t *testing.T, b []byte, border, cut uint16) {
		whole, split := NewDecompressor(15, true), NewDecompressor(15, true)
		var past []byte
		border = min(border, uint16(min(len(b), 1<<16-1)))
		for _, payload := range [][]byte{b[:border], b[border:]} {
			got, err := whole.Append(nil, payload, 1<<20, -1)
			if err == ErrTooBig {
				return
			}
			checkInflated(t, past, payload, got, err)

			s := split.Stream(1<<20, -1)
			at := min(int(cut), len(payload))
			s.Write(payload[:at], false)
			streamed, streamErr := drain(s, nil)
			if streamErr == ErrMore {
				s.Write(payload[at:], true)
				streamed, streamErr = drain(s, streamed)
			}
			s.Close()
			if (streamErr == io.EOF) != (err == nil) || err == nil && !bytes.Equal(streamed, got) {
				t.Fatalf("Stream split at %d = %d bytes, %v, want %d, %v", at, len(streamed), streamErr, len(got), err)
			}
			if err != nil {
				return
			}
			past = append(past, got...)
			past = past[max(0, len(past)-maxWindow):]
		}
	})
}

// checkInflated compares what a message gave with what other decoders say.
func checkInflated(t *testing.T, past, payload, got []byte, err error) {
	t.Helper()
	want, _, plainErr := inflatePlain(past, payload)
	if (err == nil) != (plainErr == nil) || err == nil && !bytes.Equal(got, want) {
		t.Fatalf("Append(% x) = %d bytes, %v, want %d, %v", payload, len(got), err, len(want), plainErr)
	}
	if err != nil {
		return // the standard library cannot tell a message that stops short
	}
	if want, err = inflateStandard(past, payload); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("Append(% x) = %d bytes, want %d, %v as compress/flate", payload, len(got), len(want), err)
	}
}

// FuzzRoundTrip sends arbitrary bytes in messages, whole and in parts, through
// all windows: every decoder gives them back, and no reference leaves the window.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("Hello, hello, hello"), uint8(8), true, int64(1))
	f.Add([]byte{}, uint8(15), false, int64(2))
	f.Add(sample(rand.New(rand.NewSource(3)), 700), uint8(9), true, int64(3))
	f.Add(bytes.Repeat([]byte("rope"), 200), uint8(12), true, int64(4))
	f.Fuzz(func(t *testing.T, b []byte, bits uint8, takeover bool, seed int64) {
		r := rand.New(rand.NewSource(seed))
		x := newDirection(8+int(bits)%8, takeover)
		// Repeating what there is, at random distances, is what compressors like.
		for range 4 {
			var p []byte
			for range r.Intn(6) {
				from := r.Intn(len(b) + 1)
				p = append(p, b[from:from+r.Intn(len(b)-from+1)]...)
				p = append(p, make([]byte, r.Intn(300))...)
			}
			if err := x.send(p); err != nil {
				t.Fatal(err)
			}
			if err := x.sendParts(r, b); err != nil {
				t.Fatal(err)
			}
		}
	})
}
