package brokers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// rabbitmq is one server.
func rabbitmq(ctx context.Context) (proof.Broker, error) {
	p, err := service.RabbitMQ(ctx)
	if err != nil {
		return nil, err
	}
	if err := firstStream(ctx, p); err != nil {
		p.Discard()
		return nil, err
	}
	return stopped{&broker{Process: p, scheme: "amqp"}}, nil
}

// A stopped broker does not start from a copy of its folder that was made while it ran.
type stopped struct{ *broker }

// Save copies the folder between two lives of the broker.
func (b stopped) Save(ctx context.Context) error {
	b.Process.Kill()
	if err := b.broker.Save(ctx); err != nil {
		return err
	}
	return b.Start(ctx)
}

// firstStream makes a stream, and waits until RabbitMQ has written down that it has streams. It does so when
// it finds time, about half a second behind the first one: one that is killed before never finds its streams again.
func firstStream(ctx context.Context, p *service.Process) error {
	const wait = 30 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errors.New("rabbitmq does not write down that it has streams"))
	defer cancel()
	conn, err := amqp.Dial("amqp://" + p.Addr)
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	defer func() { _ = conn.Close() }() // it has done its work
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	if _, err := ch.QueueDeclare("first", true, false, false, false, amqp.Table{"x-queue-type": "stream"}); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	names := filepath.Join(p.Dir, "mnesia", "*", "coordination", "*", "names.dets")
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !written(names) {
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// written reports whether one of the files that pattern stands for names the coordinator of streams.
func written(pattern string) bool {
	files, err := filepath.Glob(pattern)
	if err != nil {
		panic(err) // the pattern is ours
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte("rabbit_stream_coordinator")) {
			return true
		}
	}
	return false
}
