// Package nats keeps the channels' logs in a stream of NATS JetStream, on servers that somebody
// operates or on ones that run inside the nodes. docs/design/nats.md says how, and what it can promise.
package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-15847954/ropewalk/hub"
)

// callTime bounds a call whose context does not.
const callTime = 10 * time.Second

// A Config says where the servers are and how much they keep. The zero value of everything but
// URL is safe.
type Config struct {
	// URL is one server's nats:// or tls:// address, or several with commas between them. A user and a
	// password, or a token, may stand in it.
	URL string

	// Credentials is the path of a file with a user's JWT and seed. Empty means none.
	Credentials string

	// CA is the path of a file with the certificates to trust. Empty means those of the system.
	CA string

	// Prefix names the stream and begins every subject: letters, digits, - and _, so that several
	// servers can share one NATS. Empty means "rw".
	Prefix string

	// Replicas is how many servers have a copy of a stream that is made anew. Zero means 3 in a cluster that is
	// known to have as many, and 1 elsewhere.
	Replicas int

	// StateTime is how long the place of a channel's last publication is remembered behind it,
	// and its publications at most. A client that comes back later is told that its position is gone.
	// Zero means 7 days.
	StateTime time.Duration

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger

	inside   *server.Server // in this process, or nil
	password string
	noSync   bool // it acknowledges what is not on its disk
}

// A Broker is a [hub.Broker] with history and patterns, and a cluster.Bus. All methods may be
// called at once by many goroutines.
type Broker struct {
	// Constant after New.
	config  Config
	names   names
	node    string // this one, in what it says to the others
	calls   *nats.Conn
	live    *nats.Conn
	js      jetstream.JetStream
	ctx     context.Context
	cancel  context.CancelFunc
	closing sync.Once
	closed  chan struct{} // holds one for each connection that has ended

	stream stream
	gate   gate
	feeds  feeds
	peers  peers
	level  atomic.Pointer[hub.Level]
	trims  atomic.Uint64 // publications of channels that keep nothing
	keeper keeper

	witness bool // owned by the keeper: this node knew the stream before its servers may have been restarted
}

// New connects to NATS and makes the stream if there is none. Its error says why that
// did not succeed before ctx ended, and shows no password.
func New(ctx context.Context, config Config) (*Broker, error) {
	config = config.withDefaults()
	if !validPrefix(config.Prefix) {
		return nil, fmt.Errorf("nats: %q is no prefix: letters, digits, - and _", config.Prefix)
	}
	b := &Broker{config: config, names: names{config.Prefix}, node: rand.Text(), closed: make(chan struct{}, 2)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.feeds.init()
	b.peers.init()
	b.gate.init()
	b.keeper.init()
	if err := b.open(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	return b, nil
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "rw"
	}
	if c.StateTime == 0 {
		c.StateTime = 7 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func validPrefix(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// open connects, finds the stream and listens.
func (b *Broker) open(ctx context.Context) (err error) {
	if b.calls, err = b.connect(ctx, "calls"); err != nil {
		return err
	}
	if b.live, err = b.connect(ctx, "live"); err != nil {
		return err
	}
	if b.js, err = jetstream.New(b.calls); err != nil {
		return err
	}
	if err := b.stream.find(ctx, b); err != nil {
		return err
	}
	if err := b.feeds.listen(b); err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	b.gate.open(b.gate.cuts())
	b.keeper.start(b)
	return nil
}

// connect makes one connection. It is made anew whenever it is lost, and the gate hears of that first.
func (b *Broker) connect(ctx context.Context, name string) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("ropewalk " + name), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.Timeout(timeLeft(ctx, 2*time.Second)),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ReconnectBufSize(-1), // what is published while there is no connection fails at once
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.cut()
			if err != nil {
				b.config.Log.Warn("nats: the connection is lost", "error", err)
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { b.closed <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) { b.keeper.wake() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.config.Log.Warn("nats: the connection complains", "error", err)
			b.keeper.lost()
		}),
	}
	if b.config.Credentials != "" {
		options = append(options, nats.UserCredentials(b.config.Credentials))
	}
	if b.config.CA != "" {
		options = append(options, nats.RootCAs(b.config.CA))
	}
	url := b.config.URL
	if b.config.inside != nil {
		url = ""
		options = append(options, nats.InProcessServer(b.config.inside), nats.UserInfo(insideUser, b.config.password))
	} else {
		options = append(options, nats.SetCustomDialer(dialer{b}))
	}
	for {
		conn, err := nats.Connect(url, options...)
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, nats.ErrAuthorization) || !pause(ctx, 50*time.Millisecond) {
			return nil, errors.Join(redact(err), ctx.Err())
		}
	}
}

// redact leaves out of an error what may hold a password: an address that cannot be read.
func redact(err error) error {
	if strings.Contains(err.Error(), "://") {
		return errors.New("not an address of NATS")
	}
	return err
}

// timeLeft returns how long ctx lasts, and at most limit.
func timeLeft(ctx context.Context, limit time.Duration) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return max(min(time.Until(end), limit), time.Millisecond)
	}
	return limit
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A dialer closes the gate before there is another connection: whoever is at the other end may not
// be who was there.
type dialer struct{ b *Broker }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	d.b.cut()
	dial := net.Dialer{Timeout: 2 * time.Second}
	return dial.DialContext(d.b.ctx, network, address)
}

// Close ends all connections, and the server in this process. No sink is called any more once it has
// returned.
func (b *Broker) Close() { b.closing.Do(b.close) }

func (b *Broker) close() {
	b.cancel()
	b.keeper.close()
	if b.live != nil && b.live.IsConnected() {
		b.sayGoodbye()
	}
	for _, conn := range []*nats.Conn{b.live, b.calls} {
		if conn != nil {
			conn.Close()
			<-b.closed
		}
	}
	b.feeds.close()
	if b.config.inside != nil {
		stop(b.config.inside)
	}
}
