package transcript

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

var itemPattern = regexp.MustCompile(`\[([0-9a-f]{2}) ?([^\]]*)\]|[0-9a-f]+|\S`)

// items returns the bytes that the items of a recv step stand for.
func items(t *testing.T, list string, role websocket.Role) (b []byte) {
	for _, item := range itemPattern.FindAllStringSubmatch(list, -1) {
		if item[1] == "" {
			b = append(b, payload(t, "hex:"+item[0])...)
			continue
		}
		first := payload(t, "hex:"+item[1])[0]
		h := frame.Header{Fin: first&0x80 != 0, RSV: first & 0x70, Opcode: frame.Opcode(first & 0x0f)}
		if role == websocket.Server {
			h.Masked, h.Key = true, 0xb54a9c37
		}
		b = wstest.AppendFrame(b, h, payload(t, item[2]))
	}
	return b
}

var repeatPattern = regexp.MustCompile(`^(.*)\*([0-9]+)$`)

// payload returns the bytes that s stands for; show is its inverse.
func payload(t *testing.T, s string) []byte {
	t.Helper()
	if s == "" {
		return nil
	}
	if m := repeatPattern.FindStringSubmatch(s); m != nil {
		return []byte(strings.Repeat(string(payload(t, m[1])), number(t, m[2])))
	}
	if h, ok := strings.CutPrefix(s, "hex:"); ok {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatalf("payload %s: %v", s, err)
		}
		return b
	}
	if code, ok := strings.CutPrefix(s, "code:"); ok {
		return binary.BigEndian.AppendUint16(nil, uint16(number(t, code)))
	}
	u, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("payload %s: %v", s, err)
	}
	return []byte(u)
}

// show writes p as it stands in a transcript: quoted if all of it can be printed,
// and short if it is one byte many times.
func show(p []byte) string {
	if len(p) >= 16 && bytes.Count(p, p[:1]) == len(p) {
		return fmt.Sprintf("%s*%d", show(p[:1]), len(p))
	}
	if !utf8.Valid(p) || strings.ContainsFunc(string(p), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "hex:" + hex.EncodeToString(p)
	}
	return strconv.Quote(string(p))
}

var payloadPattern = regexp.MustCompile(`^(event text|event binary|send [0-9a-f]{2})(.*)$`)

// canonical writes an outcome with its payload as show has it.
func canonical(t *testing.T, want string) string {
	m := payloadPattern.FindStringSubmatch(want)
	if m == nil || strings.HasSuffix(want, "...") {
		return want
	}
	return m[1] + " " + show(payload(t, strings.TrimSpace(m[2])))
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
