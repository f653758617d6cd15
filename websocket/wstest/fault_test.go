package wstest_test

import (
	"errors"
	"io"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// TestFaulty fails at each byte of a stream, in calls of several sizes.
func TestFaulty(t *testing.T) {
	const size = 20
	for at := range int64(size) {
		for step := 1; step <= size; step++ {
			a, b := wstest.Streams()
			f := &wstest.Faulty{Conn: a, ReadFaultAt: at, WriteFaultAt: at}
			b.Write(make([]byte, size))
			if n, err := repeat(f.Read, step); n != at || err != wstest.ErrFault {
				t.Errorf("reads of %d with a fault at %d: %d bytes, %v, want ErrFault there", step, at, n, err)
			}
			if n, err := repeat(f.Write, step); n != at || err != wstest.ErrFault {
				t.Errorf("writes of %d with a fault at %d: %d bytes, %v, want ErrFault there", step, at, n, err)
			}
			a.Close()
			if got, err := io.ReadAll(b); int64(len(got)) != at || err != nil {
				t.Errorf("the other end got %d bytes, %v, want %d, nil", len(got), err, at)
			}
		}
	}
}

// repeat calls op with slices of the given size until it fails, and returns how
// many bytes passed.
func repeat(op func([]byte) (int, error), size int) (passed int64, err error) {
	for err == nil {
		var n int
		n, err = op(make([]byte, size))
		passed += int64(n)
	}
	return passed, err
}

// TestFaultyWithoutFault passes all that its stream passes, errors too.
func TestFaultyWithoutFault(t *testing.T) {
	a, b := wstest.Streams()
	f := &wstest.Faulty{Conn: a, ReadFaultAt: -1, WriteFaultAt: -1}
	if n, err := f.Write(make([]byte, 1000)); n != 1000 || err != nil {
		t.Errorf("Write(1000 bytes) = %d, %v, want 1000, nil", n, err)
	}
	b.Write(make([]byte, 100))
	b.Close()
	if got, err := io.ReadAll(f); len(got) != 100 || err != nil {
		t.Errorf("ReadAll() = %d bytes, %v, want 100, nil", len(got), err)
	}
	if _, err := f.Write(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write() = %v, want the stream's error", err)
	}
}
