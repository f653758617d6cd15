package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A result is what one step counted.
type result struct {
	name                    string
	passed, failed, skipped int
	failures                string   // what the failing tests printed
	skips                   []string // "package Test" of each
	note                    string   // shown behind the counts
}

// judge counts r as one test.
func (r *result) judge(ok bool, output string) {
	if ok {
		r.passed++
		return
	}
	r.failed++
	r.failures += strings.TrimSpace(output) + "\n"
}

// unit runs the tests of every module with the race detector.
func unit(modules []module) []result {
	var all []result
	for _, m := range modules {
		all = append(all, goTest(m.name, m.goCommand("test", "-json", "-race", "-timeout", "4m", "./...")))
	}
	return append(all, kernels(modules)...)
}

// kernels runs the tests of package frame on the assembly, which the race detector
// does without, and on plain Go as other processors have it.
func kernels(modules []module) []result {
	var all []result
	for _, m := range modules {
		if m.name != "websocket" {
			continue
		}
		all = append(all,
			goTest("frame, assembly", m.goCommand("test", "-json", "-timeout", "4m", "./frame")),
			goTest("frame, purego", m.goCommand("test", "-json", "-timeout", "4m", "-tags", "purego", "./frame")))
	}
	return all
}

// brokers runs the tests of brokers on the servers that they are for, with the race detector, and
// the proof of clusters on them, which is mostly waiting.
func brokers([]module) []result {
	return []result{
		goTest("brokers", outside("-race", "./broker/...")),
		goTest("clusters", outside("-parallel", "10", "./proof/brokers")),
	}
}

// interop runs the tests against software that this project did not write.
func interop([]module) []result {
	return []result{goTest("interop", outside("./interop/..."))}
}

// outside returns a go test of what needs other software.
func outside(args ...string) *exec.Cmd {
	cmd := exec.Command("go", append([]string{"test", "-json", "-count=1", "-tags", "interop", "-timeout", "8m"}, args...)...)
	// Debian keeps servers where only root looks for programs.
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	return cmd
}

// goTest runs cmd, a `go test -json`, and counts its tests and subtests.
func goTest(name string, cmd *exec.Cmd) result {
	r := result{name: name}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		r.judge(false, err.Error())
		return r
	}
	r.count(stdout)
	if err := cmd.Wait(); err != nil && r.failed == 0 {
		r.judge(false, fmt.Sprintf("%v\n%s", err, stderr.String()))
	}
	r.show()
	return r
}

// An event is a line that go test -json prints; see `go doc test2json`.
type event struct {
	Action      string
	ImportPath  string // of build-output
	Package     string
	Test        string
	Output      string
	FailedBuild string
}

// count reads events until r is at its end.
func (r *result) count(events io.Reader) {
	output := map[[2]string]*strings.Builder{}
	failed := map[string]int{} // package: failed tests
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			r.failures += string(line)
			continue
		}
		e.Package += e.ImportPath
		key := [2]string{e.Package, e.Test}
		if output[key] == nil {
			output[key] = &strings.Builder{}
		}
		switch e.Action {
		case "output", "build-output":
			output[key].WriteString(e.Output)
		case "pass", "skip", "fail":
			r.end(e, output, failed)
		}
	}
}

// end counts the end of a test, or of a package that failed without a test that did.
func (r *result) end(e event, output map[[2]string]*strings.Builder, failed map[string]int) {
	key := [2]string{e.Package, e.Test}
	switch {
	case e.Test == "" && e.Action == "fail" && failed[e.Package] == 0:
		r.judge(false, fmt.Sprintf("%s failed\n%s%s", e.Package, buildOutput(e, output), unfinished(e, output)))
	case e.Test == "":
	case e.Action == "pass":
		r.passed++
	case e.Action == "skip":
		r.skipped++
		r.skips = append(r.skips, e.Package+" "+e.Test)
	default:
		failed[e.Package]++
		r.judge(false, e.Package+"\n"+output[key].String())
	}
	delete(output, key)
}

func buildOutput(e event, output map[[2]string]*strings.Builder) string {
	if b := output[[2]string{e.FailedBuild, ""}]; e.FailedBuild != "" && b != nil {
		return b.String()
	}
	return ""
}

// unfinished returns what the package and its tests without an end have printed:
// the trace of a panic or of a time-out is there.
func unfinished(e event, output map[[2]string]*strings.Builder) string {
	var all strings.Builder
	for _, key := range slices.SortedFunc(maps.Keys(output), func(a, b [2]string) int {
		return strings.Compare(a[1], b[1])
	}) {
		if key[0] == e.Package {
			all.WriteString(output[key].String())
		}
	}
	return all.String()
}
