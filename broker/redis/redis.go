// Package redis keeps the channels' logs in Redis 7 or Valkey, so that many nodes
// share them. docs/design/redis.md says how, and what it can promise.
package redis

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/hub"
)

//go:embed functions.lua
var library string

// A Config says where Redis is.
type Config struct {
	// Client says how to connect: addresses, Sentinel, TLS, user and password.
	Client rueidis.ClientOption

	// Prefix begins every key and pub/sub channel, so that several servers can share
	// one Redis. Empty means "rw".
	Prefix string

	// StateTime is how long the place of a channel's last publication is remembered
	// behind it. A client that comes back later is told that its position is
	// gone. Zero means 30 days.
	StateTime time.Duration

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

// A Broker is a [hub.Broker] with history and patterns. All methods may be called at once
// by many goroutines.
type Broker struct {
	config   Config
	client   rueidis.Client
	prefixes [places]string // of the keys of each
	batchers []batcher
	node     string // this one, in what it writes
	named    atomic.Uint64
	lease    time.Duration
	links    links
	fences   fences
	nodes    nodes
	patterns patterns

	mu     sync.Mutex
	setups []setup // of the servers that answered first
}

// New connects to Redis, and returns an error if that does not succeed before ctx ends
// or if it is set up in a way that loses what it has acknowledged.
func New(ctx context.Context, config Config) (*Broker, error) {
	if config.Prefix == "" {
		config.Prefix = "rw"
	}
	if config.StateTime == 0 {
		config.StateTime = 30 * 24 * time.Hour
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	// A repeated publication would be doubled, and a repeated subscription hide a hole.
	config.Client.DisableRetry = true
	config.Client.DisableCache = true
	config.Client.Sentinel.TopologyRefreshInterval = lookTime
	config.Client.ClusterOption.ShardsRefreshInterval = lookTime
	client, err := rueidis.NewClient(config.Client)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	b := &Broker{config: config, client: client, node: random(), lease: leaseTime}
	for p := range b.prefixes {
		b.prefixes[p] = config.Prefix + ":{" + partition(p).tag() + "}:"
	}
	b.batchers = make([]batcher, 1)
	if client.Mode() == rueidis.ClientModeCluster {
		b.batchers = make([]batcher, partitions) // one call is for one slot
	}
	for i := range b.batchers {
		b.batchers[i].b = b
	}
	if err := b.prepare(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("redis: %w", err)
	}
	if _, err := b.beat(ctx); err != nil { // before this node knows anything that another asks for
		client.Close()
		return nil, err
	}
	b.patterns.init()
	b.nodes.init(b)
	b.links.init(b)
	b.nodes.start()
	return b, nil
}

// Close ends all connections. No sink is called any more once it has returned.
func (b *Broker) Close() {
	b.nodes.close()
	b.links.close()
	b.client.Close()
}

// prepareTime bounds what one server is asked.
const prepareTime = 2 * time.Second

// prepare checks the servers and loads the functions into them. Of several, one that is away has to wait: its
// functions are loaded when somebody finds that they are missing.
func (b *Broker) prepare(ctx context.Context) error {
	var setups []setup
	var away []error
	masters := 0
	for addr, node := range b.client.Nodes() {
		s, err := prepareOne(ctx, addr, node)
		if errors.Is(err, errForgets) {
			return err
		}
		if err != nil {
			away = append(away, err)
			continue
		}
		if s.master {
			masters++
		}
		setups = append(setups, s)
	}
	switch {
	case masters == 0 && len(away) > 0:
		return away[0]
	case masters == 0:
		return errors.New("no master answers")
	}
	for _, err := range away {
		b.config.Log.Warn("redis: a server is away", "error", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.setups == nil {
		b.setups = setups
	}
	return nil
}

// errForgets is why a server is refused.
var errForgets = errors.New("which forgets what was acknowledged; allowed is noeviction")

func prepareOne(ctx context.Context, addr string, node rueidis.Client) (setup, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	s, err := inspect(ctx, addr, node)
	if err != nil {
		return s, err
	}
	if s.policy != "noeviction" {
		return s, fmt.Errorf("%s: maxmemory-policy is %s, %w", addr, s.policy, errForgets)
	}
	if !s.master {
		return s, nil
	}
	if err := load(ctx, node); err != nil {
		return s, fmt.Errorf("%s: %w", addr, err)
	}
	return s, nil
}

// field returns the value of a line of INFO.
func field(info, name string) string {
	_, rest, _ := strings.Cut("\n"+info, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r")
	return value
}

// isMissing reports whether an error says that a server does not have the functions.
func isMissing(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Function not found")
}

func load(ctx context.Context, client rueidis.Client) error {
	return client.Do(ctx, client.B().FunctionLoad().Replace().FunctionCode(library).Build()).Error()
}

// fresh returns the name of an epoch that nobody has yet.
func (b *Broker) fresh() string { return b.node + strconv.FormatUint(b.named.Add(1), 36) }

func random() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// An answer is what a function gives.
type answer struct {
	words   []string               // of its first part: what it is, and what belongs to that
	rest    []rueidis.RedisMessage // its other parts
	process string                 // who has given it, as in tags; empty where that is not said
}

// call calls a function. An error that is none of hub's means that nothing was done.
func (b *Broker) call(ctx context.Context, p partition, function string, keys []string, args ...string) (answer, error) {
	return b.insist(ctx, p, func() (answer, error) { return b.callOnce(ctx, function, keys, args) })
}

// insist does something in a partition. Where that is fenced it is settled first.
func (b *Broker) insist(ctx context.Context, p partition, do func() (answer, error)) (answer, error) {
	for range 5 {
		a, err := do()
		switch {
		case isMissing(err):
			if err := b.prepare(ctx); err != nil {
				return answer{}, err
			}
		case err != nil:
			return answer{}, err
		case a.word(0) != "fenced":
			return b.believe(p, a)
		default:
			if err := b.settle(ctx, p, a.word(1), a.word(2)); err != nil {
				return answer{}, fmt.Errorf("settle: %w", err)
			}
		}
	}
	return answer{}, errors.New("redis restarts again and again")
}

// believe takes an answer with a tag and a position, which is seen first.
func (b *Broker) believe(p partition, a answer) (answer, error) {
	pos, err := a.position()
	if err != nil {
		return answer{}, err
	}
	b.fences.see(p, pos.Offset)
	t, err := b.accept(p, a.word(1))
	a.process = t.process
	return a, err
}

func (b *Broker) callOnce(ctx context.Context, function string, keys, args []string) (answer, error) {
	return b.result(function, b.client.Do(ctx, b.fcall(function, keys, args)))
}

func (b *Broker) fcall(function string, keys, args []string) rueidis.Completed {
	return b.client.B().Fcall().Function(function).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

func (*Broker) result(function string, r rueidis.RedisResult) (answer, error) {
	list, err := r.ToArray()
	if err != nil {
		return answer{}, sort(err)
	}
	if len(list) == 0 {
		return answer{}, fmt.Errorf("redis: %s answers nothing", function)
	}
	head, err := list[0].ToString()
	if err != nil {
		return answer{}, fmt.Errorf("redis: %s: %w", function, err)
	}
	return answer{words: strings.Fields(head), rest: list[1:]}, nil
}

// sort wraps ErrIndeterminate around errors behind which the call may have been carried out.
func sort(err error) error {
	if _, ok := rueidis.IsRedisErr(err); ok { // an answer, so nothing was done
		return fmt.Errorf("redis: %w", err)
	}
	return fmt.Errorf("redis: %w: %w", hub.ErrIndeterminate, err)
}

// word returns the nth word of an answer, which is empty where that is cut short.
func (a answer) word(n int) string {
	if n < len(a.words) {
		return a.words[n]
	}
	return ""
}

// position returns that which an answer says behind its tag.
func (a answer) position() (hub.Position, error) { return parsePosition(a.word(2), a.word(3)) }
