package service

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// natsServer builds the server of NATS once, of the module that ours requires.
var natsServer = sync.OnceValues(func() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "ropewalk", fmt.Sprintf("nats-server-%d", os.Getuid()))
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput() //nolint:gosec,noctx // nothing of it comes from outside
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return path, nil
})

// NATS starts a NATS with JetStream that syncs every message before it answers, with more lines of
// configuration if need be.
func NATS(ctx context.Context, lines ...string) (*Process, error) {
	path, err := natsServer()
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nats-")
	if err != nil {
		return nil, err
	}
	config := append([]string{
		"listen: " + addr, "jetstream {", "store_dir: " + fmt.Sprintf("%q", filepath.Join(dir, "store")), "sync_interval: always", "}",
	}, lines...)
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(strings.Join(config, "\n")), 0o600); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	p := &Process{
		Addr: addr, Dir: dir,
		command: func() *exec.Cmd { return exec.Command(path, "-c", file) }, //nolint:gosec,noctx // nothing of it comes from outside
		ready:   func(ctx context.Context) error { return greets(ctx, addr) },
	}
	if err := p.Start(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

// greets reports whether a NATS says who it is.
func greets(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	var hello [5]byte
	if _, err := conn.Read(hello[:]); err != nil || string(hello[:]) != "INFO " {
		return fmt.Errorf("nats says %q, %w", hello, err)
	}
	return nil
}
