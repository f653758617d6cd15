package rabbitmq

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-15847954/ropewalk/broker/partitioned"
)

const (
	// prefetch is how many records are on the way at most, and ackEvery how often some of them are
	// acknowledged.
	prefetch = 2000
	ackEvery = 200

	// The headers of a record: its channel, and when a node has made it, in milliseconds.
	channelHeader = "channel"
	timeHeader    = "time"
	offsetHeader  = "x-stream-offset"

	// markType is the type of messages that are no records but mark a place.
	markType = "mark"
)

// A log is a set of streams, as a [partitioned.Log].
type log struct {
	// Constant after newLog.
	config Config
	clock  partitioned.Clock
	calls  *link
	live   *link
	out    publisher

	mu    sync.Mutex
	marks map[string]chan uint64 // those that are waited for: where they are
	lost  []int                  // by partition: how often the log was found to have lost something
	seen  []seen                 // by partition
}

// A seen is the last message of a stream that was read.
type seen struct {
	next uint64 // the offset behind it; 0: nothing was read
	hash [sha256.Size]byte
}

func newLog(ctx context.Context, config Config) (*log, error) {
	l := &log{
		config: config, clock: partitioned.NewClock(), calls: newLink(config), live: newLink(config),
		marks: make(map[string]chan uint64), lost: make([]int, config.Partitions), seen: make([]seen, config.Partitions),
	}
	l.out.link = l.calls
	for {
		err := l.declareAll()
		if err == nil {
			return l, nil
		}
		if final(err) || !again(ctx) {
			l.close()
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

// final reports whether an error does not pass: a wrong password, or a queue that is something else.
func final(err error) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return ok && (e.Code == amqp.AccessRefused || e.Code == amqp.PreconditionFailed || e.Code == amqp.NotAllowed)
}

func (l *log) close() {
	l.live.close()
	l.calls.close()
}

func (l *log) declareAll() error {
	ch, _, err := l.calls.channel()
	if err != nil {
		return err
	}
	for n := range l.config.Partitions {
		if err := l.declare(ch, n); err != nil {
			return fmt.Errorf("stream %s: %w", l.stream(n), err)
		}
	}
	return ch.Close()
}

func (l *log) stream(partition int) string {
	return l.config.Prefix + ".log." + strconv.Itoa(partition)
}

// declare makes a stream if there is none.
func (l *log) declare(ch *amqp.Channel, partition int) error {
	_, err := ch.QueueDeclare(l.stream(partition), true, false, false, false, amqp.Table{
		"x-queue-type": "stream",
		"x-max-age":    strconv.Itoa(int((3 * l.config.StateTime).Seconds())) + "s",
	})
	return err
}

func (l *log) Partitions() int { return l.config.Partitions }

// Append puts a record at the end of a stream. Whether the stream has it who reads knows: a message for a
// stream that is not there is confirmed as well.
func (l *log) Append(ctx context.Context, partition int, key string, value []byte) error {
	return l.out.publish(ctx, "", l.stream(partition), amqp.Publishing{
		DeliveryMode: amqp.Persistent, Body: value,
		Headers: amqp.Table{channelHeader: []byte(key), timeHeader: l.clock.Now().UnixMilli()},
	})
}

// End marks the end of a stream, and returns where the mark is read.
func (l *log) End(ctx context.Context, partition int) (uint64, error) {
	name, found := rand.Text(), make(chan uint64, 1)
	l.mu.Lock()
	l.marks[name] = found
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.marks, name)
	}()
	if err := l.mark(ctx, partition, name); err != nil {
		return 0, err
	}
	select {
	case offset := <-found:
		return offset, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("stream %s does not give back what is written: %w", l.stream(partition), context.Cause(ctx))
	}
}

func (l *log) mark(ctx context.Context, partition int, name string) error {
	return l.out.publish(ctx, "", l.stream(partition), amqp.Publishing{DeliveryMode: amqp.Persistent, Type: markType, Body: []byte(name)})
}

// Read hands the records of a stream to r until ctx ends.
func (l *log) Read(ctx context.Context, partition int, since time.Time, r partitioned.Reader) error {
	for ctx.Err() == nil {
		err := l.attach(ctx, partition, since, r)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was ended
		}
		r.Connected(err)
		if errors.Is(err, errLoss) {
			l.config.Log.Warn("rabbitmq: a stream has lost records", "stream", l.stream(partition), "error", err)
			l.mu.Lock()
			l.lost[partition]++
			l.seen[partition] = seen{}
			l.mu.Unlock()
			continue
		}
		again(ctx)
	}
	return nil
}

// errLoss means that a stream is not what was read of it.
var errLoss = errors.New("the stream is not what was read of it")

const (
	// quietTime is when a mark is put into a stream of which nothing comes, and deafTime when it has to have come.
	quietTime = 4 * time.Second
	deafTime  = 5 * time.Second
)

// errDeaf means that a server does not hand out what a stream has, as a replica that was left behind.
var errDeaf = errors.New("what is written does not come back")

// attach reads a stream over a channel of its own.
func (l *log) attach(ctx context.Context, partition int, since time.Time, r partitioned.Reader) error {
	ch, conn, err := l.live.channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }() // it may be lost
	err = l.follow(ctx, ch, partition, since, r)
	e, ok := errors.AsType[*amqp.Error](err)
	if errors.Is(err, errDeaf) || ok && e.Code == amqp.PreconditionFailed { // it has no replica of the stream
		l.live.renew(conn)
	}
	return err
}

// follow reads a stream until its channel ends. It begins with the last message that was read, to see that it
// is still the same.
func (l *log) follow(ctx context.Context, ch *amqp.Channel, partition int, since time.Time, r partitioned.Reader) error {
	if err := l.declare(ch, partition); err != nil {
		return err
	}
	l.mu.Lock()
	at := &reading{l: l, partition: partition, last: l.seen[partition], run: strconv.Itoa(l.lost[partition]), r: r}
	l.mu.Unlock()
	at.begins = at.last
	var from any = since
	if at.last.next > 0 {
		// A stream that ends before that would say nothing until it is so long again.
		end, err := l.probe(ctx, partition)
		if err != nil {
			return err
		}
		if end < at.last.next {
			return fmt.Errorf("%w: it ends at %d, which is before %d", errLoss, end, at.last.next)
		}
		from = int64(at.last.next - 1)
	}
	deliveries, err := l.consume(ch, partition, from)
	if err != nil {
		return err
	}
	if err := l.mark(ctx, partition, rand.Text()); err != nil { // there is something to read then
		return err
	}
	quiet, marked := time.NewTimer(deafTime), true
	defer quiet.Stop()
	for n := 1; ; n++ {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return amqp.ErrClosed
			}
			if n%ackEvery == 0 {
				if err := d.Ack(true); err != nil {
					return err
				}
			}
			if err := at.take(&d); err != nil {
				return err
			}
			quiet.Reset(quietTime)
			marked = false
		case <-quiet.C:
			if marked {
				return errDeaf
			}
			quiet.Reset(deafTime)
			marked = true
			l.calls.running.Go(func() { _ = l.mark(ctx, partition, rand.Text()) }) // where it does not come, somebody is deaf
		case <-ctx.Done():
			return nil
		}
	}
}

// consume has what a stream has behind a place handed out.
func (l *log) consume(ch *amqp.Channel, partition int, from any) (<-chan amqp.Delivery, error) {
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	return ch.Consume(l.stream(partition), "", false, false, false, false, amqp.Table{"x-stream-offset": from})
}

// probe puts a mark at the end of a stream, and returns where that is.
func (l *log) probe(ctx context.Context, partition int) (uint64, error) {
	ch, _, err := l.live.channel()
	if err != nil {
		return 0, err
	}
	defer func() { _ = ch.Close() }() // it may be lost
	deliveries, err := l.consume(ch, partition, "next")
	if err != nil {
		return 0, err
	}
	name := rand.Text()
	if err := l.mark(ctx, partition, name); err != nil {
		return 0, err
	}
	patience := time.NewTimer(deafTime)
	defer patience.Stop()
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return 0, amqp.ErrClosed
			}
			if d.Type == markType && string(d.Body) == name {
				return offsetOf(&d)
			}
		case <-patience.C:
			return 0, errDeaf
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// A reading is what one channel has read of a stream.
type reading struct {
	l         *log
	partition int
	run       string
	r         partitioned.Reader
	begins    seen // what was read before
	last      seen
	begun     bool
}

// take takes the next message.
func (at *reading) take(d *amqp.Delivery) error {
	offset, err := offsetOf(d)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(d.Body)
	if !at.begun {
		at.begun = true
		switch before := at.begins; {
		case before.next == 0:
			at.r.Begin(at.run, offset, offset == 0)
		case offset < before.next-1, offset == before.next-1 && hash != before.hash:
			return fmt.Errorf("%w: %d comes behind %d", errLoss, offset, before.next-1)
		case offset >= before.next: // older ones were let go
			at.r.Begin(at.run, offset, false)
		}
		at.r.Connected(nil)
	}
	if offset < at.last.next {
		return nil
	}
	at.last = seen{offset + 1, hash}
	at.l.mu.Lock()
	at.l.seen[at.partition] = at.last
	at.l.mu.Unlock()
	at.l.take(d, offset, at.r)
	return nil
}

func offsetOf(d *amqp.Delivery) (uint64, error) {
	offset, ok := d.Headers[offsetHeader].(int64)
	if !ok || offset < 0 {
		return 0, errors.New("a message has no offset: the queue is no stream")
	}
	return uint64(offset), nil
}

// take hands out a message.
func (l *log) take(d *amqp.Delivery, offset uint64, r partitioned.Reader) {
	if d.Type == markType {
		r.Record(partitioned.Record{Offset: offset, Value: []byte{}}) // counts, and says nothing
		l.mu.Lock()
		found := l.marks[string(d.Body)]
		l.mu.Unlock()
		if found != nil {
			found <- offset
		}
		return
	}
	var channel []byte
	switch v := d.Headers[channelHeader].(type) {
	case []byte:
		channel = v
	case string:
		channel = []byte(v)
	}
	ms, _ := d.Headers[timeHeader].(int64)
	r.Record(partitioned.Record{Offset: offset, Time: time.UnixMilli(ms), Key: string(channel), Value: bytes.Clone(d.Body)})
}
