// Command autobahn runs the Autobahn test suite in both roles: its fuzzing client
// against a server, and its fuzzing server against a client made with
// websocket.Dial. The server is `ropewalk echo`, in blocking or in event mode, or an
// echo over HTTP/2 or HTTP/3 behind a relay. It prints every answer that is not OK
// and the totals for each role, and exits with 1 when one is neither OK nor
// INFORMATIONAL.
//
// interop/autobahn/run installs the suite and then runs this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/seed-15847954/ropewalk/proof/service"
)

// allCases is how many cases the suite has.
const allCases = 517

// maxMessage is the message limit in bytes. Section 9 of the suite sends 16 MiB.
const maxMessage = 32 << 20

// agent is the name under which the suite files its answers.
const agent = "ropewalk"

// A suite is what is asked of the suite.
type suite struct {
	mode   string   // of the server
	wstest string   // the suite's program
	out    string   // where it leaves its reports
	cases  []string // patterns such as "9.*"
}

func main() {
	wstest := flag.String("wstest", "wstest", "the suite's `program`")
	out := flag.String("out", "build/autobahn", "`directory` for the reports")
	role := flag.String("role", "both", "server, client or both")
	mode := flag.String("mode", "blocking", "how the server works: blocking, events, http2 or http3; in all but blocking, the client is not tested")
	cases := flag.String("cases", "*", "`patterns` of case ids, with commas between")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := suite{mode: *mode, wstest: *wstest, out: *out, cases: strings.Split(*cases, ",")}
	if err := run(ctx, *role, s); err != nil {
		fmt.Fprintln(os.Stderr, "autobahn:", err)
		os.Exit(1)
	}
}

// A trial runs the suite once, with its reports in dir.
type trial func(ctx context.Context, dir string) error

// run runs the roles at once: each keeps about one core busy.
func run(ctx context.Context, role string, s suite) error {
	trials, err := s.trials(role)
	if err != nil {
		return err
	}
	errs := make(chan error)
	for name, test := range trials {
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
	for range trials {
		all = errors.Join(all, <-errs)
	}
	return all
}

// trials returns what is asked for, by the names of their reports.
func (s suite) trials(role string) (map[string]trial, error) {
	switch {
	case servers[s.mode] == nil:
		return nil, fmt.Errorf("no mode %q: blocking, events, http2 or http3", s.mode)
	case role != "server" && role != "client" && role != "both":
		return nil, fmt.Errorf("no role %q: server, client or both", role)
	case role == "client" && s.mode != "blocking":
		return nil, fmt.Errorf("mode %s is one of the server", s.mode)
	case s.mode != "blocking":
		return map[string]trial{s.mode: s.testServer}, nil
	}
	all := map[string]trial{"server": s.testServer, "client": s.testClient}
	if role != "both" {
		return map[string]trial{role: all[role]}, nil
	}
	return all, nil
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

// testServer runs the suite's client against a server in the mode.
func (s suite) testServer(ctx context.Context, dir string) error {
	addr, stop, err := servers[s.mode](ctx, dir)
	if err != nil {
		return err
	}
	fuzzer, err := s.start("fuzzingclient", map[string]any{
		"outdir":  dir,
		"servers": []any{map[string]any{"agent": agent, "url": "ws://" + addr}},
	})
	if err != nil {
		return errors.Join(err, stop())
	}
	err = fuzzer.Wait(ctx)
	return errors.Join(err, fuzzer.Stop(), stop())
}

// testClient runs a client of the library against the suite's server.
func (s suite) testClient(ctx context.Context, dir string) error {
	addr, err := service.FreeAddr()
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
