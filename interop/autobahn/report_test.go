package main

import "testing"

const index = `{"ropewalk": {
	"2.10": {"behavior": "OK", "behaviorClose": "OK", "duration": 3},
	"2.9": {"behavior": "OK", "behaviorClose": "INFORMATIONAL"},
	"6.4.1": {"behavior": "NON-STRICT", "behaviorClose": "OK"},
	"7.1.6": {"behavior": "INFORMATIONAL", "behaviorClose": "OK"}
}}`

func TestReportTable(t *testing.T) {
	r, err := parseReport([]byte(index))
	if err != nil {
		t.Fatal(err)
	}
	const want = `server  2.9    OK             close INFORMATIONAL
server  6.4.1  NON-STRICT     close OK
server  7.1.6  INFORMATIONAL  close OK
server: 4 cases, 1 INFORMATIONAL, 1 NON-STRICT, 2 OK
`
	if got := r.table("server"); got != want {
		t.Errorf("table = \n%s, want\n%s", got, want)
	}
}

func TestReportVerdict(t *testing.T) {
	ok := finding{Behavior: "OK", BehaviorClose: "OK"}
	cases := []struct {
		name string
		r    report
		want int
		good bool
	}{
		{"all OK", report{"1": ok, "2": ok}, 2, true},
		{"informational", report{"1": {"INFORMATIONAL", "INFORMATIONAL"}}, 1, true},
		{"any number", report{"1": ok}, 0, true},
		{"none", report{}, 0, false},
		{"too few", report{"1": ok}, 2, false},
		{"non-strict", report{"1": ok, "2": {"NON-STRICT", "OK"}}, 2, false},
		{"unimplemented", report{"1": {"UNIMPLEMENTED", "OK"}}, 1, false},
		{"wrong close", report{"1": {"OK", "WRONG CODE"}}, 1, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.r.verdict("client", c.want); (err == nil) != c.good {
				t.Errorf("verdict(%v, %d) = %v, want good %v", c.r, c.want, err, c.good)
			}
		})
	}
}

func TestParseReportWithoutTheAgent(t *testing.T) {
	for _, index := range []string{``, `[]`, `{"other": {}}`} {
		if r, err := parseReport([]byte(index)); err == nil {
			t.Errorf("parseReport(%q) = %v, want an error", index, r)
		}
	}
}
