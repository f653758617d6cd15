//go:build interop

package kafka

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/proof/service"
)

const (
	topicName         = "ropewalk"
	partitionsOfTests = 4
)

func admin(t *testing.T, p *service.Process) (*kgo.Client, *kadm.Client) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, kadm.NewClient(client)
}

// A Kafka that is killed, or asleep, goes on with the log when it is back: nobody misses anything.
func TestKilledAndAsleep(t *testing.T) {
	p := startKafka(t)
	here, there := open(t, p), open(t, p)
	w := brokertest.Watch(t, here, "news")
	w.Publish(t, there, "before", 20)
	p.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	w.Await(t, w.Publish(t, there, "killed", 20))
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	asleep, end := context.WithTimeout(t.Context(), time.Second)
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

// A topic that was deleted and made anew has other epochs, and a subscriber sees so.
func TestTopicMadeAnew(t *testing.T) {
	p := startKafka(t)
	b := open(t, p)
	w := brokertest.Watch(t, b, "news")
	w.Await(t, w.Publish(t, b, "before", 20))
	_, a := admin(t, p)
	config := map[string]*string{"message.timestamp.type": kadm.StringPtr("LogAppendTime")}
	if _, err := a.DeleteTopic(t.Context(), topicName); err != nil {
		t.Fatal(err)
	}
	for { // it goes by and by
		if _, err := a.CreateTopic(t.Context(), partitionsOfTests, 1, config, topicName); err == nil {
			break
		} else if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	w.Await(t, w.Publish(t, b, "after", 20))
	if !w.Changed(t) {
		t.Error("the epoch goes on though all is gone")
	}
}

// A node whose clock is far off is heard, in the logs and by the other nodes.
func TestClockOff(t *testing.T) {
	p := startKafka(t)
	open(t, p)
	client, _ := admin(t, p)
	for _, topic := range []string{topicName, topicName + ".bus"} {
		for _, off := range []time.Duration{-400 * 24 * time.Hour, 400 * 24 * time.Hour} {
			r := &kgo.Record{Topic: topic, Value: []byte("off"), Timestamp: time.Now().Add(off)}
			if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Errorf("%s, a clock that is %v off: %v", topic, off, err)
			}
		}
	}
}

// What others put into the topic is passed over; so are records that were cut off in front.
func TestGarbage(t *testing.T) {
	p := startKafka(t)
	b := open(t, p)
	w := brokertest.Watch(t, b, "news")
	w.Await(t, w.Publish(t, b, "before", 5))
	client, a := admin(t, p)
	for partition := range partitionsOfTests {
		for _, value := range []string{"", "\x00", "\x01", "\xff\xff\xff\xff", strings.Repeat("x", 1000)} {
			r := &kgo.Record{Topic: topicName, Partition: int32(partition), Key: []byte("news"), Value: []byte(value)}
			if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Await(t, w.Publish(t, b, "after", 5))
	ends, err := a.ListEndOffsets(t.Context(), topicName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.DeleteRecords(t.Context(), ends.Offsets()); err != nil {
		t.Fatal(err)
	}
	w.Await(t, w.Publish(t, b, "cut", 5))
	if w.Changed(t) {
		t.Error("there is another epoch")
	}
}

// A topic with another number of partitions is refused: channels would be in others.
func TestPartitionsChanged(t *testing.T) {
	p := startKafka(t)
	open(t, p)
	_, err := New(t.Context(), Config{Seeds: []string{p.Addr}, Partitions: partitionsOfTests + 1, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "has 4 partitions, and the configuration says 5") {
		t.Errorf("New = %v, want an error that names both numbers", err)
	}
}
