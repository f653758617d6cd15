package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	tests := []struct {
		name                    string
		events                  string
		passed, failed, skipped int
		failures                string // a part of them
	}{
		{"tests and subtests", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA/b"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"pass","Package":"p"}
{"Action":"skip","Package":"without tests"}
`, 2, 0, 1, ""},
		{"a failing test shows its output, and its package counts no more", `
{"Action":"output","Package":"p","Test":"TestA","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}
`, 0, 1, 0, "got 1, want 2"},
		{"a panic outside a test", `
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}
`, 0, 1, 0, "panic: boom"},
		{"a package that does not build", `
{"ImportPath":"p [p.test]","Action":"build-output","Output":"undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`, 0, 1, 0, "undefined: x"},
	}
	for _, test := range tests {
		var r result
		r.count(strings.NewReader(test.events))
		if r.passed != test.passed || r.failed != test.failed || r.skipped != test.skipped {
			t.Errorf("%s: count() = %d passed, %d failed, %d skipped, want %d, %d, %d", test.name,
				r.passed, r.failed, r.skipped, test.passed, test.failed, test.skipped)
		}
		if !strings.Contains(r.failures, test.failures) {
			t.Errorf("%s: failures = %q, want %q in it", test.name, r.failures, test.failures)
		}
	}
}

func TestReport(t *testing.T) {
	skip := result{passed: 1, skipped: 1, skips: []string{"p TestA"}}
	tests := []struct {
		name string
		of   []result
		ci   bool
		want bool
		last string
	}{
		{"all passed", []result{{passed: 2}, {passed: 3}}, true, true, "5 passed, 0 failed, 0 skipped"},
		{"one failed", []result{{passed: 2}, {failed: 1}}, false, false, "2 passed, 1 failed, 0 skipped"},
		{"nothing ran", nil, false, false, "0 passed, 0 failed, 0 skipped"},
		{"a skip at home", []result{skip}, false, true, "1 passed, 0 failed, 1 skipped"},
		{"a skip in CI", []result{skip}, true, false, "1 passed, 0 failed, 1 skipped"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		if got := report(&out, test.of, test.ci); got != test.want {
			t.Errorf("%s: report() = %v, want %v", test.name, got, test.want)
		}
		if !strings.HasSuffix(out.String(), "\n"+test.last+"\n") {
			t.Errorf("%s: report() printed %q, want %q as its last line", test.name, out.String(), test.last)
		}
	}
}

func TestRefuse(t *testing.T) {
	got := refuse([]string{"p TestA", "p TestAB", "q TestC"}, "# why\np TestA it needs a printer\n")
	if want := "p TestAB,q TestC"; strings.Join(got, ",") != want {
		t.Errorf("refuse() = %v, want %v", got, want)
	}
}

func TestExecutions(t *testing.T) {
	const out = "fuzz: elapsed: 3s, execs: 102 (34/sec)\nfuzz: elapsed: 6s, execs: 4051 (67/sec)\nPASS\n"
	if got := executions(out); got != 4051 {
		t.Errorf("executions() = %d, want 4051", got)
	}
}

// The end of a run's time is no failure; an input that fails is one whatever else is said.
func TestCutOff(t *testing.T) {
	const late = "fuzz: elapsed: 10s, execs: 239445 (34567/sec)\n--- FAIL: FuzzCheck (10.64s)\n    context deadline exceeded\nFAIL\n"
	for out, want := range map[string]bool{
		late: true,
		late + "    Failing input written to testdata/fuzz/FuzzCheck/1\n": false,
		"--- FAIL: FuzzCheck (1.2s)\n    check_test.go:3: wrong\nFAIL\n":  false,
	} {
		if got := cutOff(out); got != want {
			t.Errorf("cutOff(%q) = %v, want %v", out, got, want)
		}
	}
}
