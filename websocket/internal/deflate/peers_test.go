package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// A peer's compressor, which keeps its window from message to message.
type peerWriter interface {
	Write(p []byte) (int, error)
	Flush() error
}

// What other compressors send inflates, at every level, with takeover, whole and
// streamed.
//
// Checks 7692-13, 7692-41, 7692-42.
func TestFromPeers(t *testing.T) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		for _, library := range []string{"standard", "klauspost"} {
			var sent bytes.Buffer
			var w peerWriter
			if library == "standard" {
				w, _ = flate.NewWriter(&sent, level)
			} else {
				w, _ = klauspost.NewWriter(&sent, level)
			}
			name := fmt.Sprintf("%s, level %d", library, level)
			r := rand.New(rand.NewSource(int64(level)))
			d := NewDecompressor(15, true)
			for i := range 10 {
				p := sample(r, r.Intn(30_000))
				if i%3 == 0 {
					p = skewed(r, 20_000)
				}
				if err := receiveFrom(w, &sent, d, p, i%2 == 0); err != nil {
					t.Fatalf("%s, message %d: %v", name, i, err)
				}
			}
		}
	}
}

// receiveFrom has w send p, and d receive it.
func receiveFrom(w peerWriter, sent *bytes.Buffer, d *Decompressor, p []byte, stream bool) (err error) {
	sent.Reset()
	w.Write(p)
	w.Flush()
	payload := bytes.TrimSuffix(sent.Bytes(), tail)
	var got []byte
	if stream {
		got, err = readAll(d, payload, -1, -1, 100)
	} else {
		got, err = d.Append(nil, payload, int64(len(p)), -1)
	}
	if err == nil && !bytes.Equal(got, p) {
		err = fmt.Errorf("%d bytes are not the %d sent", len(got), len(p))
	}
	return err
}

// skewed returns bytes of which each value is rarer than the one before, so that
// their Huffman codes take up to 15 bits.
func skewed(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		for b[i] < 40 && r.Intn(5) > 1 {
			b[i]++
		}
	}
	return b
}

// Valid messages with some bits flipped either fail or give what the plain
// decoder makes of them, whole and in pieces.
//
// Checks 7692-44.
func TestDamaged(t *testing.T) {
	r := rand.New(rand.NewSource(9))
	for i := range 3000 {
		var sent bytes.Buffer
		w, _ := flate.NewWriter(&sent, flate.HuffmanOnly+r.Intn(12))
		p := sample(r, r.Intn(600))
		if i%2 == 0 {
			p = skewed(r, 1500)
		}
		w.Write(p)
		w.Flush()
		payload := bytes.TrimSuffix(sent.Bytes(), tail)
		for range 1 + r.Intn(3) {
			// The first bytes describe the codes, and break most things.
			payload[r.Intn(min(len(payload), 1+r.Intn(100)))] ^= 1 << r.Intn(8)
		}
		past := sample(r, r.Intn(500))
		want, _, wantErr := inflatePlain(past, payload)
		got, err := primed(past).Append(nil, payload, -1, -1)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Fatalf("damaged message %d: Append(% x) = %d bytes, %v, want %d, %v", i, payload, len(got), err, len(want), wantErr)
		}
		streamed, err := readAll(primed(past), payload, -1, -1, 1+r.Intn(20))
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(streamed, want) {
			t.Fatalf("damaged message %d: Stream(% x) = %d bytes, %v, want %d, %v", i, payload, len(streamed), err, len(want), wantErr)
		}
	}
}
