//go:build linux

// Command benchbrokers measures publishing on each broker, on Redis beside another library.
//
//	go run ./bench/cmd/benchbrokers [-rounds n] [-messages n] [-update]
//
// Each measurement has a broker of its own, just started, that syncs what it acknowledges where it
// can, and a program that publishes. Within a round a row is measured of all, in random order. With
// -update the tables are put into docs/reference/benchmarks-brokers.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/bench/machine"
	"github.com/seed-15847954/ropewalk/bench/peer"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// A contender publishes to a broker.
type contender struct {
	name    string
	program string                                              // below bench/servers
	start   func(ctx context.Context) (*service.Process, error) // nil: the broker is in the program
	args    func(addr string) []string
}

func redis(ctx context.Context) (*service.Process, error) { return service.Redis(ctx) }

func nats(ctx context.Context) (*service.Process, error) { return service.NATS(ctx) }

func kafka(ctx context.Context) (*service.Process, error) { return service.Kafka(ctx) }

var contenders = []contender{
	{"ropewalk on Redis", "publish", redis, func(addr string) []string { return []string{"-broker", "redis://" + addr} }},
	{"Centrifuge on Redis", "centrifuge", redis, func(addr string) []string { return []string{"-redis", addr} }},
	{"ropewalk on NATS", "publish", nats, func(addr string) []string { return []string{"-broker", "nats://" + addr} }},
	{"ropewalk on Kafka", "publish", kafka, func(addr string) []string { return []string{"-broker", "kafka://" + addr} }},
	{"ropewalk on RabbitMQ", "publish", service.RabbitMQ, func(addr string) []string { return []string{"-broker", "amqp://" + addr} }},
	{"ropewalk, embedded", "publish", nil, func(string) []string { return []string{"-broker", "embedded"} }},
	{"ropewalk, memory", "publish", nil, func(string) []string { return []string{"-broker", "memory"} }},
}

// A row is one way to publish.
type row struct {
	name     string
	parallel int
	ids      bool
	share    int // of the messages
}

var rows = []row{
	{"one at a time", 1, false, 5},
	{"64 at once", 64, false, 1},
	{"64 at once, with ids that are remembered", 64, true, 1},
}

// A figure is what one measurement gives, for each publication.
type figure struct{ elapsed, cpu, broker time.Duration }

func main() {
	rounds := flag.Int("rounds", 5, "how often each is measured")
	messages := flag.Int("messages", 20000, "how many are published")
	save := flag.Bool("update", false, "put the tables into the page, too")
	flag.Parse()
	if err := run(*rounds, *messages, *save); err != nil {
		fmt.Fprintln(os.Stderr, "benchbrokers:", err)
		os.Exit(1)
	}
}

func run(rounds, messages int, save bool) error {
	root, err := peer.ModuleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchbrokers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build(root, dir); err != nil {
		return err
	}
	figures := make(map[string]map[string][]figure) // by row and contender
	for _, r := range rows {
		figures[r.name] = make(map[string][]figure)
	}
	for round := range rounds {
		for _, r := range rows {
			for _, i := range rand.Perm(len(contenders)) {
				c := contenders[i]
				f, err := measure(dir, c, r, messages/r.share)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, r.name, err)
				}
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, %s: %v\n", round+1, rounds, r.name, c.name, f)
				figures[r.name][c.name] = append(figures[r.name][c.name], f)
			}
		}
	}
	var report strings.Builder
	for _, r := range rows {
		write(&report, r, figures[r.name])
	}
	machine.Describe(&report)
	fmt.Fprintf(&report, "- Rounds: %d, %d messages (one at a time: %d). Load average after: %s.\n", rounds, messages, messages/rows[0].share, machine.LoadAverage())
	fmt.Print(&report)
	if !save {
		return nil
	}
	return update(filepath.Join(root, "..", "docs", "reference", "benchmarks-brokers.md"), report.String())
}

// build builds the programs that publish.
func build(root, dir string) error {
	for _, name := range []string{"publish", "centrifuge"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), ".")
		cmd.Dir = filepath.Join(root, "servers", name)
		if name == "centrifuge" {
			cmd.Env = append(os.Environ(), "GOWORK=off") // a module of its own
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// measure runs one program on a broker of its own.
func measure(dir string, c contender, r row, messages int) (figure, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var addr string
	used := func() (time.Duration, error) { return 0, nil }
	if c.start != nil {
		p, err := c.start(ctx)
		if err != nil {
			return figure{}, err
		}
		defer p.Discard()
		addr, used = p.Addr, func() (time.Duration, error) { return cpu(p.Pid()) }
	}
	args := append(c.args(addr), "-messages", strconv.Itoa(messages), "-parallel", strconv.Itoa(r.parallel), "-ids="+strconv.FormatBool(r.ids))
	if c.name == "ropewalk, embedded" {
		data, err := os.MkdirTemp(dir, "data")
		if err != nil {
			return figure{}, err
		}
		args = append(args, "-data", data)
	}
	before, err := used()
	if err != nil {
		return figure{}, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, c.program), args...)
	cmd.Stderr = new(bytes.Buffer)
	out, err := cmd.Output()
	if err != nil {
		return figure{}, fmt.Errorf("%w\n%s", err, cmd.Stderr)
	}
	after, err := used()
	if err != nil {
		return figure{}, err
	}
	var said struct{ Elapsed, CPU time.Duration }
	if err := json.Unmarshal(out, &said); err != nil {
		return figure{}, fmt.Errorf("%q: %w", out, err)
	}
	n := time.Duration(messages)
	return figure{said.Elapsed / n, said.CPU / n, (after - before) / n}, nil
}

// cpu returns the processor time that a process has used, in steps of 10 ms.
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ
}

// write makes a table of medians.
func write(w *strings.Builder, r row, figures map[string][]figure) {
	fmt.Fprintf(w, "### %s\n\n", r.name)
	fmt.Fprintln(w, "| | publications a second | processor time of the node, µs | of the broker, µs | together, µs |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|")
	for _, c := range contenders {
		all := figures[c.name]
		elapsed := median(all, func(f figure) time.Duration { return f.elapsed })
		node := median(all, func(f figure) time.Duration { return f.cpu })
		broker := median(all, func(f figure) time.Duration { return f.broker })
		both := median(all, func(f figure) time.Duration { return f.cpu + f.broker })
		fmt.Fprintf(w, "| %s | %.0f (%.0f–%.0f) | %.1f | %.1f | %.1f |\n", c.name,
			1/elapsed.Seconds(), 1/slices.MaxFunc(all, slower).elapsed.Seconds(), 1/slices.MinFunc(all, slower).elapsed.Seconds(),
			micro(node), micro(broker), micro(both))
	}
	fmt.Fprintln(w)
}

func slower(a, b figure) int { return int(a.elapsed - b.elapsed) }

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(all []figure, of func(figure) time.Duration) time.Duration {
	var values []time.Duration
	for _, f := range all {
		values = append(values, of(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

const (
	begin = "<!-- benchbrokers: what follows is printed by the command -->\n"
	end   = "<!-- benchbrokers: end -->"
)

// update puts the report into a page, between the marks.
func update(path, report string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return errors.New(path + ": there are no marks for the tables")
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+strings.TrimSpace(report)+"\n\n"+end+after), 0o644)
}
