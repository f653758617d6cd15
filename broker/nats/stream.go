package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-15847954/ropewalk/hub"
)

// Keys of the stream's metadata.
const (
	metaEpoch = "ropewalk-epoch" // of its present life
	metaSince = "ropewalk-since" // the last sequence before it
)

// A life is what the stream was when it was last looked at.
type life struct {
	epoch    string
	since    uint64
	replicas int
}

// A stream is what a node knows of it.
type stream struct {
	now  atomic.Pointer[life]
	seen atomic.Uint64 // the highest sequence that this node was told of in this life

	mu     sync.Mutex // held while limits are raised
	keep   atomic.Int64
	age    atomic.Int64 // of IDs
	oldest atomic.Int64 // of messages

	markMu sync.Mutex
	mark   mark
}

// A mark is a message that this node has seen: it proves that a stream is still the same.
type mark struct {
	seq  uint64
	time time.Time
}

func (s *stream) see(epoch string, seq uint64) {
	if now := s.now.Load(); now == nil || now.epoch != epoch {
		return
	}
	for {
		before := s.seen.Load()
		if seq <= before || s.seen.CompareAndSwap(before, seq) {
			return
		}
	}
}

func (s *stream) remember(e *entry) {
	s.see(e.epoch, e.seq)
	s.markMu.Lock()
	defer s.markMu.Unlock()
	if e.seq > s.mark.seq {
		s.mark = mark{e.seq, e.time}
	}
}

// adopt takes what was found as the stream's present life.
func (s *stream) adopt(info *jetstream.StreamInfo) bool {
	epoch := info.Config.Metadata[metaEpoch]
	s.keep.Store(info.Config.MaxMsgsPerSubject)
	s.age.Store(int64(info.Config.Duplicates))
	s.oldest.Store(int64(info.Config.MaxAge))
	before := s.now.Load()
	if before != nil && before.epoch == epoch && before.replicas == info.Config.Replicas {
		return false
	}
	since, _ := strconv.ParseUint(info.Config.Metadata[metaSince], 10, 64) // without it: none
	s.now.Store(&life{epoch, since, info.Config.Replicas})
	if before != nil && before.epoch == epoch {
		return false
	}
	s.markMu.Lock()
	s.mark = mark{}
	s.markMu.Unlock()
	s.seen.Store(since)
	return true
}

// find makes the stream if there is none, and waits for JetStream to be able to.
func (s *stream) find(ctx context.Context, b *Broker) error {
	var last error
	for {
		info, err := b.ask(ctx)
		switch {
		case err == nil:
			return s.check(info, b)
		case errors.Is(err, jetstream.ErrStreamNotFound):
			err = s.create(ctx, b)
		case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
			return fmt.Errorf("%w: start the server with JetStream, and allow it to the account", err)
		}
		if err != nil && ctx.Err() == nil { // the end of ctx says less than what was in the way
			last = err
		}
		if err != nil && !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("wait for the stream %s and its leader: %w", b.names.stream(), errors.Join(last, ctx.Err()))
		}
	}
}

// ask returns what the stream's leader says of it.
func (b *Broker) ask(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	st, err := b.js.Stream(ctx, b.names.stream())
	if err != nil {
		return nil, err
	}
	return st.CachedInfo(), nil
}

// lost returns what says that the stream has lost the end that was seen; empty means nothing.
func (b *Broker) lost(ctx context.Context, info *jetstream.StreamInfo, seen uint64) (why string, err error) {
	last := info.State.LastSeq
	if last >= seen {
		return "", nil
	}
	if info.Cluster != nil && len(info.Cluster.Replicas) > 0 {
		// Who says so may lead no more and not know it. Only what leads can append.
		last, err = b.probe(ctx, info.Config.Metadata[metaEpoch])
		if err != nil || last > seen {
			return "", err
		}
	}
	return fmt.Sprintf("it ends at %d and ended at %d", last, seen), nil
}

// probe appends an entry of no channel, and returns its sequence.
func (b *Broker) probe(ctx context.Context, epoch string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	a, err := b.send(ctx, &life{epoch: epoch}, probeToken, nats.Header{headerKind: {"b"}}, nil)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look who leads the stream: %w", err)
	case a.code() != 0:
		return 0, fmt.Errorf("look who leads the stream: %s", a.Error.Description)
	}
	return a.Seq, nil
}

// check reports why a stream cannot be used.
func (s *stream) check(info *jetstream.StreamInfo, b *Broker) error {
	c := info.Config
	from, to := b.names.republished()
	switch {
	case c.Metadata[metaEpoch] == "":
		return fmt.Errorf("the stream %s is somebody else's: use another prefix", c.Name)
	case !c.AllowDirect, !c.AllowRollup, c.Retention != jetstream.LimitsPolicy, c.RePublish == nil,
		c.RePublish.Source != from, c.RePublish.Destination != to:
		return fmt.Errorf("the stream %s was changed: it needs allow_direct, allow_rollup_hdrs and to republish %s as %s", c.Name, from, to)
	}
	b.level.Store(levelOf(info, b.config))
	s.adopt(info)
	return nil
}

// create makes the stream. Another node may do so at the same time: then this one takes that.
func (s *stream) create(ctx context.Context, b *Broker) error {
	if version := b.calls.ConnectedServerVersion(); !recent(version) {
		return fmt.Errorf("the server is of version %s: it takes 2.11 or later", version)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	from, to := b.names.republished()
	epoch := rand.Text()
	_, err := b.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: b.names.stream(), Description: "the logs of ropewalk's channels",
		Subjects: []string{b.names.allOf(epoch)}, Metadata: map[string]string{metaEpoch: epoch, metaSince: "0", metaProcess: b.process()},
		Storage: jetstream.FileStorage, Replicas: b.copies(),
		MaxMsgsPerSubject: 2, MaxAge: b.config.StateTime, Duplicates: min(time.Minute, b.config.StateTime),
		AllowDirect: true, AllowRollup: true,
		RePublish: &jetstream.RePublish{Source: from, Destination: to},
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil
	}
	return err
}

// copies returns how many copies a new stream has.
func (b *Broker) copies() int {
	switch {
	case b.config.Replicas > 0:
		return b.config.Replicas
	case b.calls.ConnectedClusterName() != "" && len(b.calls.Servers()) >= replicas:
		return replicas
	}
	return 1
}

// recent reports whether a server of that version can be asked for parts of a channel's log.
func recent(version string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor) // n says it all
	return n == 2 && (major > 2 || major == 2 && minor >= 11)
}

// change updates the stream to what change makes of it.
func (s *stream) change(ctx context.Context, b *Broker, change func(c *jetstream.StreamConfig, last uint64)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := b.ask(ctx)
	if err != nil {
		return err
	}
	change(&info.Config, info.State.LastSeq)
	if _, err := b.js.UpdateStream(ctx, info.Config); err != nil {
		return err
	}
	if info, err = b.ask(ctx); err != nil {
		return err
	}
	s.adopt(info)
	return nil
}

// fit raises the limits of the stream to what a channel is promised. They are never lowered: another
// channel, or another node, may need them.
func (s *stream) fit(ctx context.Context, b *Broker, o *hub.Options) error {
	keep := int64(1) // one more than is read: it tells what was in front of the oldest
	if o.Recoverable() {
		keep += int64(o.History)
	}
	oldest := max(int64(2*o.HistoryTime), int64(o.Dedup))
	if keep <= s.keep.Load() && int64(o.Dedup) <= s.age.Load() && oldest <= s.oldest.Load() {
		return nil
	}
	err := s.change(ctx, b, func(c *jetstream.StreamConfig, _ uint64) {
		c.MaxMsgsPerSubject = max(c.MaxMsgsPerSubject, keep)
		c.MaxAge = max(c.MaxAge, time.Duration(oldest))
		c.Duplicates = max(c.Duplicates, o.Dedup)
	})
	if err != nil {
		return fmt.Errorf("raise the limits of the stream: %w", err)
	}
	return nil
}

// rotate begins another life of the logs. Where two nodes do so at once the later one's stays;
// both are another one than before.
func (s *stream) rotate(ctx context.Context, b *Broker, why string) error {
	epoch := rand.Text()
	b.config.Log.Warn("nats: the logs have lost something: their epoch changes", "because", why)
	err := s.change(ctx, b, func(c *jetstream.StreamConfig, last uint64) {
		c.Subjects = []string{b.names.allOf(epoch)}
		c.Metadata[metaEpoch], c.Metadata[metaSince] = epoch, strconv.FormatUint(last, 10)
	})
	if err != nil {
		return fmt.Errorf("change the epoch: %w", err)
	}
	return nil
}
