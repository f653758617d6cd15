package deflate

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"
)

// A direction of a connection: both its ends.
type direction struct {
	window   int
	takeover bool
	c        *Compressor
	d        *Decompressor
	past     []byte // all that was sent and may be referred to
}

func newDirection(bits int, takeover bool) *direction {
	return &direction{
		window: windowSize(bits), takeover: takeover,
		c: NewCompressor(bits, takeover), d: NewDecompressor(bits, takeover),
	}
}

// received checks that payload, which c has made, gives p with every decoder,
// and that its references stay in the window.
func (x *direction) received(payload, p []byte) error {
	got, far, err := inflatePlain(x.past, payload)
	if err != nil || !bytes.Equal(got, p) {
		return fmt.Errorf("inflatePlain gives %d bytes, %v, want the %d sent", len(got), err, len(p))
	}
	if far > x.window {
		return fmt.Errorf("largest distance is %d, want at most %d", far, x.window)
	}
	// What an inflater of that window holds is enough.
	held := x.past[max(0, len(x.past)-x.window):]
	if got, err = inflateStandard(held, payload); err != nil || !bytes.Equal(got, p) {
		return fmt.Errorf("compress/flate gives %d bytes, %v, want the %d sent", len(got), err, len(p))
	}
	if got, err = x.d.Append(nil, payload, int64(len(p)), -1); err != nil || !bytes.Equal(got, p) {
		return fmt.Errorf("Append gives %d bytes, %v, want the %d sent", len(got), err, len(p))
	}
	if x.takeover {
		x.past = append(x.past, p...)
		x.past = x.past[max(0, len(x.past)-maxWindow):]
	}
	return nil
}

// send sends p as one message.
func (x *direction) send(p []byte) error {
	payload := x.c.Append(nil, p)
	x.c.Commit(p)
	return x.received(payload, p)
}

// sendParts sends p as one message of several parts.
func (x *direction) sendParts(r *rand.Rand, p []byte) error {
	var payload []byte
	rest := p
	for part := range r.Intn(5) {
		n := r.Intn(len(rest) + 1)
		if part == 0 {
			n = min(n, r.Intn(3)) // often begin with very little
		}
		payload = x.c.AppendPart(payload, rest[:n], false)
		rest = rest[n:]
	}
	return x.received(x.c.AppendPart(payload, rest, true), p)
}

// RFC 7692, 7.1.2: no reference reaches further than the agreed window, within a
// message and across messages. 7.2.1: what is sent is DEFLATE data whose last
// block is empty and stored, without that block's last four bytes. 7.1.1:
// without takeover each message inflates alone.
//
// Checks 7692-23, 7692-26, 7692-31, 7692-36, 7692-38, 7692-42.
func TestSent(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			for seed := range int64(3) {
				r := rand.New(rand.NewSource(seed))
				x := newDirection(bits, takeover)
				for i := range 8 {
					p := sample(r, r.Intn(2*x.window+1000))
					err := x.send(p)
					if err == nil {
						err = x.sendParts(r, sample(r, r.Intn(1000)))
					}
					if err != nil {
						t.Fatalf("bits %d, takeover %v, seed %d, message %d: %v", bits, takeover, seed, i, err)
					}
				}
			}
		}
	}
}

// RFC 7692, 7.1.2.1: text that repeats at a distance tempts the compressor to
// refer there; it does if the window allows it, and only then.
//
// Checks 7692-31, 7692-36.
func TestDistances(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		reached := 0
		for _, period := range []int{100, 200, 250, 400, 600, 1000, 2000, 4000, 8000, 8100, 16000, 20000, 30000, 32768, 40000} {
			x := newDirection(bits, true)
			block := noise(rand.New(rand.NewSource(int64(period))), period)
			text := append(bytes.Clone(block), block[:min(period, 3000)]...)
			if err := x.send(text); err != nil {
				t.Fatalf("bits %d, period %d: %v", bits, period, err)
			}
			_, far, _ := inflatePlain(nil, NewCompressor(bits, true).Append(nil, text))
			reached = max(reached, far)
		}
		if window := windowSize(bits); reached > window || reached < window/4 {
			t.Errorf("bits %d: largest distance = %d, want %d to %d", bits, reached, window/4, window)
		}
	}
}

// RFC 7692, 7.2.3.6: an empty message is the one byte 00, also as the last part
// of one that has others.
//
// Checks 7692-43.
func TestEmptySent(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		c := NewCompressor(bits, true)
		for range 2 {
			if got := c.Append(nil, nil); !bytes.Equal(got, []byte{0}) {
				t.Errorf("bits %d: Append(empty) = % x, want 00", bits, got)
			}
			c.Commit(nil)
			if got := c.AppendPart(nil, nil, true); !bytes.Equal(got, []byte{0}) {
				t.Errorf("bits %d: AppendPart(empty, final) = % x, want 00", bits, got)
			}
			if got := c.AppendPart(nil, nil, false); len(got) != 0 {
				t.Errorf("bits %d: AppendPart(empty) = % x, want nothing", bits, got)
			}
			c.AppendPart(nil, []byte("history"), true)
		}
	}
}

// With takeover a message that repeats an earlier one is short; without, it is
// as long as the first.
//
// Checks 7692-42.
func TestTakeoverSaves(t *testing.T) {
	p := noise(rand.New(rand.NewSource(1)), 2000)
	for _, takeover := range []bool{true, false} {
		c := NewCompressor(0, takeover)
		first := len(c.Append(nil, p))
		c.Commit(p)
		second := len(c.Append(nil, p))
		if saved := second < first/10; saved != takeover {
			t.Errorf("takeover %v: lengths = %d, then %d", takeover, first, second)
		}
	}
}

// A message that was compressed but never sent leaves no trace.
func TestAppendWithoutCommit(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	x := newDirection(0, true)
	if err := x.send(sample(r, 5000)); err != nil {
		t.Fatal(err)
	}
	given := sample(r, 5000)
	want := x.c.Append(nil, given)
	x.c.Append(nil, sample(r, 9000))
	if got := x.c.Append(nil, given); !bytes.Equal(got, want) {
		t.Errorf("Append = %d bytes, want the same %d as before a message that was given up", len(got), len(want))
	}
	if err := x.send(given); err != nil {
		t.Fatal(err)
	}
}

// What cannot be compressed comes out right and at most five bytes longer for
// every 65,535, and five for the end.
func TestIncompressible(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for bits := 8; bits <= 15; bits++ {
		x := newDirection(bits, true)
		for _, n := range []int{0, 1, 2, 12, 13, 127, 128, 129, 1000, 32767, 32768, 65535, 65536, 140_000} {
			p := noise(r, n)
			if err := x.send(p); err != nil {
				t.Fatalf("bits %d, %d bytes: %v", bits, n, err)
			}
			if got, most := len(x.c.Append(nil, p)), storedSize(n)-tailSize; got > most {
				t.Errorf("bits %d: %d bytes become %d, want at most %d", bits, n, got, most)
			}
		}
	}
}

// appendStored is what deflate falls back to.
func TestAppendStored(t *testing.T) {
	for _, n := range []int{0, 1, maxStored - 1, maxStored, maxStored + 1, 3 * maxStored} {
		p := noise(rand.New(rand.NewSource(4)), n)
		b := appendStored([]byte("x"), p)
		if len(b)-1 != storedSize(n) {
			t.Errorf("appendStored(%d bytes) = %d bytes, want %d", n, len(b)-1, storedSize(n))
		}
		got, _, err := inflatePlain(nil, b[1:len(b)-tailSize])
		if err != nil || !bytes.Equal(got, p) {
			t.Errorf("appendStored(%d bytes) inflates to %d bytes, %v", n, len(got), err)
		}
	}
}

// The bytes in dst stay, and spare capacity is used.
func TestAppendTo(t *testing.T) {
	p := bytes.Repeat([]byte("rope "), 100)
	dst := append(make([]byte, 0, 4096), "before"...)
	got := NewCompressor(0, false).Append(dst, p)
	if !bytes.HasPrefix(got, []byte("before")) || &got[0] != &dst[0] {
		t.Errorf("Append(%q) = %q, want it appended in place", dst, got)
	}
	c := NewCompressor(0, true)
	got = c.AppendPart(dst, p, false)
	if !bytes.HasPrefix(got, []byte("before")) || &got[0] != &dst[0] {
		t.Errorf("AppendPart(%q) = %q, want it appended in place", dst, got)
	}
}

// Between messages a compressor holds no more than its history.
func TestCompressorMemory(t *testing.T) {
	for _, tt := range []struct {
		bits     int
		takeover bool
		sent     int
		most     int
	}{
		{0, true, 0, 0},
		{0, true, 100, 1024},
		{0, true, 100_000, maxHistory},
		{14, true, 100_000, maxHistory},
		{9, true, 100_000, 512},
		{0, false, 100_000, 0},
	} {
		c := NewCompressor(tt.bits, tt.takeover)
		for range 3 {
			c.Commit(make([]byte, tt.sent))
			c.AppendPart(nil, make([]byte, tt.sent), true)
		}
		if got := cap(c.history.b); got > tt.most {
			t.Errorf("bits %d, takeover %v, %d bytes sent: history of %d bytes, want at most %d",
				tt.bits, tt.takeover, tt.sent, got, tt.most)
		}
	}
}
