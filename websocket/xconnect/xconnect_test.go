package xconnect

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestWith(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "http2xconnect=1"},
		{"netdns=go", "netdns=go,http2xconnect=1"},
		{"http2xconnect=1", "http2xconnect=1"},
		{"http2xconnect=0", "http2xconnect=0"},
		{"netdns=go,http2xconnect=0,x=y", "netdns=go,http2xconnect=0,x=y"},
		{"xhttp2xconnect=0", "xhttp2xconnect=0,http2xconnect=1"},
	} {
		if got := with(test.in); got != test.want {
			t.Errorf("with(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// RFC 8441, section 3: a program that imports the package sends
// SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1 in its first SETTINGS, and one
// that does not, or has switched it off, does not send it at all. A CONNECT with
// :protocol is malformed then.
//
// Checks 8441-1, 8441-9.
func TestOffer(t *testing.T) {
	with, without := build(t, "with"), build(t, "without")
	for _, test := range []struct{ program, debug, want string }{
		{with, "", "offered: true, CONNECT: 200"},
		{with, "netdns=go", "offered: true, CONNECT: 200"},
		{with, "http2xconnect=0", "offered: false, CONNECT: reset with 1"},
		{without, "", "offered: false, CONNECT: reset with 1"},
		{without, "http2xconnect=1", "offered: true, CONNECT: 200"},
	} {
		cmd := exec.CommandContext(t.Context(), test.program)
		cmd.Env = append(os.Environ(), "GODEBUG="+test.debug)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("GODEBUG=%s %s: %s, %v, want %s", test.debug, test.program, got, err, test.want)
		}
	}
}

// build returns the path of a program below testdata.
func build(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), program)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./testdata/"+program).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}
