package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// top is the project seen from this package.
const top = "../.."

func projectClaims(t *testing.T) []Claim {
	claims, err := Claims(top)
	if err != nil {
		t.Fatalf("Claims(%q) = %v", top, err)
	}
	return claims
}

// The committed pages are what the tests say.
func TestPagesAreUpToDate(t *testing.T) {
	for _, page := range Pages(projectClaims(t)) {
		got, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(page.File)))
		if err != nil || string(got) != page.Text {
			t.Errorf("%s is not what the tests say (%v): run make generate", page.File, err)
		}
	}
}

// Every row of the RFCs is checked or decided.
func TestNoGaps(t *testing.T) {
	for _, gap := range Gaps(projectClaims(t)) {
		t.Error(gap)
	}
}

func TestGaps(t *testing.T) {
	claims := []Claim{{Verb: "Checks", IDs: []string{"6455-1", "6455-999"}, File: "x_test.go", Name: "TestX"}}
	gaps := strings.Join(Gaps(claims), "\n")
	for _, want := range []string{"6455-2 (", "x_test.go: TestX: Checks names no row: 6455-999", "security class 1:"} {
		if !strings.Contains(gaps, want) {
			t.Errorf("Gaps() has no %q", want)
		}
	}
	if no := "6455-1 ("; strings.Contains(gaps, no) {
		t.Errorf("Gaps() has %q", no)
	}
}

func TestRows(t *testing.T) {
	count := map[string]int{}
	for _, r := range Rows() {
		count[r.RFC()]++
		if want := fmt.Sprintf("%s-%d", r.RFC(), count[r.RFC()]); r.ID != want {
			t.Errorf("Rows() has %s, want %s", r.ID, want)
		}
	}
	want := map[string]int{"6455": 155, "7692": 46, "8441": 20, "9220": 8}
	if !reflect.DeepEqual(count, want) {
		t.Errorf("Rows() has %v of each RFC, want %v", count, want)
	}
}

func TestGoClaims(t *testing.T) {
	const text = `package p

// TestA says something.
//
// Checks 6455-1, 6455-2.
// Checks 7692-3,
// 7692-4,
// Checks 7692-5.
// Security 4.
func TestA(t *testing.T) {}

// Checks that this is prose.
func FuzzB(f *testing.F) {}
`
	got, err := goClaims("p/a_test.go", []byte(text))
	want := []Claim{
		{"Checks", []string{"6455-1", "6455-2"}, "p/a_test.go", "TestA"},
		{"Checks", []string{"7692-3", "7692-4", "7692-5"}, "p/a_test.go", "TestA"},
		{"Security", []string{"4"}, "p/a_test.go", "TestA"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("goClaims() = %v, %v, want %v", got, err, want)
	}
}

func TestGoClaimsRefused(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no full stop", "// Checks 6455-1\nfunc TestA() {}", "is not like"},
		{"and", "// Checks 6455-1 and 6455-2.\nfunc TestA() {}", "is not like"},
		{"a range", "// Checks 6455-1 to 6455-9.\nfunc TestA() {}", "is not like"},
		{"above a helper", "// Checks 6455-1.\nfunc helper() {}", "stands above no test"},
		{"inside", "func TestA() {\n// Checks 6455-1.\n}", "stands above no test"},
		{"a decision", "// Decides 6455-1.\nfunc TestA() {}", "stands above no test"},
	}
	for _, test := range tests {
		_, err := goClaims("a_test.go", []byte("package p\n\n"+test.text+"\n"))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: goClaims() = %v, want %q", test.name, err, test.want)
		}
	}
}

func TestTranscriptClaims(t *testing.T) {
	const text = `# A file about closing.

# Checks 6455-100.
# Security 1.
# 5.5.1: a close is answered.
server
recv 88
----
end

# 5.5.2: this one comes first, and claims later.
# Checks 6455-101.
server
`
	got, err := transcriptClaims("testdata/c.txt", []byte(text))
	want := []Claim{
		{"Checks", []string{"6455-100"}, "testdata/c.txt", "5.5.1: a close is answered"},
		{"Security", []string{"1"}, "testdata/c.txt", "5.5.1: a close is answered"},
		{"Checks", []string{"6455-101"}, "testdata/c.txt", "5.5.2: this one comes first, and claims later"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("transcriptClaims() = %v, %v, want %v", got, err, want)
	}
}

func TestDesignClaims(t *testing.T) {
	got, err := designClaims("docs/design/d.md", []byte("# Page\n\n## One dial, at a time\n\nWhy.\n\nDecides 6455-4, 6455-5.\n"))
	want := []Claim{{"Decides", []string{"6455-4", "6455-5"}, "docs/design/d.md", "One dial, at a time"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("designClaims() = %v, %v, want %v", got, err, want)
	}
	if got, want := want[0].link(), "decided: [One dial, at a time](../design/d.md#one-dial-at-a-time)"; got != want {
		t.Errorf("link() = %s, want %s", got, want)
	}
}
