package deflate

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"runtime"
	"testing"
	"testing/synctest"
)

// readAll inflates payload through a Stream that gets it in pieces of step bytes.
func readAll(d *Decompressor, payload []byte, limit int64, ratio, step int) ([]byte, error) {
	s := d.Stream(limit, ratio)
	defer s.Close()
	var out []byte
	buf := make([]byte, 100)
	for {
		n := min(step, len(payload))
		s.Write(payload[:n], n == len(payload))
		payload = payload[n:]
		for {
			n, err := s.Read(buf)
			out = append(out, buf[:n]...)
			if err == ErrMore {
				break
			}
			if err == io.EOF {
				return out, nil
			}
			if err != nil {
				return out, err
			}
		}
	}
}

// RFC 7692, 6.1: a message may be split anywhere in its compressed form, and
// inflates to the same.
//
// Checks 7692-12, 7692-13.
func TestStreamSplits(t *testing.T) {
	p := sample(rand.New(rand.NewSource(7)), 2000)
	past := sample(rand.New(rand.NewSource(8)), 40_000)
	for _, payload := range [][]byte{
		unhex("f3 48 cd c9 c9 07 00 f2 00 11 00 00"),
		unhex("00 05 00 fa ff 48 65 6c 6c 6f 00"),
		unhex("00"),
		unhex("03 00"),
		NewCompressor(8, false).Append(nil, p),
		NewCompressor(15, false).Append(nil, p),
		new(bitWriter).fixed(0).copy258(29, 1<<13-1, 13).end().message(),
		bomb(3),
		unhex("f2 48 cd c9"),
		unhex("00 05 00 fa fe 48"),
	} {
		want, wantErr := primed(past).Append(nil, payload, -1, -1)
		for cut := 0; cut <= len(payload); cut++ {
			s := primed(past).Stream(-1, -1)
			var got []byte
			s.Write(payload[:cut], false)
			got, err := drain(s, got)
			if err == ErrMore {
				s.Write(nil, false)
				if got, err = drain(s, got); err != ErrMore {
					t.Errorf("% x: Read after an empty piece = %v, want ErrMore", payload, err)
				}
				s.Write(payload[cut:], true)
				got, err = drain(s, got)
			}
			if wantErr == nil && (err != io.EOF || !bytes.Equal(got, want)) {
				t.Errorf("% x split at %d = %d bytes, %v, want %d", payload, cut, len(got), err, len(want))
			}
			if wantErr != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("% x split at %d: %v, want %v", payload, cut, err, wantErr)
			}
			s.Close()
		}
		for _, step := range []int{1, 2, 3, 7, 8, 9} {
			got, err := readAll(primed(past), payload, -1, -1, step)
			if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
				t.Errorf("% x in pieces of %d = %d bytes, %v, want %d, %v", payload, step, len(got), err, len(want), wantErr)
			}
		}
	}
}

// primed returns a decompressor that has inflated past.
func primed(past []byte) *Decompressor {
	d := NewDecompressor(15, true)
	d.history.add(past)
	return d
}

// drain reads until an error.
func drain(s *Stream, out []byte) ([]byte, error) {
	var buf [50]byte
	for {
		n, err := s.Read(buf[:])
		out = append(out, buf[:n]...)
		if err != nil {
			return out, err
		}
	}
}

// Streamed messages and whole ones share the history, in every order, and parts
// can be inflated as soon as they have come.
//
// Checks 7692-42.
func TestStreamHistory(t *testing.T) {
	for seed := range int64(10) {
		r := rand.New(rand.NewSource(seed))
		c, d := NewCompressor(0, true), NewDecompressor(15, true)
		for i := range 20 {
			p := sample(r, r.Intn(30_000))
			if r.Intn(2) == 0 {
				got, err := readAll(d, c.Append(nil, p), -1, -1, 1+r.Intn(3000))
				if err != nil || !bytes.Equal(got, p) {
					t.Fatalf("seed %d, message %d: Stream = %d bytes, %v, want %d", seed, i, len(got), err, len(p))
				}
				c.Commit(p)
				continue
			}
			s := d.Stream(-1, -1)
			half := r.Intn(len(p) + 1)
			s.Write(c.AppendPart(nil, p[:half], false), false)
			got, err := drain(s, nil)
			if err != ErrMore || !bytes.Equal(got, p[:half]) {
				t.Fatalf("seed %d, message %d: first part = %d bytes, %v, want %d", seed, i, len(got), err, half)
			}
			s.Write(c.AppendPart(nil, p[half:], true), true)
			got, err = drain(s, nil)
			if err != io.EOF || !bytes.Equal(got, p[half:]) {
				t.Fatalf("seed %d, message %d: second part = %d bytes, %v, want %d", seed, i, len(got), err, len(p)-half)
			}
			s.Close()
			if got, err = d.Append(nil, c.Append(nil, p), -1, -1); err != nil || !bytes.Equal(got, p) {
				t.Fatalf("seed %d, message %d: Append = %d bytes, %v, want %d", seed, i, len(got), err, len(p))
			}
			c.Commit(p)
		}
	}
}

// What came before an error is read first, up to the limit and no further, and
// the error stays.
func TestStreamErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    []byte
		limit int64
		out   int
		want  error
	}{
		{"limit", bomb(1000), 500, 500, ErrTooBig},
		{"limit 0", bomb(1000), 0, 0, ErrTooBig},
		{"limit beyond the window", bomb(1000), 150_000, 150_000, ErrTooBig},
		{"corrupt", unhex("f2 48 cd c9 c9 07 06"), -1, 5, ErrCorrupt},
		{"end", unhex("f2 48 cd c9 c9 07 00"), 5, 5, io.EOF},
	} {
		s := NewDecompressor(15, true).Stream(tt.limit, -1)
		s.Write(tt.in, true)
		got, err := drain(s, nil)
		if len(got) != tt.out || !errors.Is(err, tt.want) {
			t.Errorf("%s: %d bytes, %v, want %d, %v", tt.name, len(got), err, tt.out, tt.want)
		}
		for range 2 {
			if n, again := s.Read(make([]byte, 10)); n != 0 || again != err {
				t.Errorf("%s: Read = %d, %v, want 0, %v once more", tt.name, n, again, err)
			}
			s.Write([]byte{0}, true)
			s.Close()
		}
	}
}

// Two pieces handed over at once are one, and neither is written to.
func TestStreamWriteTwice(t *testing.T) {
	whole := append(unhex("f2 48 cd c9 c9 07 00"), "guard"...)
	s := NewDecompressor(15, true).Stream(-1, -1)
	defer s.Close()
	s.Write(whole[:2], false)
	s.Write(whole[2:3], false)
	s.Write(whole[3:7], true)
	got, err := drain(s, nil)
	if string(got) != "Hello" || err != io.EOF {
		t.Errorf("Read = %q, %v, want Hello, EOF", got, err)
	}
	if !bytes.Equal(whole, append(unhex("f2 48 cd c9 c9 07 00"), "guard"...)) {
		t.Errorf("pieces = % x, want them untouched", whole)
	}
}

// A stream may be closed at any time, is read from different goroutines in turn,
// also within a bubble, and needs none of its own.
func TestStreamGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		payload := bomb(2000)
		before := runtime.NumGoroutine()
		open := NewDecompressor(15, true).Stream(-1, -1)
		open.Write(payload[:100], false)
		if _, err := drain(open, nil); err != ErrMore {
			t.Errorf("Read = %v, want ErrMore", err)
		}
		if got := runtime.NumGoroutine(); got > before {
			t.Errorf("%d goroutines, want at most %d", got, before)
		}

		s := NewDecompressor(15, true).Stream(-1, -1)
		size := 0
		for i := range payload {
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.Write(payload[i:i+1], i == len(payload)-1)
				got, _ := drain(s, nil)
				size += len(got)
			}()
			<-done
		}
		if want := 1 + 258*2000; size != want {
			t.Errorf("%d bytes read, want %d", size, want)
		}
		s.Close()

		open.Close()
		if n, err := open.Read(make([]byte, 1)); n != 0 || err != errClosed {
			t.Errorf("Read after Close = %d, %v, want %v", n, err, errClosed)
		}
	})
}

// A stream uses the same memory however much it gives.
//
// Checks 7692-45.
// Security 3.
func TestStreamMemory(t *testing.T) {
	payload := bomb(1 << 17) // 32 MiB
	buf := make([]byte, 4096)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := NewDecompressor(15, true).Stream(-1, -1)
	s.Write(payload, true)
	size := 0
	for {
		n, err := s.Read(buf)
		size += n
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	runtime.ReadMemStats(&after)
	if want := 1 + 258<<17; size != want {
		t.Errorf("%d bytes read, want %d", size, want)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 512<<10 {
		t.Errorf("%d bytes used for a message of %d, want at most 512 KiB", used, size)
	}
}
