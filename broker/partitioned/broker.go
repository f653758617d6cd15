package partitioned

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/broker/internal/retain"
	"github.com/seed-15847954/ropewalk/hub"
)

// againTime is when a partition is read again that could not be.
const againTime = time.Second

// errClosed is the error of calls behind Close.
var errClosed = errors.New("the broker is closed")

// A Config says what a Broker stands on.
type Config struct {
	Log Log

	// StateTime is how long the place of a channel's last publication is known for certain. A node reads
	// twice as much of the log when it begins. It bounds the times of histories and of IDs. Zero means 24 hours.
	StateTime time.Duration

	// MaxHistory bounds the memory that the histories of all channels take on this node, in bytes. Zero means
	// 256 MiB. IDs that are remembered come on top: which ones are is the same on all nodes.
	MaxHistory int

	// Logger takes what an operator may want to read. Nil means slog.Default.
	Logger *slog.Logger
}

// A Broker is a [hub.Broker] with history and patterns. All methods may be called at once by many
// goroutines.
type Broker struct {
	// Constant after New.
	config     Config
	log        *slog.Logger
	node       string
	clock      Clock
	partitions []*partition
	ctx        context.Context
	cancel     context.CancelFunc

	running  sync.WaitGroup
	numbers  atomic.Uint64 // of own entries
	bytes    atomic.Int64  // of histories
	patterns retain.Patterns
}

// New returns a broker that has read the log so far.
func New(ctx context.Context, config Config) (*Broker, error) {
	if config.StateTime == 0 {
		config.StateTime = 24 * time.Hour
	}
	if config.MaxHistory == 0 {
		config.MaxHistory = 256 << 20
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	b := &Broker{config: config, log: config.Logger, node: rand.Text(), clock: NewClock()}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	since := b.clock.Now().Add(-2*config.StateTime - time.Hour) // the clocks of nodes and servers differ
	for n := range config.Log.Partitions() {
		p := newPartition(b, n)
		b.partitions = append(b.partitions, p)
		b.running.Go(func() { b.read(p, since) })
		b.running.Go(func() { p.keep() })
	}
	for _, p := range b.partitions {
		if err := p.fence(ctx); err != nil {
			b.Close()
			return nil, err
		}
	}
	return b, nil
}

// read reads a partition until Close.
func (b *Broker) read(p *partition, since time.Time) {
	for {
		err := b.config.Log.Read(b.ctx, p.n, since, p)
		if b.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the log ends")
		}
		p.Connected(err)
		timer := time.NewTimer(againTime)
		select {
		case <-timer.C:
		case <-b.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// Close ends the reading. No sink is called any more once it has returned. The log is not
// closed.
func (b *Broker) Close() {
	b.cancel()
	b.running.Wait()
	b.leave()
}

// leaveTime bounds the goodbye.
const leaveTime = time.Second

func (b *Broker) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range b.partitions {
		all.Go(func() { p.leave(ctx) })
	}
	all.Wait()
}

func (b *Broker) partition(channel string) *partition {
	h := fnv.New64a()
	_, _ = h.Write([]byte(channel)) // never fails
	return b.partitions[h.Sum64()%uint64(len(b.partitions))]
}

// Publish appends m to the log, and returns when this node has read what became of it.
func (b *Broker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	if o.Options == nil {
		o.Options = new(hub.Options)
	}
	p := b.partition(m.Channel)
	e := &entry{node: b.node, number: b.numbers.Add(1), kept: *o.Options, expect: o.Expect, Message: m}
	decided := make(chan decision, 1)
	if err := p.await(ctx, func() bool { return p.down == nil && p.certain() }); err != nil {
		return hub.Published{}, err
	}
	p.wait(e.number, decided)
	defer p.giveUp(e.number)
	err := b.config.Log.Append(ctx, p.n, m.Channel, e.record())
	if err != nil && !errors.Is(err, hub.ErrIndeterminate) {
		return hub.Published{}, err
	}
	// It may be in the log: whoever reads it knows.
	settle := time.NewTimer(settleTime)
	defer settle.Stop()
	select {
	case d := <-decided:
		return d.Published, d.err
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	case <-settle.C:
		err = errors.Join(err, errors.New("the log does not give it back"))
	case <-b.ctx.Done():
		err = errors.Join(err, errClosed)
	}
	return hub.Published{}, fmt.Errorf("%w: %w", hub.ErrIndeterminate, err)
}

// settleTime is how long a record that may be in the log is waited for.
const settleTime = 5 * time.Second

// wait has the decision of an own entry told.
func (p *partition) wait(number uint64, decided chan decision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[number] = decided
}

func (p *partition) giveUp(number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, number)
}

// Subscribe has the channel's publications handed to sink.
func (b *Broker) Subscribe(ctx context.Context, name string, sink hub.Sink) (hub.Position, error) {
	p := b.partition(name)
	if err := p.fence(ctx); err != nil {
		return hub.Position{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.channel(name, p.applied)
	c.sink = sink
	return hub.Position{Epoch: p.epoch, Offset: c.top}, nil
}

// Unsubscribe ends that. The error is always nil.
func (b *Broker) Unsubscribe(_ context.Context, name string) error {
	p := b.partition(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.channels[name]; c != nil {
		c.sink = nil
	}
	return nil
}

// History returns a part of a channel's log.
func (b *Broker) History(ctx context.Context, name string, q hub.Query) (hub.Page, error) {
	p := b.partition(name)
	if err := p.fence(ctx); err != nil {
		return hub.Page{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.channel(name, p.applied)
	page := hub.Page{Top: hub.Position{Epoch: p.epoch, Offset: c.top}}
	if q.From != nil && q.From.Epoch != p.epoch {
		return page, nil
	}
	b.grow(-c.history.Expire(b.clock.Now()))
	page.Publications, page.More = c.history.Read(q)
	return page, nil
}

// Locate returns the position that from stands for on this node, as [hub.Locator] has it.
func (b *Broker) Locate(ctx context.Context, name string, from hub.Position) (hub.Position, error) {
	p := b.partition(name)
	if err := p.reach(ctx, from); err != nil {
		return from, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if from.Epoch != p.epoch || from.Offset > p.applied {
		return from, nil
	}
	if offset, ok := p.channel(name, p.applied).locate(from.Offset, p.since); ok {
		from.Offset = offset
	}
	return from, nil
}

// reach waits until the partition is read so far as somebody has seen it, if it is so long.
func (p *partition) reach(ctx context.Context, pos hub.Position) error {
	p.mu.Lock()
	reached := pos.Epoch != p.epoch || p.applied >= pos.Offset
	p.mu.Unlock()
	if reached {
		return nil
	}
	return p.fence(ctx)
}

// SubscribePattern has the publications of all matching channels handed to sink. The error
// is always nil.
func (b *Broker) SubscribePattern(_ context.Context, p hub.Pattern, sink hub.Sink) error {
	b.patterns.Change(func(sinks map[hub.Pattern]hub.Sink) { sinks[p] = sink })
	return nil
}

// UnsubscribePattern ends that. A publication that is under way may still be handed over. The
// error is always nil.
func (b *Broker) UnsubscribePattern(_ context.Context, p hub.Pattern) error {
	b.patterns.Change(func(sinks map[hub.Pattern]hub.Sink) { delete(sinks, p) })
	return nil
}

// Level is that of the log, if that knows one.
func (b *Broker) Level() hub.Level {
	if l, ok := b.config.Log.(hub.Leveler); ok {
		return l.Level()
	}
	return hub.Level{Acked: "in the log"}
}

func (b *Broker) grow(bytes int) { b.bytes.Add(int64(bytes)) }

// evict lets go of the older half of histories of a partition, which is locked, where there is no room: those
// of other channels than c first.
func (b *Broker) evict(p *partition, c *channel) {
	if b.bytes.Load() <= int64(b.config.MaxHistory) {
		return
	}
	for _, other := range p.channels { // in random order
		if other != c {
			b.grow(-other.history.Halve())
		}
		if b.bytes.Load() <= int64(b.config.MaxHistory) {
			return
		}
	}
	b.grow(-c.history.Halve())
}
