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

// BenchmarkLibraries inflates the messages without takeover with the libraries
// that could have been used, in the way they ask for.
func BenchmarkLibraries(b *testing.B) {
	end := append(bytes.Clone(tail), 0x01, 0x00, 0x00, 0xff, 0xff)
	for name, r := range map[string]io.ReadCloser{
		"klauspost": klauspost.NewReader(bytes.NewReader(nil)),
		"standard":  flate.NewReader(bytes.NewReader(nil)),
	} {
		for _, size := range []int{100, 1000, 16000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				payloads, mean := compressed(size, 15, false)
				dst := make([]byte, 2*mean)
				var in bytes.Reader
				var joined []byte
				i := 0
				b.SetBytes(int64(mean))
				for b.Loop() {
					joined = append(append(joined[:0], payloads[i%len(payloads)]...), end...)
					in.Reset(joined)
					if err := r.(flate.Resetter).Reset(&in, nil); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(r, dst); err != io.ErrUnexpectedEOF {
						b.Fatal(err)
					}
					i++
				}
			})
		}
	}
}
