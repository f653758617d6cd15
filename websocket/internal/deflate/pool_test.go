package deflate

import (
	"bytes"
	"errors"
	"math/rand"
	"testing"
)

// Pooled inflaters, windows and encoders have seen other connections' messages.
// None of these bytes can be had from them: a reference to before a message, and
// before the connection's own history, is refused at every distance.
//
// Security 9.
func TestPoison(t *testing.T) {
	poison := bytes.Repeat([]byte("SECRET"), 20_000)
	for _, own := range []int{0, 1, 300, 40_000} {
		past := bytes.Repeat([]byte{'.'}, own)
		for symbol := range maxDists {
			size := distSpans[symbol]
			for _, extra := range []int{0, 1<<size.extra - 1} {
				spread(t, poison)
				dist := int(size.base) + extra
				payload := new(bitWriter).fixed(0).copy258(symbol, extra, int(size.extra)).end().message()
				got, err := primed(past).Append(make([]byte, 0, 1000), payload, -1, -1)
				streamed, streamErr := readAll(primed(past), payload, -1, -1, 1)
				if dist > own {
					if !errors.Is(err, ErrCorrupt) || !errors.Is(streamErr, ErrCorrupt) {
						t.Errorf("distance %d after %d bytes: %v, %v, want ErrCorrupt", dist, own, err, streamErr)
					}
				} else if err != nil || streamErr != nil {
					t.Errorf("distance %d after %d bytes: %v, %v", dist, own, err, streamErr)
				}
				if bytes.ContainsAny(append(got, streamed...), "SECRET") {
					t.Fatalf("distance %d after %d bytes gives another connection's bytes", dist, own)
				}
			}
		}
	}
}

// spread runs poison through all pools.
func spread(t *testing.T, poison []byte) {
	t.Helper()
	payload := NewCompressor(0, false).Append(nil, poison[:1000])
	for range 2 {
		if _, err := NewDecompressor(15, true).Append(nil, payload, -1, -1); err != nil {
			t.Fatal(err)
		}
		s := NewDecompressor(15, true).Stream(-1, -1)
		s.Write(payload[:len(payload)/2], false)
		f := s.f
		copy(s.window[s.filled:], poison)
		s.Close()
		if f.in != nil || s.f != nil || s.window != nil {
			t.Fatal("a closed stream keeps references")
		}
	}
}

// What a compressor sends is its own connection's, whatever others sent before.
//
// Security 9.
func TestPoisonSent(t *testing.T) {
	poison := bytes.Repeat([]byte("SECRET"), 2000)
	for bits := 8; bits <= 15; bits++ {
		x := newDirection(bits, true)
		r := rand.New(rand.NewSource(int64(bits)))
		for range 20 {
			other := NewCompressor(bits, true)
			other.Append(nil, poison)
			other.Commit(poison)
			p := noise(r, r.Intn(2000))
			payload := x.c.Append(nil, p)
			if bytes.Contains(payload, []byte("SEC")) {
				t.Fatalf("bits %d: another connection's bytes are sent", bits)
			}
			x.c.Commit(p)
			if err := x.received(payload, p); err != nil {
				t.Fatalf("bits %d: %v", bits, err)
			}
		}
	}
}

// What an inflater gives depends on nothing that it was left with.
//
// Security 9.
func TestInflaterForgets(t *testing.T) {
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		p := sample(r, r.Intn(3000))
		payload := Compress(nil, p, 15)
		for range r.Intn(3) { // often damaged
			payload[r.Intn(len(payload))] ^= 1 << r.Intn(8)
		}
		want, wantErr := decodeAll(newInflater(), payload)
		f := new(inflater)
		f.step, f.bits, f.n, f.left, f.length, f.distance = codes, r.Uint64(), 60, 100, 258, 1
		f.lits, f.dists, f.metas, f.have, f.previous = 286, 30, 19, 30, 15
		f.final, f.ended, f.last, f.tailed = true, true, true, true
		for _, table := range []*table{&f.meta, &f.ownLits, &f.ownDists} {
			table.n, table.mask = 50, 1<<fastBits-1
			for i := range table.fast {
				table.fast[i] = entryLiteral | 'S'<<16 | 1
			}
			for i := range table.symbols {
				table.symbols[i], table.used[i] = uint16(r.Intn(fixedSymbols)), uint16(r.Int())
			}
		}
		f.reset()
		got, err := decodeAll(f, payload)
		if !errors.Is(err, wantErr) || !bytes.Equal(got, want) {
			t.Errorf("seed %d: %d bytes, %v, want %d, %v", seed, len(got), err, len(want), wantErr)
		}
	}
}

// decodeAll decodes the message payload.
func decodeAll(f *inflater, payload []byte) ([]byte, error) {
	f.in, f.last = payload, true
	return f.decode(nil, make([]byte, 0, 1<<17), 0, 1<<17)
}
