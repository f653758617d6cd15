package transcript

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

//go:embed testdata/*.txt
var files embed.FS

// A transcript is one case.
type transcript struct {
	name    string // FILE:LINE, and =VALUE of $
	options []string
	steps   []step
}

type step struct {
	line int
	do   string
	want []string
}

// all returns the cases of all files.
func all(t *testing.T) (cases []transcript) {
	names, err := fs.Glob(files, "testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("Glob(testdata) = %v, %v", names, err)
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, parse(strings.TrimPrefix(name, "testdata/"), string(text))...)
	}
	return cases
}

func parse(file, text string) []transcript {
	var cases []transcript
	var tr *transcript
	wanted := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			tr = nil
		case tr == nil:
			cases = append(cases, transcript{
				name:    fmt.Sprintf("%s:%d", file, i+1),
				options: strings.Fields(line),
			})
			tr, wanted = &cases[len(cases)-1], false
		case line == "----":
			wanted = true
		case isOutcome(line) && wanted:
			step := &tr.steps[len(tr.steps)-1]
			step.want = append(step.want, line)
		default:
			tr.steps = append(tr.steps, step{line: i + 1, do: line})
			wanted = false
		}
	}
	return expand(cases)
}

// expand replaces the cases that have values of $ by one for each.
func expand(cases []transcript) (expanded []transcript) {
	for _, tr := range cases {
		i := slices.IndexFunc(tr.options, func(o string) bool { return strings.HasPrefix(o, "$=") })
		if i < 0 {
			expanded = append(expanded, tr)
			continue
		}
		for value := range strings.SplitSeq(tr.options[i][2:], ",") {
			one := transcript{name: tr.name + "=" + value}
			one.options = slices.Concat(tr.options[:i], tr.options[i+1:])
			for _, step := range tr.steps {
				step.do = strings.ReplaceAll(step.do, "$", value)
				step.want = slices.Clone(step.want)
				for j := range step.want {
					step.want[j] = strings.ReplaceAll(step.want[j], "$", value)
				}
				one.steps = append(one.steps, step)
			}
			expanded = append(expanded, one)
		}
	}
	return expanded
}

func isOutcome(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"event", "send", "end", "reset", "server:", "client:", "with", "but"}, verb)
}

func (tr transcript) roles(t *testing.T) []websocket.Role {
	switch tr.options[0] {
	case "server":
		return []websocket.Role{websocket.Server}
	case "client":
		return []websocket.Role{websocket.Client}
	case "both":
		return []websocket.Role{websocket.Server, websocket.Client}
	}
	t.Fatalf("%s: no role in %q", tr.name, tr.options)
	return nil
}

func (tr transcript) params(t *testing.T, role websocket.Role) websocket.Params {
	params := websocket.Params{CompressionThreshold: -1}
	if role == websocket.Server {
		params.KeepAlive.Interval = -1
	}
	for _, option := range tr.options[1:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "deflate":
			params.Deflate = &websocket.DeflateParams{}
		case "no-takeover":
			params.Deflate = &websocket.DeflateParams{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
		case "server-no-takeover":
			params.Deflate = &websocket.DeflateParams{ServerNoContextTakeover: true}
		case "client-no-takeover":
			params.Deflate = &websocket.DeflateParams{ClientNoContextTakeover: true}
		case "max":
			params.Limits.MaxMessageSize = int64(number(t, value))
		case "fragments":
			params.Limits.MaxFragments = number(t, value)
		case "control":
			params.Limits.MaxControlRate = number(t, value)
		case "time":
			params.Limits.MaxMessageTime = duration(t, value)
		default:
			t.Fatalf("%s: unknown option %q", tr.name, option)
		}
	}
	return params
}
