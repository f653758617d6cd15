package deflate

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"math/rand"
	"runtime"
	"strings"
	"testing"
)

// unhex decodes a dump with spaces between the bytes.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// The examples of RFC 7692, 7.2.3, and what else a sender may do by 7.2.1. Each
// line is one connection with context takeover.
//
// Checks 7692-39, 7692-40, 7692-41, 7692-42, 7692-43.
func TestExamples(t *testing.T) {
	for _, tt := range []struct{ name, payloads, want string }{
		{"7.2.3.1 one block", "f2 48 cd c9 c9 07 00", "Hello"},
		{"7.2.3.2 with takeover", "f2 48 cd c9 c9 07 00 | f2 00 11 00 00", "Hello|Hello"},
		{"7.2.3.2 referring to nothing", "f2 48 cd c9 c9 07 00 | f2 48 cd c9 c9 07 00", "Hello|Hello"},
		{"7.2.3.3 stored", "00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello"},
		{"7.2.3.4 BFINAL", "f3 48 cd c9 c9 07 00 00", "Hello"},
		{"7.2.3.5 two blocks", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello"},
		{"7.2.3.6 empty", "00", ""},
		{"empty between others", "f2 48 cd c9 c9 07 00 | 00 | f2 00 11 00 00", "Hello||Hello"},
		{"BFINAL twice", "f3 48 cd c9 c9 07 00 f3 48 cd c9 c9 07 00 00", "HelloHello"},
		{"reference across BFINAL", "f3 48 cd c9 c9 07 00 f2 00 11 00 00", "HelloHello"},
		{"reference across BFINAL and messages", "f3 48 cd c9 c9 07 00 00 | f3 00 11 00 00 | f2 00 11 00 00", "Hello|Hello|Hello"},
		{"stored with BFINAL", "01 05 00 fa ff 48 65 6c 6c 6f 00", "Hello"},
		{"nothing behind BFINAL", "f3 48 cd c9 c9 07 00", "Hello"},
		{"nothing behind stored BFINAL", "01 05 00 fa ff 48 65 6c 6c 6f", "Hello"},
		{"empty blocks", "02 00 00 00 ff ff 03 00 03 00 f2 48 cd c9 c9 07 00", "Hello"},
		{"empty with BFINAL", "03 00", ""},
	} {
		d := NewDecompressor(15, true)
		want := strings.Split(tt.want, "|")
		for i, payload := range strings.Split(tt.payloads, "|") {
			got, err := d.Append(nil, unhex(payload), -1, -1)
			if err != nil || string(got) != want[i] {
				t.Errorf("%s: Append(%s) = %q, %v, want %q", tt.name, payload, got, err, want[i])
			}
		}
	}
}

// RFC 7692, 7.1.1: where no takeover was agreed, a message cannot refer to an
// earlier one.
//
// Checks 7692-42.
func TestNoTakeover(t *testing.T) {
	d := NewDecompressor(15, false)
	for _, step := range []func() error{
		func() error { _, err := d.Append(nil, unhex("f2 48 cd c9 c9 07 00"), -1, -1); return err },
		func() error { _, err := readAll(d, unhex("f2 48 cd c9 c9 07 00"), -1, -1, 3); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if d.history.b != nil {
			t.Errorf("history = %q, want none", d.history.b)
		}
	}
	if got, err := d.Append(nil, unhex("f2 00 11 00 00"), -1, -1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Append(reference to an earlier message) = %q, %v, want ErrCorrupt", got, err)
	}
}

// RFC 7692, 7.1.2: unless a smaller window was agreed, references reach back 32
// KiB, within a message and across messages of any size, and no further.
//
// Checks 7692-37.
func TestWholeWindow(t *testing.T) {
	farthest := new(bitWriter).fixed(0).copy258(29, 1<<13-1, 13).end().message() // 32768
	for _, sizes := range [][]int{{32768}, {1, 32767}, {40000}, {32767, 1}, {10000, 10000, 12768}, {100000, 5}, {32767}} {
		d := NewDecompressor(15, true)
		r := rand.New(rand.NewSource(5))
		var past []byte
		for _, n := range sizes {
			p := sample(r, n)
			payload := appendStored(nil, p)
			if _, err := d.Append(nil, payload[:len(payload)-tailSize], -1, -1); err != nil {
				t.Fatal(err)
			}
			past = append(past, p...)
		}
		got, err := d.Append([]byte("x"), farthest, -1, -1)
		if len(past) < 32768 {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("distance 32768 after messages of %v bytes: %v, want ErrCorrupt", sizes, err)
			}
			continue
		}
		if want := past[len(past)-32768:][:258]; err != nil || !bytes.Equal(got[1:], want) {
			t.Errorf("distance 32768 after messages of %v bytes: %v, or wrong bytes", sizes, err)
		}
	}
}

// RFC 7692, 7.2.2: what does not inflate is an error that says why, and dst is
// as it was. A message that stops short does not inflate.
//
// Checks 7692-44.
func TestCorrupt(t *testing.T) {
	dynamic := func() *bitWriter { return new(bitWriter).put(0, 1).put(2, 2) }
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"reserved block type", []byte{0x06}, errBlockType},
		{"stored length", unhex("00 05 00 fa fe 48 65 6c 6c 6f 00"), errStored},
		{"no bytes at all", nil, io.ErrUnexpectedEOF},
		{"tail was not cut", unhex("f2 48 cd c9 c9 07 00 00 00 ff ff"), io.ErrUnexpectedEOF},
		{"short in fixed block", unhex("f2 48 cd c9"), nil},
		{"short in stored block", unhex("00 09 00 f6 ff 48"), io.ErrUnexpectedEOF},
		{"short behind BFINAL", unhex("f3 48 cd c9 c9 07 00 f2"), nil},
		{"too far back", unhex("f2 00 11 00 00"), errDistance},
		{"too far back by one", new(bitWriter).fixed(0).literal('a').copy258(1, 0, 0).end().message(), errDistance},
		{"length symbol 286", new(bitWriter).fixed(0).literal('a').code(0xc6, 8).code(0, 5).message(), errSymbol},
		{"length symbol 287", new(bitWriter).fixed(0).literal('a').code(0xc7, 8).code(0, 5).message(), errSymbol},
		{"distance symbol 30", new(bitWriter).fixed(0).literal('a').copy258(30, 0, 0).message(), errSymbol},
		{"287 literals", dynamic().put(30, 5).put(0, 5).put(0, 4).message(), errCode},
		{"31 distances", dynamic().put(0, 5).put(30, 5).put(0, 4).message(), errCode},
		{"empty code for lengths", dynamic().put(0, 14).put(0, 12).message(), errCode},
		{"too many codes for lengths", dynamic().put(0, 14).put(1|1<<3|1<<6, 12).message(), errCode},
		{"too few codes for lengths", dynamic().put(0, 14).put(2<<6, 12).message(), errCode},
		{"repeat of nothing", dynamic().put(0, 14).put(1, 12).put(0, 3).message(), errCode},
		{"too many zero lengths", dynamic().put(0, 14).put(1<<6|1<<3, 12).put(1, 1).put(127, 7).put(1, 1).put(127, 7).message(), errCode},
	} {
		dst := append(make([]byte, 0, 100), "before"...)
		got, err := NewDecompressor(15, true).Append(dst, tt.in, -1, -1)
		if !errors.Is(err, ErrCorrupt) || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: Append(% x) = %v, want %v", tt.name, tt.in, err, tt.want)
		}
		if string(got) != "before" {
			t.Errorf("%s: Append = %q, want dst as it was", tt.name, got)
		}
		if _, _, err := inflatePlain(nil, tt.in); err == nil {
			t.Errorf("%s: inflatePlain(% x) = no error", tt.name, tt.in)
		}
	}
}

// Every message cut short anywhere is either an error or, where a block just
// ends, gives the beginning of what the whole gives.
//
// Checks 7692-44.
func TestTruncated(t *testing.T) {
	p := sample(rand.New(rand.NewSource(6)), 3000)
	payload := NewCompressor(0, false).Append(nil, p)
	for n := range payload {
		got, err := NewDecompressor(15, false).Append(nil, payload[:n], -1, -1)
		want, _, plainErr := inflatePlain(nil, payload[:n])
		if (err == nil) != (plainErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("Append(first %d of %d bytes) = %d bytes, %v, want %d, %v", n, len(payload), len(got), err, len(want), plainErr)
		}
		if err == nil && !bytes.HasPrefix(p, got) {
			t.Errorf("Append(first %d of %d bytes) gives what was not sent", n, len(payload))
		}
	}
}

// bomb returns a message of a few bytes that inflates to 1 + 258*n bytes.
func bomb(n int) []byte {
	w := new(bitWriter).fixed(0).literal(0)
	for range n {
		w.copy258(0, 0, 0)
	}
	return w.end().message()
}

// A bomb ends at the limit, and costs no more memory than that.
//
// Checks 7692-45.
// Security 3.
func TestBomb(t *testing.T) {
	payload := bomb(1 << 18) // 64 MiB from 416 KiB
	for _, limit := range []int64{0, 1, 1000, 65536, 1 << 20} {
		var before, after runtime.MemStats
		d := NewDecompressor(15, true)
		runtime.ReadMemStats(&before)
		got, err := d.Append(nil, payload, limit, -1)
		runtime.ReadMemStats(&after)
		if err != ErrTooBig || len(got) != 0 {
			t.Errorf("limit %d: Append = %d bytes, %v, want ErrTooBig", limit, len(got), err)
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(8*limit+256<<10); used > most {
			t.Errorf("limit %d: Append used %d bytes, want at most %d", limit, used, most)
		}
	}
}

// The limits let pass what just meets them.
//
// Checks 7692-45.
// Security 3.
func TestLimits(t *testing.T) {
	const huge = RatioFloor/258 + 1 // copies, past the floor
	big := bomb(huge)
	size := int64(1 + 258*huge)
	over := int(size/int64(len(big))) + 1
	for _, tt := range []struct {
		name  string
		in    []byte
		limit int64
		ratio int
		want  error
	}{
		{"exactly the limit", bomb(3), 775, -1, nil},
		{"one over", bomb(3), 774, -1, ErrTooBig},
		{"empty at limit 0", []byte{0}, 0, 0, nil},
		{"largest limit", bomb(3), math.MaxInt64, math.MaxInt, nil},
		{"no limit", big, -1, -1, nil},
		{"ratio below the floor", bomb(60_000), -1, 1, nil},
		{"ratio met", big, -1, over, nil},
		{"ratio exceeded", big, -1, over - 1, ErrRatio},
		{"ratio 0", big, -1, 0, ErrRatio},
		{"both: the limit is named", big, size - 1, 1, ErrTooBig},
	} {
		if _, err := NewDecompressor(15, false).Append(nil, tt.in, tt.limit, tt.ratio); err != tt.want {
			t.Errorf("%s: Append = %v, want %v", tt.name, err, tt.want)
		}
		if _, err := readAll(NewDecompressor(15, false), tt.in, tt.limit, tt.ratio, len(tt.in)); err != tt.want {
			t.Errorf("%s: Stream = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// The bytes in dst stay, and spare capacity is used: with enough of it nothing
// is allocated.
func TestInflateTo(t *testing.T) {
	d := NewDecompressor(15, true)
	dst := append(make([]byte, 0, 11), "before"...)
	allocs := testing.AllocsPerRun(100, func() {
		got, err := d.Append(dst, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}, 5, 1)
		if string(got) != "beforeHello" || err != nil || &got[0] != &dst[0] {
			t.Errorf("Append(%q) = %q, %v, want it appended in place", dst, got, err)
		}
	})
	if allocs > 1 { // under the race detector pools lose what they hold now and then
		t.Errorf("%v allocations a message, want none, or an inflater", allocs)
	}
}

// However much space there is, the same comes out: all of it goes by the same rules
// up to the last byte.
func TestInflateSpace(t *testing.T) {
	r := rand.New(rand.NewSource(10))
	past := sample(r, 1000)
	for range 5 {
		p := sample(r, 700)
		c := NewCompressor(15, true)
		c.Commit(past)
		payload := c.Append(nil, p)
		for space := range len(p) + 300 {
			got, err := primed(past).Append(make([]byte, 3, 3+space), payload, int64(len(p)), -1)
			if err != nil || !bytes.Equal(got[3:], p) {
				t.Fatalf("Append with space for %d = %d bytes, %v, want %d", space, len(got), err, len(p))
			}
		}
	}
}

// Between messages a decompressor holds no more than its history.
//
// Security 3.
func TestDecompressorMemory(t *testing.T) {
	for _, tt := range []struct {
		bits     int
		takeover bool
		copies   int
		most     int
	}{
		{0, true, 1, 1024},
		{0, true, 20, 2 * 3 * 21 * 258},
		{0, true, 1000, 32 << 10},
		{9, true, 1000, 512},
		{0, false, 1000, 0},
	} {
		d := NewDecompressor(tt.bits, tt.takeover)
		for range 3 {
			if _, err := d.Append(nil, bomb(tt.copies), -1, -1); err != nil {
				t.Fatal(err)
			}
		}
		if got := cap(d.history.b); got > tt.most {
			t.Errorf("bits %d, takeover %v: history of %d bytes, want at most %d", tt.bits, tt.takeover, got, tt.most)
		}
	}
}
