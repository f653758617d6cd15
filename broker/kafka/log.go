package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-15847954/ropewalk/broker/partitioned"
	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// lookTime is how often the topic is looked at.
	lookTime = time.Second

	// pollRecords is how many records are taken at once.
	pollRecords = 10000
)

// A log is the topic, as a [partitioned.Log].
type log struct {
	// Constant after newLog.
	config Config
	client *kgo.Client
	ctx    context.Context
	cancel context.CancelFunc
	level  hub.Level

	running sync.WaitGroup

	mu       sync.Mutex
	id       string // of the topic
	lost     []int  // by partition: how often the log was found to have lost something
	readings map[int]*reading
}

// A reading is one call of Read.
type reading struct {
	partition int
	reader    partitioned.Reader
	failed    chan error // holds one: why it ends

	// Owned by poll.
	next int64
}

func newLog(ctx context.Context, config Config) (*log, error) {
	client, err := kgo.NewClient(append(config.options(),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(maxRecord), kgo.MaxBufferedRecords(100000), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(10*time.Second), kgo.ProduceRequestTimeout(5*time.Second), kgo.UnknownTopicRetries(4),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepRetryableFetchErrors(), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.FetchMaxPartitionBytes(4<<20),
	)...)
	if err != nil {
		return nil, err
	}
	l := &log{config: config, client: client, lost: make([]int, config.Partitions), readings: make(map[int]*reading)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if err := l.find(ctx); err != nil {
		l.close()
		return nil, err
	}
	l.running.Go(l.poll)
	l.running.Go(l.watch)
	return l, nil
}

// find makes the topic if need be, and checks it.
func (l *log) find(ctx context.Context) error {
	err := makeTopic(ctx, l.client, l.config.Topic, l.config.Partitions, map[string]*string{
		"retention.ms":                   kadm.StringPtr(strconv.FormatInt((3 * l.config.StateTime).Milliseconds(), 10)),
		"message.timestamp.type":         kadm.StringPtr("LogAppendTime"),
		"max.message.bytes":              kadm.StringPtr(strconv.Itoa(maxRecord)),
		"unclean.leader.election.enable": kadm.StringPtr("false"),
		"cleanup.policy":                 kadm.StringPtr("delete"),
	})
	if err != nil {
		return err
	}
	for {
		t, err := describe(ctx, l.client, l.config.Topic)
		if err == nil {
			err = l.check(t)
		}
		if err == nil {
			l.id = t.id
			l.level, err = inspect(ctx, l.client, l.config.Topic, t.copies)
			return err
		}
		if errors.Is(err, errParts) || !pause(ctx, 100*time.Millisecond) {
			return errors.Join(err, ctx.Err())
		}
	}
}

func (l *log) check(t topic) error {
	if len(t.leaders) != l.config.Partitions {
		return fmt.Errorf("topic %s has %d partitions, and the configuration says %d: %w", l.config.Topic, len(t.leaders), l.config.Partitions, errParts)
	}
	return nil
}

func (l *log) close() {
	l.cancel()
	l.running.Wait()
	l.client.Close()
}

func (l *log) Level() hub.Level { return l.level }

func (l *log) Partitions() int { return l.config.Partitions }

// Append puts a record at the end of a partition.
func (l *log) Append(ctx context.Context, partition int, key string, value []byte) error {
	return produce(ctx, l.client, &kgo.Record{Topic: l.config.Topic, Partition: int32(partition), Key: []byte(key), Value: value})
}

// End returns the high watermark.
func (l *log) End(ctx context.Context, partition int) (uint64, error) {
	offset, err := listOffset(ctx, l.client, l.config.Topic, partition, latest)
	return uint64(max(offset, 0)), err
}

// Read hands the records of a partition to r until ctx ends.
func (l *log) Read(ctx context.Context, partition int, since time.Time, r partitioned.Reader) error {
	first, err := listOffset(ctx, l.client, l.config.Topic, partition, since.UnixMilli())
	if err == nil && first < 0 {
		first, err = listOffset(ctx, l.client, l.config.Topic, partition, latest)
	}
	if err != nil {
		return err
	}
	rd := &reading{partition: partition, reader: r, failed: make(chan error, 1), next: first}
	l.mu.Lock()
	run := l.id + "/" + strconv.Itoa(l.lost[partition])
	r.Begin(run, uint64(first), first == 0)
	r.Connected(nil)
	l.readings[partition] = rd
	l.mu.Unlock()
	l.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{l.config.Topic: {int32(partition): kgo.NewOffset().At(first)}})
	select {
	case err = <-rd.failed:
	case <-ctx.Done():
	}
	l.mu.Lock()
	delete(l.readings, partition)
	l.mu.Unlock()
	l.client.RemoveConsumePartitions(map[string][]int32{l.config.Topic: {int32(partition)}})
	return err
}

// poll hands out what is fetched.
func (l *log) poll() {
	for l.ctx.Err() == nil {
		fetches := l.client.PollRecords(l.ctx, pollRecords)
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			l.mu.Lock()
			rd := l.readings[int(f.Partition)]
			l.mu.Unlock()
			if rd != nil && f.Topic == l.config.Topic {
				l.take(rd, f)
			}
		})
	}
}

// take hands out what is fetched of one partition.
func (l *log) take(rd *reading, f kgo.FetchTopicPartition) {
	for _, r := range f.Records {
		if r.Offset < rd.next {
			continue // of a reading before
		}
		rd.next = r.Offset + 1
		rd.reader.Record(partitioned.Record{Offset: uint64(r.Offset), Time: r.Timestamp, Key: string(r.Key), Value: r.Value})
	}
	if f.Err == nil {
		return
	}
	if loss, ok := errors.AsType[*kgo.ErrDataLoss](f.Err); ok {
		l.lose(rd, loss)
		return
	}
	if errors.Is(f.Err, kerr.OffsetOutOfRange) {
		l.outOfRange(rd)
		return
	}
	l.config.Log.Debug("kafka: a partition is not fetched", "partition", rd.partition, "error", f.Err)
}

// lose ends a reading of a partition that has lost something.
func (l *log) lose(rd *reading, err error) {
	l.config.Log.Warn("kafka: a partition has lost records", "partition", rd.partition, "error", err)
	l.mu.Lock()
	l.lost[rd.partition]++
	l.mu.Unlock()
	rd.fail(err)
}

func (rd *reading) fail(err error) {
	select {
	case rd.failed <- err:
	default: // it ends already
	}
}

// outOfRange finds out why the next record is not there.
func (l *log) outOfRange(rd *reading) {
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
	defer cancel()
	end, err := listOffset(ctx, l.client, l.config.Topic, rd.partition, latest)
	switch {
	case err != nil:
		rd.fail(err)
	case rd.next > end:
		l.lose(rd, fmt.Errorf("the partition ends at %d, and %d was read", end, rd.next))
	default:
		rd.fail(kerr.OffsetOutOfRange) // records were deleted that are not read yet
	}
}

// watch looks at the topic from time to time, and tells the readers whether they are connected.
func (l *log) watch() {
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, 2*time.Second)
		t, err := describe(ctx, l.client, l.config.Topic)
		cancel()
		if err == nil {
			err = l.check(t)
		}
		if l.ctx.Err() == nil {
			l.tell(t, err)
		}
	}
}

func (l *log) tell(t topic, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	another := err == nil && t.id != l.id
	if another {
		l.config.Log.Warn("kafka: the topic was made anew", "topic", l.config.Topic)
		l.id = t.id
		l.client.PurgeTopicsFromClient(l.config.Topic) // what it knows is of the other one
	}
	for _, rd := range l.readings {
		cause := err
		if cause == nil {
			cause = t.leaders[rd.partition]
		}
		rd.reader.Connected(cause)
		if another {
			rd.fail(errors.New("the topic was made anew"))
		}
	}
}
