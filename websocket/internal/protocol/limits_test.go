package protocol

import (
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// checkCode hands b to the receiver and wants the close code, 0 being none.
func checkCode(t *testing.T, what string, r *Receiver, now time.Time, b []byte, want frame.CloseCode) {
	t.Helper()
	j := newJournal(t, r)
	// What came before may have left a message open.
	j.inMessage, j.typ, j.compressed = r.inMessage && !r.first, r.typ, r.compressed
	j.take(now, b)
	if j.code() != want {
		t.Fatalf("%s: error = %v, want code %d", what, j.err, want)
	}
}

// announced is the header of an unmasked frame that declares n bytes.
func announced(first byte, n uint64) []byte {
	return frame.AppendHeader(nil, frame.Header{
		Fin: first&0x80 != 0, RSV: first & 0x70, Opcode: frame.Opcode(first & 0x0f), Length: n,
	})
}

// The size counts over all fragments, and its excess shows in the header that
// declares it, before any of the bytes.
//
// Checks 6455-134, 6455-148.
// Security 1, 4.
func TestLimitMessageSize(t *testing.T) {
	limits := noLimits
	limits.MessageSize = 1000
	for _, c := range []struct {
		name string
		b    []byte
		want frame.CloseCode
	}{
		{"at the limit", announced(0x82, 1000), 0},
		{"one more", announced(0x82, 1001), frame.CloseMessageTooBig},
		{"2^31-1", announced(0x81, 1<<31-1), frame.CloseMessageTooBig},
		{"2^31", announced(0x81, 1<<31), frame.CloseMessageTooBig},
		{"2^32", announced(0x01, 1<<32), frame.CloseMessageTooBig},
		{"2^63-1", announced(0x82, math.MaxInt64), frame.CloseMessageTooBig},
		{"2^63", announced(0x82, 1<<63), frame.CloseProtocolError},
		{"2^64-1", announced(0x82, math.MaxUint64), frame.CloseProtocolError},
		{"fragments at the limit", append(wire(false, wireFrame{0x02, strings.Repeat("a", 999)}), announced(0x80, 1)...), 0},
		{"fragments of one more", append(wire(false, wireFrame{0x02, strings.Repeat("a", 999)}), announced(0x80, 2)...), frame.CloseMessageTooBig},
		{"fragments of 2^63 in all", append(wire(false, wireFrame{0x02, "a"}), announced(0x00, math.MaxInt64)...), frame.CloseMessageTooBig},
		{"a message after another", append(wire(false, wireFrame{0x82, strings.Repeat("a", 999)}), announced(0x82, 1000)...), 0},
		{"control frames beside it", append(wire(false, wireFrame{0x02, strings.Repeat("a", 999)}, wireFrame{0x89, "ping"}), announced(0x80, 1)...), 0},
		{"nothing at all", announced(0x82, 0), 0},
	} {
		checkCode(t, c.name, NewReceiver(false, false, limits), noon, c.b, c.want)
	}
	limits.MessageSize = 0
	checkCode(t, "a byte beyond 0", NewReceiver(false, false, limits), noon, announced(0x82, 1), frame.CloseMessageTooBig)
	checkCode(t, "no byte beyond 0", NewReceiver(false, false, limits), noon, announced(0x82, 0), 0)
}

// Without a bound, the sum of fragments still stays below 2^63.
//
// Security 1.
func TestLimitMessageSizeOverflow(t *testing.T) {
	for _, c := range []struct {
		limit int64
		next  uint64
		want  frame.CloseCode
	}{
		{-1, 10, 0},
		{-1, 11, frame.CloseMessageTooBig},
		{-1, math.MaxInt64, frame.CloseMessageTooBig},
		{math.MaxInt64, 10, 0},
		{math.MaxInt64, 11, frame.CloseMessageTooBig},
		{math.MaxInt64, math.MaxInt64, frame.CloseMessageTooBig},
	} {
		for _, first := range []byte{0x02, 0x42} {
			limits := noLimits
			limits.MessageSize = c.limit
			r := NewReceiver(false, true, limits)
			checkCode(t, "first", r, noon, wire(false, wireFrame{first, "a"}), 0)
			r.size = math.MaxInt64 - 10 // as if so many bytes had come
			checkCode(t, "next", r, noon, announced(0x00, c.next), c.want)
		}
	}
}

// What a compressed message is sent in may be longer than what it inflates to,
// by a little for the whole and a little for each fragment.
func TestLimitCompressedSize(t *testing.T) {
	limits := noLimits
	limits.MessageSize = 1 << 20
	checkCode(t, "incompressible", NewReceiver(false, true, limits), noon, announced(0xc2, 1<<20+100), 0)
	checkCode(t, "twice the limit", NewReceiver(false, true, limits), noon, announced(0xc2, 2<<20), frame.CloseMessageTooBig)
	checkCode(t, "plain", NewReceiver(false, true, limits), noon, announced(0x82, 1<<20+1), frame.CloseMessageTooBig)

	limits.MessageSize = 10000
	r := NewReceiver(false, true, limits)
	checkCode(t, "first fragment", r, noon, wire(false, wireFrame{0x42, "1234567890AB"}), 0)
	for range 9998 {
		checkCode(t, "flushed fragment of one byte", r, noon, wire(false, wireFrame{0x00, "1234567890AB"}), 0)
	}
	checkCode(t, "last fragment", r, noon, wire(false, wireFrame{0x80, "1234567890AB"}), 0)
}

// Empty fragments count too; each message counts for itself.
//
// Security 4.
func TestLimitFragments(t *testing.T) {
	limits := noLimits
	limits.Fragments = 3
	first, more, last := wireFrame{0x02, ""}, wireFrame{0x00, ""}, wireFrame{0x80, "x"}
	ping := wireFrame{0x89, ""}
	for _, c := range []struct {
		frames []wireFrame
		want   frame.CloseCode
	}{
		{[]wireFrame{first, more, last}, 0},
		{[]wireFrame{first, ping, more, ping, ping, last}, 0},
		{[]wireFrame{first, more, last, first, more, last, {0x81, ""}}, 0},
		{[]wireFrame{first, more, more, last}, frame.ClosePolicyViolation},
		{[]wireFrame{first, more, more, more}, frame.ClosePolicyViolation},
		{[]wireFrame{first, more, last, first, more, more, more}, frame.ClosePolicyViolation},
	} {
		for _, server := range []bool{false, true} {
			r := NewReceiver(server, false, limits)
			checkCode(t, "fragments", r, noon, wire(server, c.frames...), c.want)
		}
	}
	limits.Fragments = 0
	checkCode(t, "no frame", NewReceiver(false, false, limits), noon, wire(false, last), frame.CloseProtocolError)
	checkCode(t, "a frame", NewReceiver(false, false, limits), noon, wire(false, wireFrame{0x81, ""}), frame.ClosePolicyViolation)
}

// Pings and pongs are metered together: ten seconds' worth at once, and then as
// many as the time that passed allows. Time is what Next is told.
func TestLimitControlRate(t *testing.T) {
	limits := noLimits
	limits.ControlRate = 5
	frames := []wireFrame{{0x89, "p"}, {0x8a, ""}}
	r := NewReceiver(true, false, limits)
	send := func(now time.Time, n int, want frame.CloseCode) {
		t.Helper()
		for i := range n {
			checkCode(t, now.String(), r, now, wire(true, frames[i%2]), 0)
		}
		if want != 0 {
			checkCode(t, now.String(), r, now, wire(true, frames[0]), want)
		}
	}
	send(noon, 50, 0)
	send(noon.Add(time.Second), 5, 0)
	send(noon.Add(time.Second+200*time.Millisecond), 1, 0)
	send(noon.Add(time.Hour), 50, 0)
	checkCode(t, "data", r, noon.Add(time.Hour), wire(true, wireFrame{0x81, "data"}), 0)
	send(noon.Add(time.Hour+time.Second), 5, frame.ClosePolicyViolation)

	r = NewReceiver(true, false, limits)
	send(noon, 50, 0)
	checkCode(t, "close", r, noon, wire(true, wireFrame{0x88, "\x03\xe8"}), 0)

	limits.ControlRate = 0
	r = NewReceiver(true, false, limits)
	send(noon, 0, frame.ClosePolicyViolation)
}

// A message must not be kept open for ever: neither by a trickle of its bytes, nor
// by empty fragments, nor by pings meanwhile.
//
// Security 4.
func TestLimitMessageTime(t *testing.T) {
	limits := noLimits
	limits.MessageTime = time.Minute
	for _, next := range []wireFrame{{0x80, "end"}, {0x00, "more"}, {0x00, ""}, {0x89, "ping"}, {0x8a, ""}} {
		for _, c := range []struct {
			after time.Duration
			want  frame.CloseCode
		}{
			{0, 0},
			{time.Minute, 0},
			{time.Minute + 1, frame.ClosePolicyViolation},
			{time.Hour, frame.ClosePolicyViolation},
		} {
			r := NewReceiver(true, false, limits)
			checkCode(t, "first fragment", r, noon, wire(true, wireFrame{0x01, "begun"}), 0)
			checkCode(t, c.after.String(), r, noon.Add(c.after), wire(true, next), c.want)
		}
	}
	// The time runs from the first byte of the message and not of the connection.
	r := NewReceiver(true, false, limits)
	for i := range 5 {
		now := noon.Add(time.Duration(i) * time.Hour)
		checkCode(t, "message", r, now, wire(true, wireFrame{0x81, "short"}), 0)
		checkCode(t, "ping", r, now.Add(time.Minute*2), wire(true, wireFrame{0x89, ""}), 0)
	}
	// One long frame is a message too.
	b := wire(true, wireFrame{0x82, "0123456789"})
	checkCode(t, "beginning", r, noon, b[:8], 0)
	checkCode(t, "rest", r, noon.Add(time.Minute+1), b[8:], frame.ClosePolicyViolation)
}

// A declared length costs no memory, whether it is refused or not.
//
// Checks 6455-80, 6455-148.
// Security 1, 2.
func TestDeclaredLengthAllocatesNothing(t *testing.T) {
	limits := noLimits
	for _, length := range []uint64{16 << 30, 1 << 40, math.MaxInt64} {
		header := announced(0x82, length)
		chunk := make([]byte, 1024)
		r := NewReceiver(false, false, limits)
		checkCode(t, "header", r, noon, header, 0)
		allocs := testing.AllocsPerRun(100, func() {
			if ev, n, err := r.Next(noon, chunk); n != len(chunk) || len(ev.Payload) != len(chunk) || err != nil {
				t.Errorf("Next = %+v, %d, %v", ev, n, err)
			}
		})
		if allocs != 0 {
			t.Errorf("Next inside a frame of %d bytes allocates %v times, want 0", length, allocs)
		}
	}
}

// A thousand peers declare 16 GiB and send nothing.
//
// Security 2.
func TestDeclaredLengthMemory(t *testing.T) {
	const peers = 1000
	for _, limit := range []int64{-1, 1 << 20, 32 << 30} {
		limits := noLimits
		limits.MessageSize = limit
		receivers := make([]*Receiver, peers)
		for i := range receivers {
			receivers[i] = NewReceiver(false, true, limits)
		}
		headers := [][]byte{announced(0x82, 16<<30), announced(0x41, 16<<30)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i, r := range receivers {
			_, _, _ = r.Next(noon, headers[i%2])
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > peers*1024 {
			t.Errorf("with a limit of %d, %d declared lengths allocate %d bytes, want at most 1 KiB each", limit, peers, got)
		}
		runtime.KeepAlive(receivers)
	}
}

// Borders of the signed and unsigned types that a length could be put into, on
// every opcode and for both roles.
//
// Checks 6455-79, 6455-80.
// Security 1.
func TestDeclaredLengthBorders(t *testing.T) {
	limits := noLimits
	limits.MessageSize = 1 << 16
	for _, server := range []bool{false, true} {
		for _, opcode := range []byte{0x1, 0x2, 0x8, 0x9, 0xa} {
			for _, length := range []uint64{
				125, 126, 127, 1 << 16, 1<<16 + 1, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1 << 32,
				math.MaxInt64, 1 << 63, math.MaxUint64,
			} {
				var want frame.CloseCode
				switch {
				case opcode >= 8 && length > 125, length >= 1<<63:
					want = frame.CloseProtocolError
				case length > 1<<16:
					want = frame.CloseMessageTooBig
				}
				h := frame.Header{Fin: true, Opcode: frame.Opcode(opcode), Masked: server, Length: length}
				checkCode(t, frame.Opcode(opcode).String(), NewReceiver(server, false, limits), noon, frame.AppendHeader(nil, h), want)
			}
		}
		long := binary.BigEndian.AppendUint64([]byte{0x82, 127}, 125)
		if server {
			long[1] |= 0x80
			long = append(long, 1, 2, 3, 4)
		}
		checkCode(t, "125 in 64 bits", NewReceiver(server, false, limits), noon, long, frame.CloseProtocolError)
	}
}
