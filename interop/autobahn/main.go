// Command autobahn runs the Autobahn test suite in both roles: its fuzzing client
// against `ropewalk echo`, and its fuzzing server against a client made with
// websocket.Dial. It prints every answer that is not OK and the totals for each
// role, and exits with 1 when one is neither OK nor INFORMATIONAL.
//
// interop/autobahn/run installs the suite and then runs this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/seed-15847954/ropewalk/interop/process"
)

// allCases is how many cases the suite has.
const allCases = 517

// maxMessage is the message limit in bytes. Section 9 of the suite sends 16 MiB.
const maxMessage = 32 << 20

// agent is the name under which the suite files its answers.
const agent = "ropewalk"

type suite struct {
	wstest string   // the suite's program
	out    string   // where it leaves its reports
	cases  []string // patterns such as "9.*"
}

func main() {
	wstest := flag.String("wstest", "wstest", "the suite's `program`")
	out := flag.String("out", "build/autobahn", "`directory` for the reports")
	role := flag.String("role", "both", "server, client or both")
	cases := flag.String("cases", "*", "`patterns` of case ids, with commas between")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *role, suite{wstest: *wstest, out: *out, cases: strings.Split(*cases, ",")}); err != nil {
		fmt.Fprintln(os.Stderr, "autobahn:", err)
		os.Exit(1)
	}
}

// run runs the roles at once: each keeps about one core busy.
func run(ctx context.Context, role string, s suite) error {
	roles := map[string]func(context.Context, string) error{"server": s.testServer, "client": s.testClient}
	if role != "both" {
		test, ok := roles[role]
		if !ok {
			return fmt.Errorf("no role %q: server, client or both", role)
		}
		roles = map[string]func(context.Context, string) error{role: test}
	}
	errs := make(chan error)
	for name, test := range roles {
		go func() {
			dir := filepath.Join(s.out, name)
			if err := s.clear(dir); err != nil {
				errs <- err
				return
			}
			if err := test(ctx, dir); err != nil {
				errs <- fmt.Errorf("%s: %w", name, err)
				return
			}
			errs <- s.judge(name, dir)
		}()
	}
	var all error
	for range roles {
		all = errors.Join(all, <-errs)
	}
	return all
}

func (s suite) clear(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}

// judge prints what the suite found and says whether it is good enough.
func (s suite) judge(role, dir string) error {
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return err
	}
	r, err := parseReport(index)
	if err != nil {
		return err
	}
	fmt.Print(r.table(role))
	want := 0
	if len(s.cases) == 1 && s.cases[0] == "*" {
		want = allCases
	}
	return r.verdict(role, want)
}

// testServer runs the suite's client against `ropewalk echo`.
func (s suite) testServer(ctx context.Context, dir string) error {
	addr, err := process.FreeAddr()
	if err != nil {
		return err
	}
	program := filepath.Join(dir, "ropewalk")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/ropewalk").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	echo, err := process.Start(exec.Command(program, "echo", "--addr", addr, "--compress", "--max-message", fmt.Sprint(maxMessage)))
	if err != nil {
		return err
	}
	defer func() { _ = echo.Stop() }()
	if err := echo.Ready(ctx, addr); err != nil {
		return err
	}
	fuzzer, err := s.start("fuzzingclient", map[string]any{
		"outdir":  dir,
		"servers": []any{map[string]any{"agent": agent, "url": "ws://" + addr}},
	})
	if err != nil {
		return err
	}
	defer func() { _ = fuzzer.Stop() }()
	return fuzzer.Wait(ctx)
}

// testClient runs a client of the library against the suite's server.
func (s suite) testClient(ctx context.Context, dir string) error {
	addr, err := process.FreeAddr()
	if err != nil {
		return err
	}
	fuzzer, err := s.start("fuzzingserver", map[string]any{
		"outdir": dir,
		"url":    "ws://" + addr,
	})
	if err != nil {
		return err
	}
	defer func() { _ = fuzzer.Stop() }()
	if err := fuzzer.Ready(ctx, addr); err != nil {
		return err
	}
	return runCases(ctx, "ws://"+addr)
}
