package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Redis starts a Redis that writes every command to disk before it answers, with more
// lines of configuration if need be.
func Redis(ctx context.Context, lines ...string) (*Process, error) {
	return startRedis(ctx, "redis-server", lines)
}

// Valkey starts the Valkey that scripts/valkey has fetched, in the same way.
func Valkey(ctx context.Context, lines ...string) (*Process, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/seed-15847954/ropewalk").Output()
	if err != nil {
		return nil, fmt.Errorf("find the project: %w", err)
	}
	return startRedis(ctx, filepath.Join(strings.TrimSpace(string(root)), "build", "valkey", "valkey-server"), lines)
}

func startRedis(ctx context.Context, program string, lines []string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "redis-")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	config := append([]string{"bind 127.0.0.1", "port " + port, "dir " + dir, "appendonly yes", "appendfsync always", `save ""`}, lines...)
	p := &Process{
		Addr: addr, Dir: dir,
		command: func() *exec.Cmd {
			cmd := exec.Command(program, "-") //nolint:gosec,noctx // it is one of ours
			cmd.Stdin = strings.NewReader(strings.Join(config, "\n"))
			return cmd
		},
		ready: func(ctx context.Context) error { return ping(ctx, addr) },
	}
	if err := p.Start(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

// A Replicated is a Redis with replicas.
type Replicated struct {
	Group
	masters, replicas int // of each master
}

// Ready waits until there are all masters, and their replicas have what they have.
func (g *Replicated) Ready(ctx context.Context) error {
	return g.await(ctx, func(info string) bool {
		if strings.Contains(info, "redis_mode:sentinel") {
			return strings.Contains(info, "slaves=1,sentinels=3")
		}
		if strings.Contains(info, "redis_mode:cluster") && !strings.Contains(info, "cluster_state:ok") {
			return false
		}
		return strings.Contains(info, "master_link_status:up") ||
			strings.Contains(info, "role:master") && strings.Contains(info, fmt.Sprintf("connected_slaves:%d\r", g.replicas))
	})
}

// Masters returns the members that say that they are one, but for those left out.
func (g *Replicated) Masters(ctx context.Context, but ...*Process) []*Process {
	var all []*Process
	for _, p := range g.Members {
		if slices.Contains(but, p) {
			continue
		}
		if info, err := Ask(ctx, p.Addr, "INFO replication"); err == nil && strings.Contains(info, "role:master") {
			all = append(all, p)
		}
	}
	return all
}

// Promoted waits until all masters are there without one that is away.
func (g *Replicated) Promoted(ctx context.Context, away *Process) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for len(g.Masters(ctx, away)) < g.masters {
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("no replica of %s was promoted: %w", away.Addr, context.Cause(ctx))
		}
	}
	return nil
}

// RedisCluster starts a Redis Cluster of masters, each with so many replicas.
func RedisCluster(ctx context.Context, masters, replicas int) (*Replicated, error) {
	g := &Replicated{masters: masters, replicas: replicas}
	args := []string{"--cluster", "create"}
	for range masters * (1 + replicas) {
		bus, err := FreeAddr()
		if err == nil {
			_, port, _ := net.SplitHostPort(bus)
			var p *Process
			if p, err = Redis(ctx, "cluster-enabled yes", "cluster-port "+port, "cluster-node-timeout 1500", "cluster-replica-validity-factor 0"); err == nil {
				g.Members = append(g.Members, p)
				args = append(args, p.Addr)
			}
		}
		if err != nil {
			g.Discard()
			return nil, err
		}
	}
	args = append(args, "--cluster-replicas", fmt.Sprint(replicas), "--cluster-yes")
	if out, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput(); err != nil { //nolint:gosec // the addresses are ours
		g.Discard()
		return nil, fmt.Errorf("redis-cli: %w\n%s", err, out)
	}
	if err := g.Ready(ctx); err != nil {
		g.Discard()
		return nil, err
	}
	return g, nil
}

// Sentinel starts a Redis with a replica, and three Sentinels that know them as "main".
func Sentinel(ctx context.Context) (*Replicated, error) {
	g := &Replicated{masters: 1, replicas: 1}
	if err := g.startSentinel(ctx); err != nil {
		g.Discard()
		return nil, err
	}
	return g, nil
}

func (g *Replicated) startSentinel(ctx context.Context) error {
	master, err := Redis(ctx)
	if err != nil {
		return err
	}
	g.Members = append(g.Members, master)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica, err := Redis(ctx, "replicaof "+host+" "+port)
	if err != nil {
		return err
	}
	g.Members = append(g.Members, replica)
	for range 3 {
		p, err := sentinel(ctx, host, port)
		if err != nil {
			return err
		}
		g.Watchers = append(g.Watchers, p)
	}
	return g.Ready(ctx)
}

func sentinel(ctx context.Context, host, port string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sentinel-")
	if err != nil {
		return nil, err
	}
	_, own, _ := net.SplitHostPort(addr)
	file := filepath.Join(dir, "sentinel.conf")
	config := []string{
		"bind 127.0.0.1", "port " + own, "dir " + dir, "sentinel monitor main " + host + " " + port + " 2",
		"sentinel down-after-milliseconds main 1500", "sentinel failover-timeout main 5000", "",
	}
	if err := os.WriteFile(file, []byte(strings.Join(config, "\n")), 0o600); err != nil {
		return nil, err
	}
	p := &Process{
		Addr: addr, Dir: dir,
		command: func() *exec.Cmd { return exec.Command("redis-server", file, "--sentinel") }, //nolint:gosec,noctx // the file is ours
		ready:   func(ctx context.Context) error { return ping(ctx, addr) },
	}
	if err := p.Start(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

// await waits until what every server says of itself is as wanted.
func (g *Replicated) await(ctx context.Context, ok func(info string) bool) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for _, p := range append(g.Watchers, g.Members...) {
		for {
			info, err := Ask(ctx, p.Addr, "INFO")
			if err == nil {
				var more string
				more, err = Ask(ctx, p.Addr, "CLUSTER INFO") // an error where it is no cluster
				info += more
			}
			if err == nil && ok(info) {
				break
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				return errors.Join(fmt.Errorf("%s is not ready:\n%s", p.Addr, info), err, context.Cause(ctx))
			}
		}
	}
	return nil
}

// Ask says a command without arguments that have spaces to a Redis, and returns its answer as it comes.
func Ask(ctx context.Context, addr, command string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	var n int
	if _, e := fmt.Sscanf(line, "$%d\r\n", &n); e != nil {
		return line, err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return string(text), err
}

// ping asks a Redis whether it serves.
func ping(ctx context.Context, addr string) error {
	answer, err := Ask(ctx, addr, "PING")
	if err == nil && answer != "+PONG\r\n" {
		err = fmt.Errorf("redis says %q", answer)
	}
	return err
}
