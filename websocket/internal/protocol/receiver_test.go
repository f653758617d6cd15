package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

var (
	noLimits = Limits{MessageSize: -1, Fragments: -1, ControlRate: -1, MessageTime: -1}
	noon     = time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC)
)

// A wireFrame is a frame as a test writes it: the first byte, and the payload.
type wireFrame struct {
	first   byte
	payload string
}

// appendTo appends the frame, masked or not.
func (f wireFrame) appendTo(b []byte, masked bool) []byte {
	h := frame.Header{
		Fin: f.first&0x80 != 0, RSV: f.first & 0x70, Opcode: frame.Opcode(f.first & 0x0f),
		Masked: masked, Length: uint64(len(f.payload)),
	}
	if masked {
		h.Key = 0x9a785634
	}
	b = frame.AppendHeader(b, h)
	start := len(b)
	b = append(b, f.payload...)
	frame.Mask(b[start:], h.Key)
	return b
}

func wire(masked bool, frames ...wireFrame) (b []byte) {
	for _, f := range frames {
		b = f.appendTo(b, masked)
	}
	return b
}

// A journal notes the events of a Receiver in lines that do not depend on how its
// input was split: adjacent pieces of a message make up one line.
type journal struct {
	t     *testing.T
	r     *Receiver
	whole bool // Whole is asked before Next
	lines []string
	err   error

	inMessage  bool
	typ        frame.Opcode
	compressed bool
	run        *strings.Builder // the line under way, nil if none is
}

func newJournal(t *testing.T, r *Receiver) *journal { return &journal{t: t, r: r} }

// take hands b to the receiver, and checks what is promised of any event.
func (j *journal) take(now time.Time, b []byte) {
	j.t.Helper()
	for len(b) > 0 && j.err == nil {
		if n := j.takeWhole(b); n > 0 {
			b = b[n:]
			continue
		}
		ev, n, err := j.r.Next(now, b)
		if n < 0 || n > len(b) || n == 0 && err == nil {
			j.t.Fatalf("Next(% x) used %d bytes", b, n)
		}
		if err != nil {
			j.fail(ev, err, b)
			return
		}
		j.note(ev, b[:n])
		if ev.Kind == None && n != len(b) {
			j.t.Fatalf("Next(% x) used %d bytes for no event, want all", b, n)
		}
		b = b[n:]
	}
}

// takeWhole notes the message that b begins with, if Whole gives it.
func (j *journal) takeWhole(b []byte) int {
	if !j.whole {
		return 0
	}
	before := bytes.Clone(b)
	typ, p, n := j.r.Whole(b)
	if n > 0 {
		j.note(Event{Kind: Data, Type: typ, First: true, Last: true, Payload: p}, b[:n])
	} else if !bytes.Equal(b, before) {
		j.t.Fatalf("Whole(% x) has left % x to Next", before, b)
	}
	return n
}

// fail notes an error, which must be a *frame.Error and final.
func (j *journal) fail(ev Event, err error, b []byte) {
	j.t.Helper()
	var wrong *frame.Error
	if !errors.As(err, &wrong) {
		j.t.Fatalf("Next(% x) = %v, want a *frame.Error", b, err)
	}
	if ev.Kind != None || ev.Payload != nil {
		j.t.Fatalf("Next(% x) = %+v beside %v", b, ev, err)
	}
	for range 3 {
		ev, n, again := j.r.Next(noon, []byte{0x89, 0x00, 0x81, 0x00})
		if ev.Kind != None || n != 0 || again != err {
			j.t.Fatalf("Next after %v = %+v, %d, %v, want the same error", err, ev, n, again)
		}
	}
	j.err = err
}

func (j *journal) note(ev Event, used []byte) {
	j.t.Helper()
	if ev.Kind == None {
		return
	}
	if ev.Kind == Data {
		j.piece(ev, used)
		return
	}
	j.endRun("")
	switch ev.Kind {
	case Ping:
		j.lines = append(j.lines, fmt.Sprintf("ping %q", ev.Payload))
	case Pong:
		j.lines = append(j.lines, fmt.Sprintf("pong %q", ev.Payload))
	case Close:
		j.lines = append(j.lines, fmt.Sprintf("close %d %q", ev.Code, ev.Reason))
	}
}

func (j *journal) piece(ev Event, used []byte) {
	j.t.Helper()
	if ev.First == j.inMessage {
		j.t.Fatalf("Next(% x) = %+v, inside a message: %v", used, ev, j.inMessage)
	}
	if !ev.First && (ev.Type != j.typ || ev.Compressed != j.compressed) {
		j.t.Fatalf("Next(% x) = %+v, want type %v and Compressed %v", used, ev, j.typ, j.compressed)
	}
	// The payload is the end of the input that was used, and not a copy of it.
	if n := len(ev.Payload); n > 0 && (n > len(used) || &ev.Payload[n-1] != &used[len(used)-1]) {
		j.t.Fatalf("Next(% x): payload % x does not lie in the input", used, ev.Payload)
	}
	j.typ, j.compressed, j.inMessage = ev.Type, ev.Compressed, !ev.Last
	if j.run == nil {
		j.run = &strings.Builder{}
	}
	j.run.Write(ev.Payload)
	if ev.Last {
		j.endRun(" end")
	}
}

// endRun ends the line of adjacent pieces.
func (j *journal) endRun(suffix string) {
	if j.run == nil {
		return
	}
	typ := j.typ.String()
	if j.compressed {
		typ += " compressed"
	}
	j.lines = append(j.lines, fmt.Sprintf("%s %q%s", typ, j.run, suffix))
	j.run = nil
}

// code returns the close code of the error, or 0.
func (j *journal) code() frame.CloseCode {
	var wrong *frame.Error
	if errors.As(j.err, &wrong) {
		return wrong.Code
	}
	return 0
}

// allowed says by the letter of RFC 6455, sections 5.1 to 5.5, and RFC 7692,
// section 6, whether a frame may come.
func allowed(server, deflate, inMessage, masked bool, first byte, length int) bool {
	opcode, fin, rsv := first&0x0f, first&0x80 != 0, first&0x70
	data := opcode == 1 || opcode == 2
	switch {
	case masked != server: // 5.1
		return false
	case rsv != 0 && (!deflate || !data || rsv != 0x40): // 5.2; RFC 7692, 6
		return false
	case opcode >= 3 && opcode <= 7 || opcode >= 11: // 5.2
		return false
	case opcode >= 8: // 5.4, 5.5
		return fin && length <= 125
	case opcode == 0: // 5.4
		return inMessage
	}
	return !inMessage // 5.4
}

// Every first byte, masked and not, empty and not and longer than a control frame
// may be, inside a message and outside, in both roles, with deflate and without.
//
// Checks 6455-71, 6455-73, 6455-76, 6455-77, 6455-87, 6455-89, 6455-90, 6455-95.
// Checks 6455-113, 7692-9.
func TestReceiverFrames(t *testing.T) {
	flags := [2]bool{false, true}
	for _, server := range flags {
		for _, deflate := range flags {
			for _, inMessage := range flags {
				for _, masked := range flags {
					for first := range 256 {
						for _, payload := range []string{"", "\x03\xe8", strings.Repeat("a", 126)} {
							f := wireFrame{byte(first), payload}
							want := allowed(server, deflate, inMessage, masked, f.first, len(payload))
							checkFrame(t, server, deflate, inMessage, masked, f, want)
						}
					}
				}
			}
		}
	}
}

func checkFrame(t *testing.T, server, deflate, inMessage, masked bool, f wireFrame, legal bool) {
	t.Helper()
	j := newJournal(t, NewReceiver(server, deflate, noLimits))
	if inMessage {
		j.take(noon, wire(server, wireFrame{0x02, "begun"}))
	}
	b := wire(masked, f)
	j.take(noon, b)
	want := frame.CloseProtocolError
	if legal {
		want = 0
		if f.first&0x4f == 0x01 && f.payload == "\x03\xe8" {
			want = frame.CloseInvalidPayload // as text, which is not UTF-8
			if f.first&0x80 == 0 {
				want = 0 // the code point may go on in the next fragment
			}
		}
	}
	if j.code() != want {
		t.Errorf("server %v, deflate %v, in message %v: Next(masked %v, %#x, %d bytes) = %v, want code %d",
			server, deflate, inMessage, masked, f.first, len(f.payload), j.err, want)
	}
}

// An error that the frame's header shows comes before any of its payload.
//
// Checks 6455-123, 6455-126.
func TestReceiverFailsAtHeader(t *testing.T) {
	for _, b := range [][]byte{
		{0x81, 0x05},                            // not masked
		{0xc1, 0x85, 1, 2, 3, 4},                // RSV1
		{0x80, 0x85, 1, 2, 3, 4},                // nothing to continue
		{0x83},                                  // reserved
		{0x09},                                  // fragmented
		{0x88, 0xfe},                            // too long
		{0x82, 0xfe, 0, 125},                    // not the shortest form
		{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, // 2^63 bytes
	} {
		j := newJournal(t, NewReceiver(true, false, noLimits))
		j.take(noon, b)
		if j.code() != frame.CloseProtocolError || len(j.lines) != 0 {
			t.Errorf("Next(% x) = %q, %v, want an error of code 1002", b, j.lines, j.err)
		}
	}
}

// 5.5.1, 7.1.7: what follows a Close frame is discarded, whatever it is.
//
// Checks 6455-107.
func TestReceiverAfterClose(t *testing.T) {
	r := NewReceiver(true, false, noLimits)
	j := newJournal(t, r)
	j.take(noon, wire(true, wireFrame{0x01, "half"}, wireFrame{0x88, "\x03\xe9bye"}))
	for _, b := range [][]byte{
		wire(true, wireFrame{0x89, "ping"}), wire(true, wireFrame{0x80, " a message"}),
		wire(true, wireFrame{0x88, "\x03\xe8"}),
		{0xff, 0xff, 0xff},
	} {
		ev, n, err := r.Next(noon, b)
		if ev.Kind != None || n != len(b) || err != nil {
			t.Errorf("Next(% x) after Close = %+v, %d, %v, want all of it discarded", b, ev, n, err)
		}
	}
	if got, want := fmt.Sprint(j.lines), `[text "half" close 1001 "bye"]`; got != want {
		t.Errorf("events = %s, want %s", got, want)
	}
}

// 8.1: text fails at the first byte that cannot become valid, wherever frames and
// pieces end. Binary does not.
//
// Checks 6455-111, 6455-112, 6455-138, 6455-139.
func TestReceiverText(t *testing.T) {
	for _, c := range []struct {
		text string
		bad  int // index of the first impossible byte; -1: none, but the end is
	}{
		{"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80ed", 6},
		{"\xed\xa0\x80edited", 1},
		{"ok\xc0\x80", 2},
		{"ok\xff", 2},
		{"cut \xf0\x9f\x99", -1},
	} {
		for border := range len(c.text) + 1 {
			first := wireFrame{0x01, c.text[:border]}
			last := wireFrame{0x80, c.text[border:]}
			checkFailsAt(t, c.bad, len(c.text), first, last)
			j := newJournal(t, NewReceiver(true, false, noLimits))
			first.first = 0x02
			j.take(noon, wire(true, first, last))
			if want := fmt.Sprintf("binary %q end", c.text); j.err != nil || len(j.lines) != 1 || j.lines[0] != want {
				t.Errorf("events of binary %q = %q, %v, want %s", c.text, j.lines, j.err, want)
			}
		}
		checkFailsAt(t, c.bad, len(c.text), wireFrame{0x81, c.text})
	}
}

// checkFailsAt feeds frames byte by byte and wants code 1007 at the payload byte
// with the index bad, or at the last byte when bad is -1.
func checkFailsAt(t *testing.T, bad, size int, frames ...wireFrame) {
	t.Helper()
	j := newJournal(t, NewReceiver(true, false, noLimits))
	if bad < 0 {
		bad = size
	}
	at := 0
	for _, f := range frames {
		b := f.appendTo(nil, true)
		header := len(b) - len(f.payload)
		for i := range b {
			j.take(noon, b[i:i+1])
			failed := i >= header && at+i-header >= bad
			failed = failed || f.first&0x80 != 0 && bad == size && i == len(b)-1
			if failed != (j.err != nil) {
				t.Fatalf("frames %q: error after byte %d of %q = %v", frames, i, f.payload, j.err)
			}
			if failed {
				if j.code() != frame.CloseInvalidPayload {
					t.Fatalf("frames %q: error = %v, want code 1007", frames, j.err)
				}
				return
			}
		}
		at += len(f.payload)
	}
}

// Compressed text is checked once it is inflated, and not here.
func TestReceiverLeavesCompressedText(t *testing.T) {
	j := newJournal(t, NewReceiver(false, true, noLimits))
	j.take(noon, wire(false, wireFrame{0xc1, "\xff\xfe"}, wireFrame{0x81, "plain"}))
	if got, want := fmt.Sprint(j.lines), `[text compressed "\xff\xfe" end text "plain" end]`; got != want || j.err != nil {
		t.Errorf("events = %s, %v, want %s", got, j.err, want)
	}
}

// Whole takes a message that has come whole in one frame, and leaves all else to
// Next as it was.
func TestReceiverWhole(t *testing.T) {
	for _, server := range []bool{false, true} {
		for _, size := range []int{0, 1, 125, 126, 1000, 65535} {
			text := strings.Repeat("é", size)[:size/2*2] + strings.Repeat("a", size%2)
			b := wire(server, wireFrame{0x81, text})
			r := NewReceiver(server, true, Limits{MessageSize: 65535, Fragments: 1})
			if typ, p, n := r.Whole(bytes.Clone(b[:len(b)-1])); n != 0 || p != nil || typ != 0 {
				t.Errorf("Whole(all but a byte of %d) = %v, %d bytes, %d", size, typ, len(p), n)
			}
			typ, p, n := r.Whole(append(bytes.Clone(b), 0x81))
			if typ != frame.Text || string(p) != text || n != len(b) || p == nil {
				t.Errorf("Whole(message of %d) = %v, %d bytes, %d, want all %d of it", size, typ, len(p), n, len(b))
			}
		}
		for _, f := range []wireFrame{
			{0x01, "a"},
			{0x80, "a"},
			{0xc1, "a"},
			{0x91, "a"},
			{0xa2, "a"},
			{0x83, "a"},
			{0x89, "a"},
			{0x88, "\x03\xe8"},
			{0x81, "\xff"},
			{0x81, "aaaaaaaaaaa"},
		} {
			b := wire(server, f)
			r := NewReceiver(server, true, Limits{MessageSize: 10, Fragments: 1})
			if _, _, n := r.Whole(b); n != 0 || !bytes.Equal(b, wire(server, f)) {
				t.Errorf("Whole(%x %q) = %d, input %x, want it left to Next", f.first, f.payload, n, b)
			}
		}
		if _, _, n := NewReceiver(!server, false, Limits{MessageSize: 10, Fragments: 1}).Whole(wire(server, wireFrame{0x82, "a"})); n != 0 {
			t.Errorf("Whole(frame with the wrong mask bit) = %d", n)
		}
	}
}
