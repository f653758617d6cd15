package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/seed-15847954/ropewalk/interop/process"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// servers start an echo in each mode, and return where the suite finds it. What they
// need they put into dir.
var servers = map[string]func(ctx context.Context, dir string) (addr string, stop func() error, err error){
	"blocking": func(ctx context.Context, dir string) (string, func() error, error) { return startRopewalk(ctx, dir) },
	"events": func(ctx context.Context, dir string) (string, func() error, error) {
		return startRopewalk(ctx, dir, "--events")
	},
	"http2": func(context.Context, string) (string, func() error, error) { return serveHTTP2() },
	"http3": func(context.Context, string) (string, func() error, error) { return serveHTTP3() },
}

// startRopewalk builds ropewalk and starts `ropewalk echo` with the flags.
func startRopewalk(ctx context.Context, dir string, flags ...string) (addr string, stop func() error, err error) {
	addr, err = service.FreeAddr()
	if err != nil {
		return "", nil, err
	}
	program := filepath.Join(dir, "ropewalk")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/ropewalk").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	args := append([]string{"echo", "--addr", addr, "--compress", "--max-message", fmt.Sprint(maxMessage)}, flags...)
	echo, err := process.Start(exec.Command(program, args...))
	if err != nil {
		return "", nil, err
	}
	if err := echo.Ready(ctx, addr); err != nil {
		return "", nil, errors.Join(err, echo.Stop())
	}
	return addr, echo.Stop, nil
}
