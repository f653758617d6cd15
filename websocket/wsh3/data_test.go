package wsh3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// dripping gives its bytes in pieces of at most size, with a deadline before each.
type dripping struct {
	b    []byte
	size int
	late bool
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.late = !d.late; d.late {
		return 0, os.ErrDeadlineExceeded
	}
	if len(d.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), d.size)], d.b)
	d.b = d.b[n:]
	if len(d.b) == 0 {
		return n, io.EOF // as quic-go does
	}
	return n, nil
}

// readAll reads until an error that is not a deadline's.
func readAll(r io.Reader, size int) ([]byte, error) {
	var all []byte
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return all, err
		}
	}
}

// appendFrame appends a frame whose type and length take the given sizes.
func appendFrame(b []byte, typ uint64, typeSize int, payload []byte, lengthSize int) []byte {
	b = quicvarint.AppendWithLen(b, typ, typeSize)
	b = quicvarint.AppendWithLen(b, uint64(len(payload)), lengthSize)
	return append(b, payload...)
}

// tunnelBytes is a tunnel with everything that may be in one, and what it holds.
func tunnelBytes() (tunnel, payload []byte) {
	for i, typeSize := range []int{1, 2, 4, 8} {
		for j, lengthSize := range []int{1, 2, 4, 8} {
			part := []byte(fmt.Sprintf("part %d %d,", i, j))
			tunnel = appendFrame(tunnel, frameData, typeSize, part, lengthSize)
			payload = append(payload, part...)
			tunnel = appendFrame(tunnel, frameData, 1, nil, lengthSize)
			tunnel = appendFrame(tunnel, 0x21+0x1f*uint64(j), max(2, typeSize), []byte("grease"), lengthSize)
		}
	}
	return tunnel, payload
}

// RFC 9114, sections 4.4 and 9: DATA frames, cut anywhere, are one stream of bytes, and
// frames of unknown types are passed over. A deadline at any byte loses nothing.
// Checks 9220-5.
func TestDataReader(t *testing.T) {
	tunnel, want := tunnelBytes()
	for size := 1; size < 40; size++ {
		for _, buffer := range []int{1, 7, 4096} {
			got, err := readAll(&dataReader{src: &dripping{b: tunnel, size: size}}, buffer)
			if err != io.EOF || !bytes.Equal(got, want) {
				t.Fatalf("pieces of %d into %d bytes: %q, %v, want %q, EOF", size, buffer, got, err, want)
			}
		}
	}
}

// RFC 9114, section 7.1: a stream that ends within a frame has not ended in order.
func TestDataReaderTruncated(t *testing.T) {
	tunnel := appendFrame(nil, frameData, 2, []byte("payload"), 4)
	tunnel = appendFrame(tunnel, 0x21, 1, []byte("grease"), 1)
	whole := map[int]bool{0: true, 13: true, 21: true}
	if len(tunnel) != 21 {
		t.Fatalf("tunnel of %d bytes", len(tunnel))
	}
	for n := range len(tunnel) + 1 {
		_, err := readAll(&dataReader{src: &dripping{b: tunnel[:n], size: 3}}, 16)
		if want := io.ErrUnexpectedEOF; !whole[n] && err != want || whole[n] && err != io.EOF {
			t.Errorf("the first %d bytes end with %v", n, err)
		}
	}
}

// RFC 9114, section 4.4: another known frame is H3_FRAME_UNEXPECTED.
func TestDataReaderKnownFrames(t *testing.T) {
	for _, typ := range []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0d, 0xf0700, 0xf0701} {
		b := appendFrame(nil, frameData, 1, []byte("a"), 1)
		b = append(quicvarint.Append(b, typ), 0)
		r := &dataReader{src: bytes.NewReader(b)}
		got, err := readAll(r, 16)
		e, ok := errors.AsType[*http3.Error](err)
		if string(got) != "a" || !ok || e.Remote || e.ErrorCode != http3.ErrCodeFrameUnexpected {
			t.Errorf("frame of type %#x: %q, %v, want H3_FRAME_UNEXPECTED", typ, got, err)
		}
		if _, again := r.Read(make([]byte, 1)); again != err {
			t.Errorf("the next Read = %v, want the same error", again)
		}
	}
}

// FuzzDataReader compares reading in pieces with the plain twin.
func FuzzDataReader(f *testing.F) {
	tunnel, _ := tunnelBytes()
	f.Add(tunnel, uint8(3))
	f.Add([]byte{0, 3, 'a', 'b'}, uint8(1))
	f.Add([]byte{0x40, 0, 0x80, 0, 0, 1, 'x', 1, 0}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		want, wantErr := plainData(b)
		got, err := readAll(&dataReader{src: &dripping{b: b, size: int(size) + 1}}, 5)
		if !bytes.Equal(got, want) || (err == io.EOF) != (wantErr == io.EOF) {
			t.Errorf("Read = %q, %v, want %q, %v", got, err, want, wantErr)
		}
	})
}

// plainData is dataReader for bytes that are all there.
func plainData(b []byte) (data []byte, err error) {
	for len(b) > 0 {
		typ, n, err := quicvarint.Parse(b)
		if err != nil {
			return data, io.ErrUnexpectedEOF
		}
		length, m, err := quicvarint.Parse(b[n:])
		if err != nil {
			return data, io.ErrUnexpectedEOF
		}
		switch b = b[n+m:]; {
		case typ != frameData && (typ < 0x0a || typ == frameMaxPushID || typ|1 == framePriorityPush):
			return data, errors.New("known frame")
		case typ == frameData:
			data = append(data, b[:min(uint64(len(b)), length)]...)
		}
		if uint64(len(b)) < length {
			return data, io.ErrUnexpectedEOF
		}
		b = b[length:]
	}
	return data, io.EOF
}
