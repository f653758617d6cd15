package protocol

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

func compressed(p []byte) []byte { return deflate.NewCompressor(15, false).Append(nil, p) }

func codeOf(err error) frame.CloseCode {
	var wrong *frame.Error
	if errors.As(err, &wrong) {
		return wrong.Code
	}
	return 0
}

// stream inflates payload through a Stream, in pieces of n bytes.
func stream(in *Inflater, payload []byte, n int) (out []byte, err error) {
	s := in.Stream()
	defer s.Close()
	buf := make([]byte, 100)
	for {
		k, err := s.Read(buf)
		out = append(out, buf[:k]...)
		switch {
		case err == nil:
		case errors.Is(err, deflate.ErrMore):
			piece := payload[:min(n, len(payload))]
			payload = payload[len(piece):]
			s.Write(piece, len(payload) == 0)
		case err == io.EOF:
			return out, nil
		default:
			return out, in.Error(err)
		}
	}
}

// The limit counts what comes out, and ends the work one byte beyond it.
//
// Checks 6455-149, 7692-45.
// Security 3.
func TestInflaterLimit(t *testing.T) {
	bomb := compressed(make([]byte, 16<<20))
	for _, c := range []struct {
		payload []byte
		limit   int64
		want    frame.CloseCode
	}{
		{compressed(make([]byte, 1000)), 1000, 0},
		{compressed(make([]byte, 1001)), 1000, frame.CloseMessageTooBig},
		{compressed([]byte("x")), 0, frame.CloseMessageTooBig},
		{compressed(nil), 0, 0},
		{bomb, 1 << 20, frame.CloseMessageTooBig},
	} {
		out, err := NewInflater(15, true, c.limit, -1).Append([]byte("kept"), frame.Binary, c.payload)
		if codeOf(err) != c.want || err != nil && string(out) != "kept" {
			t.Errorf("Append(%d bytes) with limit %d = %d bytes, %v, want code %d", len(c.payload), c.limit, len(out), err, c.want)
		}
		if int64(cap(out)) > c.limit+1<<20 {
			t.Errorf("Append(%d bytes) with limit %d takes %d bytes of memory", len(c.payload), c.limit, cap(out))
		}
		out, err = stream(NewInflater(15, true, c.limit, -1), c.payload, 50)
		if codeOf(err) != c.want || int64(len(out)) > c.limit {
			t.Errorf("Stream(%d bytes) with limit %d = %d bytes, %v, want code %d", len(c.payload), c.limit, len(out), err, c.want)
		}
	}
}

// Without a bound on the size, a bomb is told by its ratio.
//
// Checks 7692-45.
// Security 3.
func TestInflaterRatio(t *testing.T) {
	bomb := compressed(make([]byte, 17<<20))
	harmless := compressed(make([]byte, deflate.RatioFloor))
	for _, c := range []struct {
		payload []byte
		ratio   int
		want    frame.CloseCode
	}{
		{bomb, 100, frame.CloseMessageTooBig},
		{bomb, -1, 0},
		{harmless, 100, 0},
	} {
		if _, err := NewInflater(15, true, -1, c.ratio).Append(nil, frame.Binary, c.payload); codeOf(err) != c.want {
			t.Errorf("Append(%d bytes) with ratio %d: error = %v, want code %d", len(c.payload), c.ratio, err, c.want)
		}
		if _, err := stream(NewInflater(15, true, -1, c.ratio), c.payload, 1000); codeOf(err) != c.want {
			t.Errorf("Stream(%d bytes) with ratio %d: error = %v, want code %d", len(c.payload), c.ratio, err, c.want)
		}
	}
}

// Checks 7692-44.
func TestInflaterGarbage(t *testing.T) {
	for _, payload := range []string{
		"\x07",                         // block of the reserved type
		"\xff\xff\xff\xff",             //
		"\x00\x05\x00\x00\x00Hello",    // stored length and its complement differ
		"\xf2\x48\xcd",                 // cut inside a block
		"\x4b\x04\x11\x00\x00\xff\xff", // reference to before the beginning
	} {
		out, err := NewInflater(15, true, -1, -1).Append([]byte("kept"), frame.Binary, []byte(payload))
		if codeOf(err) != frame.CloseInvalidPayload || string(out) != "kept" {
			t.Errorf("Append(% x) = %q, %v, want code 1007", payload, out, err)
		}
		if _, err := stream(NewInflater(15, true, -1, -1), []byte(payload), 2); codeOf(err) != frame.CloseInvalidPayload {
			t.Errorf("Stream(% x): error = %v, want code 1007", payload, err)
		}
	}
}

// Checks 6455-138.
func TestInflaterText(t *testing.T) {
	for _, text := range []string{"\xff", strings.Repeat("a", 5000) + "\xed\xa0\x80", "cut \xf0\x9f"} {
		payload := compressed([]byte(text))
		out, err := NewInflater(15, true, -1, -1).Append([]byte("kept"), frame.Text, payload)
		if err != ErrInvalidText || codeOf(err) != frame.CloseInvalidPayload || string(out) != "kept" {
			t.Errorf("Append(text %.20q) = %.20q, %v, want code 1007", text, out, err)
		}
		out, err = NewInflater(15, true, -1, -1).Append(nil, frame.Binary, payload)
		if string(out) != text || err != nil {
			t.Errorf("Append(binary %.20q) = %.20q, %v", text, out, err)
		}
	}
	// What was there before is not part of the message.
	out, err := NewInflater(15, true, -1, -1).Append([]byte("\xff"), frame.Text, compressed([]byte("fine")))
	if string(out) != "\xfffine" || err != nil {
		t.Errorf("Append behind other bytes = %q, %v", out, err)
	}
}

// The window lives from message to message, in whole and streamed ones, only if
// takeover is agreed.
//
// Checks 7692-42.
func TestInflaterTakeover(t *testing.T) {
	first, second := []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte("\xf2\x00\x11\x00\x00")
	for _, takeover := range []bool{true, false} {
		for _, streamed := range []int{0, 1, 2, 3} {
			in := NewInflater(15, takeover, -1, -1)
			var errs [2]error
			for i, payload := range [][]byte{first, second} {
				var out []byte
				if streamed>>i&1 == 0 {
					out, errs[i] = in.Append(nil, frame.Text, payload)
				} else {
					out, errs[i] = stream(in, payload, 2)
				}
				if errs[i] == nil && !bytes.Equal(out, []byte("Hello")) {
					t.Errorf("message %d = %q, want Hello", i, out)
				}
			}
			if errs[0] != nil || (errs[1] == nil) != takeover {
				t.Errorf("takeover %v, streamed %d: errors = %v", takeover, streamed, errs)
			}
		}
	}
}
