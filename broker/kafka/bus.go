package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A bus is a topic of one partition that each node reads from its end.
type bus struct {
	config Config
	client *kgo.Client
	ctx    context.Context
	cancel context.CancelFunc

	running sync.WaitGroup

	mu      sync.Mutex
	reading bool
	hear    func(message []byte)
}

func newBus(ctx context.Context, config Config) (*bus, error) {
	client, err := kgo.NewClient(append(config.options(),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(2*time.Second), kgo.ProduceRequestTimeout(2*time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(200*time.Millisecond),
	)...)
	if err != nil {
		return nil, err
	}
	b := &bus{config: config, client: client}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	err = makeTopic(ctx, client, config.busTopic(), 1, map[string]*string{
		"retention.ms":           kadm.StringPtr("600000"),
		"message.timestamp.type": kadm.StringPtr("LogAppendTime"), // or one whose clock is ahead is refused
		"cleanup.policy":         kadm.StringPtr("delete"),
	})
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bus) close() {
	b.cancel()
	b.running.Wait()
	b.client.Close()
}

func (b *bus) broadcast(ctx context.Context, message []byte) error {
	return produce(ctx, b.client, &kgo.Record{Topic: b.config.busTopic(), Value: message})
}

func (b *bus) listen(ctx context.Context, hear func(message []byte)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reading {
		b.hear = hear
		return nil
	}
	var end int64
	for {
		var err error
		if end, err = listOffset(ctx, b.client, b.config.busTopic(), 0, latest); err == nil {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("kafka: %w", err)
		}
	}
	b.hear, b.reading = hear, true
	b.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{b.config.busTopic(): {0: kgo.NewOffset().At(end)}})
	b.running.Go(b.poll)
	return nil
}

func (b *bus) poll() {
	for b.ctx.Err() == nil {
		b.client.PollFetches(b.ctx).EachRecord(func(r *kgo.Record) {
			b.mu.Lock()
			hear := b.hear
			b.mu.Unlock()
			hear(r.Value)
		})
	}
}
