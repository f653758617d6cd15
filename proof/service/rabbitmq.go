package service

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// rabbitProgram is where Debian has it.
const rabbitProgram = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// RabbitMQ starts the RabbitMQ that Debian has, as a server of its own.
func RabbitMQ(ctx context.Context) (*Process, error) {
	mapper, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	name, dist, err := rabbitName()
	if err != nil {
		return nil, err
	}
	// The port mapper of Erlang would outlive the server, and be that of all others.
	p, err := newRabbitMQ(name, dist, mapper, mapperCommand(mapper)+" & exec "+rabbitProgram)
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		_ = os.RemoveAll(p.Dir)
		return nil, err
	}
	return p, nil
}

// RabbitMQCluster starts one of several servers.
func RabbitMQCluster(ctx context.Context, servers int) (*Group, error) {
	mapper, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "epmd-")
	if err != nil {
		return nil, err
	}
	watcher := &Process{
		Addr: mapper, Dir: dir,
		command: func() *exec.Cmd { return exec.Command("sh", "-c", "exec "+mapperCommand(mapper)) }, //nolint:gosec,noctx // it is ours
		ready:   func(ctx context.Context) error { return accepts(ctx, mapper) },
	}
	if err := watcher.Start(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	join := []string{"cluster_formation.peer_discovery_backend = classic_config"}
	g, err := newGroup(servers, func(i int) (*Process, error) {
		name, dist, err := rabbitName()
		if err != nil {
			return nil, err
		}
		var config []string
		if i > 0 {
			config = join // those before
		}
		join = append(join[:len(join):len(join)], fmt.Sprintf("cluster_formation.classic_config.nodes.%d = %s", i+1, name))
		return newRabbitMQ(name, dist, mapper, "exec "+rabbitProgram, config...)
	})
	if err == nil {
		err = g.startInTurn(ctx)
	}
	if err != nil {
		watcher.Discard()
		return nil, err
	}
	g.Watchers = []*Process{watcher}
	return g, nil
}

// mapperCommand runs Erlang's port mapper.
func mapperCommand(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return "epmd -port " + port + " -address " + host
}

// rabbitName returns the name of a server and the port that others of a cluster find it at.
func rabbitName() (name, port string, err error) {
	addr, err := FreeAddr()
	if err != nil {
		return "", "", err
	}
	_, port, _ = net.SplitHostPort(addr)
	return "rabbit" + port + "@localhost", port, nil
}

// newRabbitMQ makes a server and does not start it.
func newRabbitMQ(name, dist, mapper, command string, config ...string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	_, epmd, _ := net.SplitHostPort(mapper)
	dir, err := os.MkdirTemp("", "rabbitmq-")
	if err != nil {
		return nil, err
	}
	config = append(config, "listeners.tcp.1 = "+addr, "loopback_users = none", "log.console = true", "log.console.level = error", "log.file = false")
	file, plugins := filepath.Join(dir, "rabbitmq.conf"), filepath.Join(dir, "enabled_plugins")
	files := map[string]string{file: strings.Join(config, "\n") + "\n", plugins: "[].\n", filepath.Join(dir, ".erlang.cookie"): "ROPEWALK"}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o400); err != nil {
			_ = os.RemoveAll(dir)
			return nil, err
		}
	}
	return &Process{
		Addr: addr, Dir: dir,
		command: func() *exec.Cmd {
			cmd := exec.Command("sh", "-c", command) //nolint:gosec,noctx // nothing of it comes from outside
			cmd.Env = []string{
				"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + dir,
				"RABBITMQ_NODENAME=" + name, "RABBITMQ_DIST_PORT=" + dist, "ERL_EPMD_PORT=" + epmd,
				"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "mnesia"), "RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
				"RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins, "RABBITMQ_CONFIG_FILE=" + file, "RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
				"ERL_CRASH_DUMP=" + filepath.Join(dir, "erl_crash.dump"),
				"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
			}
			return cmd
		},
		ready: func(ctx context.Context) error { return offers(ctx, addr) },
	}, nil
}

// offers reports whether a server of AMQP answers a protocol header.
func offers(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	var frame [7]byte
	if _, err := io.ReadFull(conn, frame[:]); err != nil {
		return err
	}
	if frame[0] != 1 {
		return fmt.Errorf("rabbitmq says %q", frame)
	}
	return nil
}
