package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// messages returns JSON messages of about n bytes, alike but not the same.
func messages(n int) [][]byte {
	r := rand.New(rand.NewSource(1))
	var all [][]byte
	for range 1024 {
		var b []byte
		for len(b) < n {
			b = fmt.Appendf(b, `{"channel":"ticker:%04d","offset":%d,"epoch":"x7fQ","data":{"bid":%.4f,"ask":%.4f,"size":%d}}`,
				r.Intn(10000), r.Intn(1e6), r.Float64()*100, r.Float64()*100, r.Intn(500))
		}
		all = append(all, b)
	}
	return all
}

var benchmarks = []struct {
	name     string
	size     int
	bits     int
	takeover bool
}{
	{"110B/alone", 100, 15, false},
	{"110B/takeover", 100, 15, true},
	{"1KiB/alone", 1000, 15, false},
	{"1KiB/takeover", 1000, 15, true},
	{"1KiB/takeover/9bits", 1000, 9, true},
	{"16KiB/alone", 16000, 15, false},
}

func BenchmarkCompress(b *testing.B) {
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			all := messages(bb.size)
			c := NewCompressor(bb.bits, bb.takeover)
			var dst []byte
			in, out, i := 0, 0, 0
			b.ReportAllocs()
			for b.Loop() {
				p := all[i%len(all)]
				i++
				dst = c.Append(dst[:0], p)
				c.Commit(p)
				in += len(p)
				out += len(dst)
			}
			b.SetBytes(int64(in / i))
			b.ReportMetric(float64(out)/float64(in), "out/in")
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			payloads, size := compressed(bb.size, bb.bits, bb.takeover)
			d := NewDecompressor(15, bb.takeover)
			var dst []byte
			i := 0
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if i%len(payloads) == 0 {
					d = NewDecompressor(15, bb.takeover)
				}
				var err error
				if dst, err = d.Append(dst[:0], payloads[i%len(payloads)], -1, -1); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// compressed returns the messages in their compressed form, and their mean size.
func compressed(size, bits int, takeover bool) (payloads [][]byte, mean int) {
	c := NewCompressor(bits, takeover)
	for _, p := range messages(size) {
		payloads = append(payloads, c.Append(nil, p))
		c.Commit(p)
		mean += len(p)
	}
	return payloads, mean / len(payloads)
}

// BenchmarkInflaters inflates messages without takeover, and has the libraries
// that could have been used do so in the way they ask for.
func BenchmarkInflaters(b *testing.B) {
	end := append(bytes.Clone(tail), 0x01, 0x00, 0x00, 0xff, 0xff)
	for _, kind := range kinds {
		for _, size := range []int{110, 1 << 10, 16 << 10, 1 << 20} {
			var payloads [][]byte
			for _, p := range samples(kind.make, size) {
				payloads = append(payloads, Compress(nil, p, 15))
			}
			name := fmt.Sprintf("%s/%d", kind.name, size)
			d := NewDecompressor(15, false)
			dst := make([]byte, 0, 2*size)
			compare(b, name+"/own", payloads, func(p []byte) int {
				got, err := d.Append(dst, p, -1, -1)
				if err != nil {
					b.Fatal(err)
				}
				return len(got)
			})
			for library, r := range map[string]io.ReadCloser{
				"klauspost": klauspost.NewReader(bytes.NewReader(nil)),
				"standard":  flate.NewReader(bytes.NewReader(nil)),
			} {
				var in bytes.Reader
				var joined []byte
				compare(b, name+"/"+library, payloads, func(p []byte) int {
					joined = append(append(joined[:0], p...), end...)
					in.Reset(joined)
					if err := r.(flate.Resetter).Reset(&in, nil); err != nil {
						b.Fatal(err)
					}
					n, err := io.ReadFull(r, dst[:cap(dst)])
					if err != io.ErrUnexpectedEOF {
						b.Fatal(err)
					}
					return n
				})
			}
		}
	}
}
