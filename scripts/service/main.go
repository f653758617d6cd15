// Command service runs a program with a broker beside it, which it starts on a loopback port of
// its own and ends with the program.
//
//	go run ./scripts/service redis PROGRAM [ARGUMENTS]
//
// What the program is to connect to stands in its environment as ROPEWALK_BROKER. What the broker
// keeps is gone at the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-15847954/ropewalk/proof/service"
)

// startTime bounds how long a broker takes until it answers.
const startTime = time.Minute

// A kind is a broker that can be started.
type kind struct {
	start func(ctx context.Context) (*service.Process, error)
	url   func(addr string) string
}

var kinds = map[string]kind{
	"kafka": {func(ctx context.Context) (*service.Process, error) { return service.Kafka(ctx) }, func(addr string) string { return "kafka://" + addr }},
	"nats": {
		func(ctx context.Context) (*service.Process, error) { return service.NATS(ctx) },
		func(addr string) string { return "nats://" + addr },
	},
	"rabbitmq": {service.RabbitMQ, func(addr string) string { return "amqp://" + addr }},
	"redis": {
		func(ctx context.Context) (*service.Process, error) { return service.Redis(ctx) },
		redisURL,
	},
	"valkey": {func(ctx context.Context) (*service.Process, error) { return service.Valkey(ctx) }, redisURL},
}

func redisURL(addr string) string { return "redis://" + addr }

func main() {
	if err := run(os.Args[1:]); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			os.Exit(exit.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: service KIND PROGRAM [ARGUMENTS]")
	}
	k, ok := kinds[args[0]]
	if !ok {
		return fmt.Errorf("there is no broker %q to start, but %s", args[0], strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	// The program has the signals from the keyboard as well, and ends by them first.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	p, err := k.start(ctx)
	if err != nil {
		return err
	}
	defer p.Discard()
	fmt.Fprintf(os.Stderr, "%s listens on %s\n", args[0], p.Addr)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "ROPEWALK_BROKER="+k.url(p.Addr))
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	return cmd.Wait()
}
