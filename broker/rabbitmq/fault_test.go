//go:build interop

package rabbitmq

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// channel opens a channel of somebody else.
func channel(t *testing.T, p *service.Process) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial("amqp://" + p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// A RabbitMQ that was asleep goes on with the log.
func TestAsleep(t *testing.T) {
	p := startRabbitMQ(t)
	here, there := open(t, p), open(t, p)
	w := brokertest.Watch(t, here, "news")
	w.Publish(t, there, "before", 20)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	asleep, end := context.WithTimeout(t.Context(), 3*time.Second) // longer than a heartbeat
	defer end()
	<-asleep.Done()
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	w.Await(t, w.Publish(t, there, "asleep", 20))
	if w.Changed(t) {
		t.Error("there is another epoch though nothing is lost")
	}
}

// Streams that were deleted are made anew, with other epochs, and a subscriber sees so.
func TestStreamsDeleted(t *testing.T) {
	p := startRabbitMQ(t)
	b := open(t, p)
	w := brokertest.Watch(t, b, "news")
	w.Await(t, w.Publish(t, b, "before", 20))
	ch := channel(t, p)
	for n := range b.log.config.Partitions {
		if _, err := ch.QueueDelete(b.log.stream(n), false, false, false); err != nil {
			t.Fatal(err)
		}
	}
	w.Await(t, w.Publish(t, b, "after", 20))
	if !w.Changed(t) {
		t.Error("the epoch goes on though all is gone")
	}
}

// What others put into a stream is passed over.
func TestGarbage(t *testing.T) {
	p := startRabbitMQ(t)
	b := open(t, p)
	w := brokertest.Watch(t, b, "news")
	w.Await(t, w.Publish(t, b, "before", 5))
	ch := channel(t, p)
	for n := range b.log.config.Partitions {
		for _, m := range []amqp.Publishing{
			{},
			{Body: []byte("\x00")},
			{Body: []byte("\x01"), Headers: amqp.Table{channelHeader: "news"}},
			{Body: []byte("\xff\xff\xff\xff"), Headers: amqp.Table{channelHeader: int64(5), timeHeader: "soon"}},
			{Type: markType, Body: []byte(strings.Repeat("x", 1000))},
		} {
			if err := ch.PublishWithContext(t.Context(), "", b.log.stream(n), false, false, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Await(t, w.Publish(t, b, "after", 5))
	if w.Changed(t) {
		t.Error("there is another epoch")
	}
}

// A queue of that name that is no stream is refused.
func TestNoStream(t *testing.T) {
	p := startRabbitMQ(t)
	if _, err := channel(t, p).QueueDeclare("ropewalk.log.0", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Config{Addrs: []string{p.Addr}, Partitions: 4, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "ropewalk.log.0") || !strings.Contains(err.Error(), "PRECONDITION_FAILED") {
		t.Errorf("New = %v, want an error that names the queue", err)
	}
}
