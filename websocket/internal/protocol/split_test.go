package protocol

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// A session is what a peer sends, and the events that it must cause.
type session struct {
	rng     *rand.Rand
	deflate bool
	frames  []wireFrame
	lines   []string // as a journal has them
}

// generate makes a session of a few legal messages and control frames.
func generate(rng *rand.Rand, deflate bool) *session {
	s := &session{rng: rng, deflate: deflate}
	for range rng.IntN(6) {
		s.control()
		s.message()
	}
	s.control()
	return s
}

// control adds no, one or two control frames, and says whether it added any.
func (s *session) control() bool {
	n := max(0, s.rng.IntN(5)-2)
	for range n {
		payload := make([]byte, []int{0, 1, 8, 125}[s.rng.IntN(4)])
		for i := range payload {
			payload[i] = byte(s.rng.Uint32())
		}
		first, name := byte(0x89), "ping"
		if s.rng.IntN(2) == 0 {
			first, name = 0x8a, "pong"
		}
		s.frames = append(s.frames, wireFrame{first, string(payload)})
		s.lines = append(s.lines, fmt.Sprintf("%s %q", name, payload))
	}
	return n > 0
}

// message adds a message in fragments of any size, with control frames between.
func (s *session) message() {
	first, name, content := byte(0x02), "binary", s.content(false)
	if s.rng.IntN(2) == 0 {
		first, name, content = 0x01, "text", s.content(true)
	}
	if s.deflate && s.rng.IntN(2) == 0 {
		first |= 0x40
		name += " compressed"
		content = s.content(false)
	}
	run, seen := "", false
	for n := s.rng.IntN(4); ; n-- {
		part := content
		if n > 0 {
			part = content[:s.rng.IntN(len(content)+1)]
		}
		content = content[len(part):]
		last := n == 0
		if last {
			s.frames = append(s.frames, wireFrame{first | 0x80, part})
			s.lines = append(s.lines, fmt.Sprintf("%s %q end", name, run+part))
			return
		}
		s.frames = append(s.frames, wireFrame{first, part})
		seen = seen || part != "" || first != 0
		run, first = run+part, 0
		before := len(s.lines)
		if s.control() && seen {
			s.lines = slices.Insert(s.lines, before, fmt.Sprintf("%s %q", name, run))
			run, seen = "", false
		}
	}
}

func (s *session) content(text bool) string {
	size := []int{0, 1, 5, 40, 125, 126, 300}[s.rng.IntN(7)]
	if s.rng.IntN(50) == 0 {
		size = 70000
	}
	var b strings.Builder
	for b.Len() < size {
		if text {
			b.WriteRune([]rune("aß€🙂z\x00")[s.rng.IntN(6)])
		} else {
			b.WriteByte(byte(s.rng.Uint32()))
		}
	}
	return b.String()
}

// splits returns ways to cut b, each with a copy of its own: whole, byte by byte if
// that is not too many, and at random places.
func splits(rng *rand.Rand, b []byte) (all [][][]byte) {
	cuts := []int{3, 20, 3000}
	if len(b) < 4000 {
		cuts = append(cuts, 1)
	}
	all = append(all, [][]byte{bytes.Clone(b)})
	for _, most := range cuts {
		var pieces [][]byte
		for rest := bytes.Clone(b); len(rest) > 0; {
			n := min(1+rng.IntN(most), len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		all = append(all, pieces)
	}
	return all
}

// violations are frames that are refused between messages and inside of one.
var violations = []struct {
	frame wireFrame
	code  frame.CloseCode
}{
	{wireFrame{0x83, "reserved"}, frame.CloseProtocolError},
	{wireFrame{0x8f, ""}, frame.CloseProtocolError},
	{wireFrame{0x89, strings.Repeat("p", 126)}, frame.CloseProtocolError},
	{wireFrame{0x09, "p"}, frame.CloseProtocolError},
	{wireFrame{0xb1, "rsv"}, frame.CloseProtocolError},
	{wireFrame{0xd9, "rsv"}, frame.CloseProtocolError},
	{wireFrame{0x88, "\x03"}, frame.CloseProtocolError},
	{wireFrame{0x88, "\x03\xed"}, frame.CloseProtocolError},
	{wireFrame{0x88, "\x03\xe8\xff"}, frame.CloseInvalidPayload},
}

// However the input is split, the events are those that were sent; and after a
// violation comes nothing but its error, though legal frames follow.
//
// Checks 6455-86, 6455-88, 6455-91, 6455-116, 6455-126.
func TestReceiverAnySplit(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		server, deflate := rng.IntN(2) == 0, rng.IntN(2) == 0
		s := generate(rng, deflate)
		legal := wire(server, s.frames...)
		bad := violations[rng.IntN(len(violations))]
		broken := append(bytes.Clone(legal), wire(server, bad.frame)...)
		broken = append(broken, legal...)
		closed := append(bytes.Clone(legal), wire(server, wireFrame{0x88, "\x0b\xb8end"})...)
		closed = append(closed, broken...)
		for _, c := range []struct {
			input []byte
			lines []string
			code  frame.CloseCode
		}{
			{legal, s.lines, 0},
			{broken, s.lines, bad.code},
			{closed, append(slices.Clone(s.lines), `close 3000 "end"`), 0},
		} {
			for i, pieces := range splits(rng, c.input) {
				j := newJournal(t, NewReceiver(server, deflate, noLimits))
				for _, piece := range pieces {
					j.take(noon, piece)
				}
				if !slices.Equal(j.lines, c.lines) || j.code() != c.code {
					t.Fatalf("seed %d, split %d: events %.300q, %v, want %.300q and code %d",
						seed, i, j.lines, j.err, c.lines, c.code)
				}
			}
		}
	}
}

// FuzzReceiver checks that arbitrary bytes cause the same events however they are
// split, and no others after an error; journal.take checks the rest.
func FuzzReceiver(f *testing.F) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 2))
		server := seed%2 == 0
		s := generate(rng, seed%4 < 2)
		if b := wire(server, s.frames...); len(b) < 2000 {
			f.Add(b, uint16(seed), uint16(seed*3), server, seed%4 < 2)
		}
	}
	for i, bad := range violations {
		f.Add(wire(true, wireFrame{0x01, "a"}, bad.frame, wireFrame{0x80, "b"}), uint16(i), uint16(7), true, i%2 == 0)
	}
	f.Add([]byte{0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3}, uint16(9), uint16(2), false, true)
	f.Fuzz(func(t *testing.T, b []byte, first, second uint16, server, deflate bool) {
		limits := Limits{MessageSize: 100, Fragments: 5, ControlRate: 2}
		var logs [5]*journal
		cut := cutAt(b, int(first), int(second))
		for i, pieces := range [][][]byte{{b}, cut, cutAll(b), {b}, cut} {
			logs[i] = newJournal(t, NewReceiver(server, deflate, limits))
			logs[i].whole = i > 2
			for _, piece := range pieces {
				logs[i].take(noon, bytes.Clone(piece))
			}
		}
		for _, j := range logs[1:] {
			compareJournals(t, logs[0], j)
		}
	})
}

func cutAt(b []byte, first, second int) [][]byte {
	first = min(first, len(b))
	second = min(first+second, len(b))
	return [][]byte{b[:first], b[first:second], b[second:]}
}

func cutAll(b []byte) (pieces [][]byte) {
	for i := range b {
		pieces = append(pieces, b[i:i+1])
	}
	return pieces
}

// compareJournals checks that two journals of the same input agree. Of the piece
// that an error is in, one receiver may have given out more than the other.
func compareJournals(t *testing.T, whole, split *journal) {
	t.Helper()
	if fmt.Sprint(whole.err) != fmt.Sprint(split.err) {
		t.Fatalf("error = %v, of the input in pieces %v", whole.err, split.err)
	}
	if !slices.Equal(whole.lines, split.lines) {
		t.Fatalf("events = %q, of the input in pieces %q", whole.lines, split.lines)
	}
	a, b := runText(whole), runText(split)
	if a != b && (whole.err == nil || !strings.HasPrefix(b, a)) {
		t.Fatalf("unfinished message = %q, of the input in pieces %q", a, b)
	}
}

func runText(j *journal) string {
	if j.run == nil {
		return ""
	}
	return j.run.String()
}
