package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// The kinds of messages that compressors are compared with. Each gives one of n
// bytes, alike to the others of its kind but not the same.
var kinds = []struct {
	name string
	make func(r *rand.Rand, n int) []byte
}{
	{"json", jsonMessage},
	{"text", textMessage},
	{"binary", binaryMessage},
	{"random", noise},
	{"zeros", func(_ *rand.Rand, n int) []byte { return make([]byte, n) }},
}

func jsonMessage(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, `{"channel":"ticker:%04d","offset":%d,"epoch":"x7fQ","data":{"bid":%.4f,"ask":%.4f,"size":%d}}`,
			r.Intn(10000), r.Intn(1e6), r.Float64()*100, r.Float64()*100, r.Intn(500))
	}
	return b[:n]
}

// textMessage returns prose of words that are the rarer the longer they are, as
// words are.
func textMessage(r *rand.Rand, n int) []byte {
	zipf := rand.NewZipf(r, 1.1, 4, uint64(len(vocabulary)-1))
	var b []byte
	for len(b) < n {
		for i := range 5 + r.Intn(15) {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, vocabulary[zipf.Uint64()]...)
		}
		b = append(b, ". "...)
	}
	return b[:n]
}

var vocabulary = func() (words []string) {
	r := rand.New(rand.NewSource(1))
	syllables := strings.Fields("the of and to in is ing er on that re for as be ter con an ed it at wi es ver com pro al ti or en ar")
	for i := range 3000 {
		word := ""
		for range 1 + i/500 + r.Intn(3) {
			word += syllables[r.Intn(len(syllables))]
		}
		words = append(words, word)
	}
	return words
}()

// binaryMessage returns records of numbers, some of which hardly change.
func binaryMessage(r *rand.Rand, n int) []byte {
	var b []byte
	id := uint64(r.Intn(1 << 20))
	for len(b) < n {
		id += uint64(r.Intn(3))
		b = append(b, 0x08)
		b = binary.AppendUvarint(b, id)
		b = append(b, 0x10, byte(r.Intn(4)), 0x1d)
		b = binary.LittleEndian.AppendUint32(b, uint32(1000+r.Intn(500)))
		b = append(b, 0x25)
		b = binary.BigEndian.AppendUint32(b, 0x3f800000+uint32(r.Intn(1<<14)))
	}
	return b[:n]
}

// BenchmarkCompressors compares time and size with those of the libraries. Level
// 0 stands for the one that keeps nothing but a history, of 8 KiB; the others keep a
// whole window with takeover, and always their tables.
func BenchmarkCompressors(b *testing.B) {
	for _, kind := range kinds {
		for _, size := range []int{110, 1 << 10, 16 << 10, 1 << 20} {
			for _, takeover := range []bool{false, true} {
				all := samples(kind.make, size)
				name := fmt.Sprintf("%s/%d/%v", kind.name, size, map[bool]string{false: "alone", true: "takeover"}[takeover])
				c := NewCompressor(15, takeover)
				var dst []byte
				compare(b, name+"/own", all, func(p []byte) int {
					dst = c.Append(dst[:0], p)
					c.Commit(p)
					return len(dst)
				})
				past := history{size: 8 << 10}
				var out bytes.Buffer
				compare(b, name+"/klauspost0", all, func(p []byte) int {
					out.Reset()
					klauspost.StatelessDeflate(&out, p, false, past.b)
					if takeover {
						past.add(p)
					}
					return out.Len() - tailSize
				})
				for _, level := range []int{1, 3, 6} {
					var out bytes.Buffer
					k, _ := klauspost.NewWriter(&out, level)
					w, _ := flate.NewWriter(&out, level)
					compare(b, fmt.Sprintf("%s/klauspost%d", name, level), all, func(p []byte) int {
						out.Reset()
						if !takeover {
							k.Reset(&out)
						}
						k.Write(p)
						k.Flush()
						return out.Len() - tailSize
					})
					compare(b, fmt.Sprintf("%s/standard%d", name, level), all, func(p []byte) int {
						out.Reset()
						if !takeover {
							w.Reset(&out)
						}
						w.Write(p)
						w.Flush()
						return out.Len() - tailSize
					})
				}
			}
		}
	}
}

func samples(message func(*rand.Rand, int) []byte, size int) (all [][]byte) {
	r := rand.New(rand.NewSource(1))
	for range max(4, 256<<10/size) {
		all = append(all, message(r, size))
	}
	return all
}

func compare(b *testing.B, name string, all [][]byte, compress func(p []byte) int) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(all[0])))
		in, out, i := 0, 0, 0
		start := cpuTime()
		for b.Loop() {
			p := all[i%len(all)]
			i++
			in += len(p)
			out += compress(p)
		}
		b.ReportMetric(float64(cpuTime()-start)/float64(i), "cpu-ns/op")
		b.ReportMetric(float64(out)/float64(in), "out/in")
	})
}
