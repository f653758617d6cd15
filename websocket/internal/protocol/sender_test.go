package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// counter returns a source of masks that are all different: 1, 2, 3.
func counter() func() uint32 {
	var n uint32
	return func() uint32 { n++; return n }
}

// unwire takes frames apart, which must be masked with the keys of a counter that
// starts behind used, or not at all when used is negative.
func unwire(t *testing.T, b []byte, used int) (frames []wireFrame) {
	t.Helper()
	masked := used >= 0
	for len(b) > 0 {
		h, n, err := frame.ParseHeader(b)
		if err != nil || n == 0 || h.Length > uint64(len(b)-n) {
			t.Fatalf("ParseHeader(% x) = %+v, %d, %v", b, h, n, err)
		}
		if h.Masked != masked {
			t.Fatalf("ParseHeader(% x) = %+v, want Masked %v", b, h, masked)
		}
		if used++; masked && h.Key != uint32(used) {
			t.Fatalf("frame %d has key %d, want one of its own", used, h.Key)
		}
		payload := bytes.Clone(b[n : n+int(h.Length)])
		frame.Mask(payload, h.Key)
		frames = append(frames, wireFrame{b[0], string(payload)})
		b = b[n+int(h.Length):]
	}
	return frames
}

// roles calls f with a sender of each role; unwire wants used.
func roles(t *testing.T, f func(t *testing.T, s *Sender, used int)) {
	t.Run("server", func(t *testing.T) { f(t, NewSender(nil, nil, 15, 0), -1) })
	t.Run("client", func(t *testing.T) { f(t, NewSender(counter(), nil, 15, 0), 0) })
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Every kind of frame, in both roles: the client's are masked, each with a key of
// its own, the server's are not; no reserved bit is set.
//
// Checks 6455-70, 6455-72, 6455-75, 6455-82, 6455-92, 6455-115.
func TestSenderFrames(t *testing.T) {
	roles(t, func(t *testing.T, s *Sender, used int) {
		b := must(s.AppendMessage(nil, frame.Text, []byte("text"), true))
		b = must(s.AppendMessage(b, frame.Binary, nil, true))
		b = must(s.AppendControl(b, frame.Ping, []byte("ping")))
		b = must(s.AppendControl(b, frame.Pong, nil))
		if err := s.BeginMessage(frame.Text, true); err != nil {
			t.Fatal(err)
		}
		b = must(s.AppendFragment(b, []byte("a\xe2\x82"), false))
		b = must(s.AppendControl(b, frame.Pong, []byte("between")))
		b = must(s.AppendFragment(b, nil, false))
		b = must(s.AppendFragment(b, []byte("\xac"), true))
		if err := s.BeginMessage(frame.Binary, false); err != nil {
			t.Fatal(err)
		}
		b = must(s.AppendFragment(b, nil, true))
		b = s.AppendClose(b, frame.CloseGoingAway, "bye")
		got := unwire(t, b, used)
		want := []wireFrame{
			{0x81, "text"},
			{0x82, ""},
			{0x89, "ping"},
			{0x8a, ""},
			{0x01, "a\xe2\x82"},
			{0x8a, "between"},
			{0x00, ""},
			{0x80, "\xac"},
			{0x82, ""},
			{0x88, "\x03\xe9bye"},
		}
		if !slices.Equal(got, want) {
			t.Errorf("frames = %q, want %q", got, want)
		}
	})
}

// Checks 6455-78, 6455-81.
func TestSenderLengths(t *testing.T) {
	roles(t, func(t *testing.T, s *Sender, used int) {
		for _, c := range []struct{ length, header int }{
			{0, 2}, {1, 2}, {125, 2}, {126, 4}, {127, 4}, {65535, 4}, {65536, 10}, {1 << 20, 10},
		} {
			p := bytes.Repeat([]byte{0xa5}, c.length)
			b := must(s.AppendMessage(nil, frame.Binary, p, false))
			header := c.header
			if used >= 0 {
				header += 4
			}
			if len(b) != header+c.length {
				t.Errorf("AppendMessage(%d bytes) appends %d, want %d", c.length, len(b), header+c.length)
			}
			if got := unwire(t, b, used); len(got) != 1 || got[0].payload != string(p) {
				t.Errorf("AppendMessage(%d bytes) is not what was given", c.length)
			}
			if used >= 0 {
				used++
			}
			if !bytes.Equal(p, bytes.Repeat([]byte{0xa5}, c.length)) {
				t.Errorf("AppendMessage(%d bytes) changed the caller's bytes", c.length)
			}
		}
	})
}

// Nothing follows a Close frame, not even a second one.
//
// Checks 6455-99, 6455-114, 6455-121.
func TestSenderAfterClose(t *testing.T) {
	roles(t, func(t *testing.T, s *Sender, used int) {
		if err := s.BeginMessage(frame.Binary, true); err != nil {
			t.Fatal(err)
		}
		b := must(s.AppendFragment(nil, []byte("half"), false))
		if s.Closed() {
			t.Errorf("Closed() = true before AppendClose")
		}
		b = s.AppendClose(b, frame.CloseNormal, "first")
		if !s.Closed() {
			t.Errorf("Closed() = false after AppendClose")
		}
		want := []wireFrame{{0x02, "half"}, {0x88, "\x03\xe8first"}}
		if got := unwire(t, b, used); !slices.Equal(got, want) {
			t.Errorf("frames = %q, want %q", got, want)
		}
		before := string(b)
		for name, add := range map[string]func() ([]byte, error){
			"AppendMessage":  func() ([]byte, error) { return s.AppendMessage(b, frame.Text, []byte("x"), true) },
			"AppendFragment": func() ([]byte, error) { return s.AppendFragment(b, []byte("x"), true) },
			"AppendControl":  func() ([]byte, error) { return s.AppendControl(b, frame.Ping, nil) },
			"BeginMessage":   func() ([]byte, error) { return b, s.BeginMessage(frame.Text, true) },
		} {
			if got, err := add(); string(got) != before || err != ErrCloseSent {
				t.Errorf("%s after Close = %q, %v, want nothing and ErrCloseSent", name, got[len(before):], err)
			}
		}
		if got := s.AppendClose(b, frame.CloseGoingAway, "second"); string(got) != before {
			t.Errorf("second AppendClose appends %q, want nothing", got[len(before):])
		}
		// 5.5.2: a Ping is answered until the peer's Close has come.
		if got := must(s.AppendControl(b, frame.Pong, []byte("p"))); len(got) == len(b) {
			t.Error("Pong after Close appends nothing, want the frame")
		}
	})
}

// 5.5.1: the reason is cut to what a control frame holds; 1005 is no code to send.
//
// Checks 6455-94, 6455-97, 6455-122, 6455-133.
func TestSenderClose(t *testing.T) {
	for _, c := range []struct {
		code   frame.CloseCode
		reason string
		want   string
	}{
		{frame.CloseNoStatus, "", ""},
		{frame.CloseNormal, "", "\x03\xe8"},
		{frame.CloseTryAgainLater, "later", "\x03\xf5later"},
		{4999, strings.Repeat("€", 42), "\x13\x87" + strings.Repeat("€", 41)},
	} {
		b := NewSender(nil, nil, 15, 0).AppendClose(nil, c.code, c.reason)
		if got := unwire(t, b, -1); len(got) != 1 || got[0] != (wireFrame{0x88, c.want}) {
			t.Errorf("AppendClose(%d, %q) = %q, want payload %q", c.code, c.reason, got, c.want)
		}
	}
}

// Checks 6455-94.
func TestSenderControlLength(t *testing.T) {
	roles(t, func(t *testing.T, s *Sender, used int) {
		for _, op := range []frame.Opcode{frame.Ping, frame.Pong} {
			for _, n := range []int{126, 127, 1000, 70000} {
				got, err := s.AppendControl([]byte("x"), op, make([]byte, n))
				if string(got) != "x" || err != ErrControlTooLong {
					t.Errorf("AppendControl(%v, %d bytes) = %d bytes, %v, want ErrControlTooLong", op, n, len(got), err)
				}
			}
		}
		p := strings.Repeat("p", 125)
		b := must(s.AppendControl(nil, frame.Ping, []byte(p)))
		if got := unwire(t, b, used); !slices.Equal(got, []wireFrame{{0x89, p}}) {
			t.Errorf("AppendControl(125 bytes) = %q", got)
		}
	})
}

// Fragments of two messages are never mixed.
//
// Checks 6455-89.
func TestSenderUnfinished(t *testing.T) {
	s := NewSender(nil, nil, 15, 0)
	begin := func() {
		t.Helper()
		if err := s.BeginMessage(frame.Text, false); err != nil {
			t.Fatalf("BeginMessage = %v", err)
		}
	}
	unfinished := func() {
		t.Helper()
		if b, err := s.AppendMessage(nil, frame.Text, nil, false); b != nil || err != ErrUnfinished {
			t.Errorf("AppendMessage inside a message = %q, %v, want ErrUnfinished", b, err)
		}
		if err := s.BeginMessage(frame.Binary, false); err != ErrUnfinished {
			t.Errorf("BeginMessage inside a message = %v, want ErrUnfinished", err)
		}
	}
	begin()
	unfinished()
	s.AbandonMessage() // the peer has seen nothing of it
	must(s.AppendMessage(nil, frame.Text, nil, false))
	begin()
	must(s.AppendFragment(nil, nil, false))
	unfinished()
	s.AbandonMessage() // too late
	unfinished()
	must(s.AppendFragment(nil, nil, true))
	must(s.AppendMessage(nil, frame.Text, nil, false))
}

// Text is checked as a whole: a fragment may end inside a code point, the message
// may not. What is refused leaves no trace.
//
// Checks 6455-111, 6455-112.
func TestSenderText(t *testing.T) {
	s := NewSender(nil, nil, 15, 0)
	for _, text := range []string{"\xff", "cut \xe2\x82", "\xed\xa0\x80"} {
		if b, err := s.AppendMessage(nil, frame.Text, []byte(text), false); b != nil || err != ErrNotUTF8 {
			t.Errorf("AppendMessage(%q) = %q, %v, want ErrNotUTF8", text, b, err)
		}
		b := must(s.AppendMessage(nil, frame.Binary, []byte(text), false))
		if got := unwire(t, b, -1); !slices.Equal(got, []wireFrame{{0x82, text}}) {
			t.Errorf("AppendMessage(binary %q) = %q", text, got)
		}
	}
	if err := s.BeginMessage(frame.Text, false); err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, step := range []struct {
		text string
		fin  bool
		want error
	}{
		{"\xe2", false, nil},
		{"\x82", true, ErrNotUTF8},
		{"\x82a", false, ErrNotUTF8},
		{"\x82", false, nil},
		{"", true, ErrNotUTF8},
		{"\xac", false, nil},
		{"\xac", false, ErrNotUTF8},
		{"!", true, nil},
	} {
		var err error
		before := len(b)
		b, err = s.AppendFragment(b, []byte(step.text), step.fin)
		if !errors.Is(err, step.want) || err != nil && len(b) != before {
			t.Errorf("AppendFragment(%q, %v) = %q, %v, want %v", step.text, step.fin, b[before:], err, step.want)
		}
	}
	want := []wireFrame{{0x01, "\xe2"}, {0x00, "\x82"}, {0x00, "\xac"}, {0x80, "!"}}
	if got := unwire(t, b, -1); !slices.Equal(got, want) {
		t.Errorf("frames = %q, want %q", got, want)
	}
}

// RSV1 stands on the first frame of a compressed message alone, control frames
// pass between untouched, and messages may be compressed or not, one by one.
//
// Checks 7692-8, 7692-10, 7692-11, 7692-12, 7692-43.
func TestSenderCompressed(t *testing.T) {
	s := NewSender(nil, deflate.NewCompressor(15, true), 15, 0)
	var b []byte
	long := strings.Repeat("Hello", 20)
	for _, text := range []string{long, "", long} {
		b = must(s.AppendMessage(b, frame.Text, []byte(text), true))
		s.Sent()
	}
	b = must(s.AppendMessage(b, frame.Binary, []byte("plain"), false))
	if err := s.BeginMessage(frame.Text, true); err != nil {
		t.Fatal(err)
	}
	b = must(s.AppendFragment(b, []byte("He"), false))
	b = must(s.AppendControl(b, frame.Ping, []byte("Hello")))
	b = must(s.AppendFragment(b, []byte("llo"), false))
	b = must(s.AppendFragment(b, nil, true))
	b = s.AppendClose(b, frame.CloseNormal, "Hello")
	frames := unwire(t, b, -1)
	var first []byte
	for _, f := range frames {
		first = append(first, f.first)
	}
	if want := []byte{0xc1, 0x81, 0xc1, 0x82, 0x41, 0x89, 0x00, 0x80, 0x88}; !bytes.Equal(first, want) {
		t.Fatalf("first bytes = % x, want % x", first, want)
	}
	for i, want := range map[int]string{1: "", 3: "plain", 5: "Hello", 8: "\x03\xe8Hello"} {
		if got := frames[i].payload; got != want {
			t.Errorf("payload of frame %d = %q, want %q", i, got, want)
		}
	}
	in := NewInflater(15, true, -1, -1)
	checkInflate(t, in, frames[0].payload, long)
	checkInflate(t, in, frames[2].payload, long)
	checkInflate(t, in, frames[4].payload+frames[6].payload+frames[7].payload, "Hello")
}

func checkInflate(t *testing.T, in *Inflater, payload, want string) {
	t.Helper()
	got, err := in.Append([]byte("x"), frame.Text, []byte(payload))
	if string(got) != "x"+want || err != nil {
		t.Errorf("Append(% x) = %.80q, %v, want %.80q", payload, got, err, "x"+want)
	}
}

// Messages below the threshold travel as they are.
func TestSenderThreshold(t *testing.T) {
	for _, c := range []struct {
		threshold, length int
		want              byte
	}{
		{128, 127, 0x82}, {128, 128, 0xc2}, {0, 99, 0xc2}, {-1, 99, 0xc2}, {100, 99, 0x82},
	} {
		s := NewSender(nil, deflate.NewCompressor(15, true), 15, c.threshold)
		b := must(s.AppendMessage(nil, frame.Binary, make([]byte, c.length), true))
		if b[0] != c.want {
			t.Errorf("AppendMessage(%d bytes) with threshold %d begins with %#x, want %#x", c.length, c.threshold, b[0], c.want)
		}
		b = must(s.AppendMessage(nil, frame.Binary, make([]byte, c.length), false))
		if b[0] != 0x82 {
			t.Errorf("AppendMessage(%d bytes, uncompressed) begins with %#x, want 0x82", c.length, b[0])
		}
	}
}

// A message that was given up before it was sent is not in the history of either
// side; one that was sent is.
//
// Checks 7692-42.
func TestSenderSent(t *testing.T) {
	for seed := range 64 {
		s := NewSender(nil, deflate.NewCompressor(15, true), 15, 0)
		in := NewInflater(15, true, -1, -1)
		for i := range 6 {
			text := strings.Repeat(fmt.Sprintf("message %d of %d, ", i%3, seed), 20)
			b := must(s.AppendMessage(nil, frame.Text, []byte(text), true))
			if seed>>i&1 != 0 {
				s.Unsent()
				s.Sent() // of other frames
				continue
			}
			s.Sent()
			s.Sent() // once more changes nothing
			checkInflate(t, in, unwire(t, b, -1)[0].payload, text)
		}
	}
}

// A refused message does not make the one before it unsent.
func TestSenderSentAfterRefusal(t *testing.T) {
	s := NewSender(nil, deflate.NewCompressor(15, true), 15, 0)
	in := NewInflater(15, true, -1, -1)
	text := strings.Repeat("history ", 30)
	first := must(s.AppendMessage(nil, frame.Text, []byte(text), true))
	if _, err := s.AppendMessage(nil, frame.Text, []byte("\xff"), true); err != ErrNotUTF8 {
		t.Fatalf("AppendMessage = %v, want ErrNotUTF8", err)
	}
	s.Sent()
	second := must(s.AppendMessage(nil, frame.Text, []byte(text), true))
	if len(second) >= len(first) {
		t.Errorf("second message takes %d bytes, the first %d: it does not refer to it", len(second), len(first))
	}
	checkInflate(t, in, unwire(t, first, -1)[0].payload, text)
	checkInflate(t, in, unwire(t, second, -1)[0].payload, text)
}

// A message that compression would not make shorter travels as it is, and leaves
// no trace in the history.
func TestSenderNeverGrows(t *testing.T) {
	s := NewSender(nil, deflate.NewCompressor(15, true), 15, 0)
	in := NewInflater(15, true, -1, -1)
	history := strings.Repeat("history ", 30)
	checkInflate(t, in, unwire(t, must(s.AppendMessage(nil, frame.Text, []byte(history), true)), -1)[0].payload, history)
	s.Sent()
	dull := []byte{0x00, 0xff, 0x5a, 0x81, 0x10, 0x77}
	for _, p := range [][]byte{nil, dull[:1], dull} {
		b := must(s.AppendMessage(nil, frame.Binary, p, true))
		s.Sent()
		if want := append([]byte{0x82, byte(len(p))}, p...); string(b) != string(want) {
			t.Errorf("AppendMessage(% x) = % x, want % x", p, b, want)
		}
	}
	checkInflate(t, in, unwire(t, must(s.AppendMessage(nil, frame.Text, []byte(history), true)), -1)[0].payload, history)
}

// The header is as long as the payload needs, also where compression has brought
// that below one of its limits.
func TestSenderDeflatedHeader(t *testing.T) {
	for _, n := range []int{125, 126, 200, 1 << 16, 1<<16 + 1, 1 << 20} {
		for _, takeover := range []bool{false, true} {
			roles(t, func(t *testing.T, s *Sender, used int) {
				s.Init(s.key, deflate.NewCompressor(15, takeover), 15, 0)
				text := strings.Repeat("a", n)
				got := unwire(t, must(s.AppendMessage([]byte{}, frame.Text, []byte(text), true)), used)
				checkInflate(t, NewInflater(15, takeover, -1, -1), got[0].payload, text)
			})
		}
	}
}

// A message prepared for many is what AppendMessage makes, and part of the
// history of a connection that has one.
func TestSenderPrepared(t *testing.T) {
	text := strings.Repeat("prepared ", 40)
	var m Prepared
	m.Init(frame.Text, []byte(text))
	for _, threshold := range []int{0, len(text) + 1} {
		for _, bits := range []int{0, 8, 9, 15} {
			for _, takeover := range []bool{false, true} {
				s := NewSender(nil, deflate.NewCompressor(bits, takeover), bits, threshold)
				in := NewInflater(bits, takeover, -1, -1)
				for i := range 4 {
					b := must(s.AppendPrepared([]byte("before"), &m))
					if i%2 == 1 {
						b = append([]byte("before"), must(s.AppendMessage(nil, frame.Text, []byte(text), true))...)
						s.Sent()
					}
					f := unwire(t, b[len("before"):], -1)[0]
					if threshold > 0 {
						if f.payload != text {
							t.Errorf("AppendPrepared below the threshold = %.80q, want %.80q", f.payload, text)
						}
						continue
					}
					checkInflate(t, in, f.payload, text)
				}
			}
		}
	}
}
