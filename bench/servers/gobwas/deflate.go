package main

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// The library makes a compressor for each message unless its caller keeps them.

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var readers = sync.Pool{New: func() any {
	return wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
}}

var writers = sync.Pool{New: func() any {
	return wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
		c, err := flate.NewWriter(w, flate.BestSpeed)
		if err != nil {
			panic(err) // the level is one that exists
		}
		return c
	})
}}

// pack compresses message into b and returns the header that it needs.
func pack(b *bytes.Buffer, h ws.Header, message []byte) (ws.Header, error) {
	w := writers.Get().(*wsflate.Writer)
	defer writers.Put(w)
	b.Reset()
	w.Reset(b)
	if _, err := w.Write(message); err != nil {
		return h, err
	}
	if err := w.Close(); err != nil {
		return h, err
	}
	h.Length = int64(b.Len())
	return wsflate.SetBit(h)
}
