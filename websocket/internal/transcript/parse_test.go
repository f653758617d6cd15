package transcript

import (
	"slices"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// TestParse reads a case with values of $, and what it wants of each role and carrier.
func TestParse(t *testing.T) {
	cases := parse("x.txt", `# A comment.
both deflate $=1000,1001
recv [88 code:$]
----
event close $
with whole-end: event closed
server: end
eof
----
but whole-end: event closed
client: reset
`)
	if len(cases) != 2 || cases[1].name != "x.txt:2=1001" || !slices.Equal(cases[1].options, []string{"both", "deflate"}) {
		t.Fatalf("parse() = %+v, want a case for each value", cases)
	}
	recv, eof := cases[1].steps[0], cases[1].steps[1]
	if recv.do != "recv [88 code:1001]" || recv.line != 3 || eof.do != "eof" {
		t.Errorf("steps %+v, want recv and eof", cases[1].steps)
	}
	for _, test := range []struct {
		step step
		role websocket.Role
		hold []Reason
		want []string
	}{
		{recv, websocket.Server, nil, []string{"event close 1001", "end"}},
		{recv, websocket.Server, []Reason{WholeEnd}, []string{"event close 1001", "event closed", "end"}},
		{recv, websocket.Client, nil, []string{"event close 1001"}},
		{eof, websocket.Server, []Reason{WholeEnd}, nil},
		{eof, websocket.Client, nil, []string{"event closed", "reset"}},
		{eof, websocket.Client, []Reason{NoReset}, []string{"event closed", "end"}},
	} {
		if got := test.step.outcomes(t, test.role, test.hold); !slices.Equal(got, test.want) {
			t.Errorf("outcomes(%q, %v, %v) = %q, want %q", test.step.do, test.role, test.hold, got, test.want)
		}
	}
	for role, reasons := range map[websocket.Role][]Reason{websocket.Client: {WholeEnd, NoReset}, websocket.Server: {WholeEnd}} {
		for _, reason := range reasons {
			if !cases[0].differs(t, role, reason) {
				t.Errorf("differs(%v, %v) = false, want true", role, reason)
			}
		}
	}
	if cases[0].differs(t, websocket.Server, NoReset) {
		t.Error("differs(server, no-reset) = true, want false: the client alone sees a reset")
	}
}

// TestShow has what show writes read back by payload.
func TestShow(t *testing.T) {
	for _, s := range []string{`""`, `"Hello"`, `hex:00ff`, `"*"*125`, `hex:fe*65536`, `"€"`} {
		if got := show(payload(t, s)); got != s {
			t.Errorf("show(payload(%s)) = %s", s, got)
		}
	}
	if got := payload(t, "code:1000"); string(got) != "\x03\xe8" {
		t.Errorf("payload(code:1000) = %x, want 03e8", got)
	}
}
