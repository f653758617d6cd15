package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// dialTime bounds the connecting with one server, and heartbeat finds out that it is gone.
	dialTime  = 2 * time.Second
	heartbeat = 2 * time.Second

	// againTime is between two tries.
	againTime = 200 * time.Millisecond
)

// A link is a connection that is made anew when it is lost. All methods may be called at once.
type link struct {
	config Config
	ctx    context.Context
	cancel context.CancelFunc

	running sync.WaitGroup

	mu   sync.Mutex // held while connecting
	conn *amqp.Connection
}

func newLink(config Config) *link {
	l := &link{config: config}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends the connection for good.
func (l *link) close() {
	l.cancel()
	l.mu.Lock()
	if l.conn != nil {
		_ = l.conn.CloseDeadline(time.Now().Add(dialTime)) // it may be lost
	}
	l.mu.Unlock()
	l.running.Wait()
}

// channel opens a channel.
func (l *link) channel() (*amqp.Channel, *amqp.Connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, nil, amqp.ErrClosed
	}
	if l.conn == nil || l.conn.IsClosed() {
		conn, err := l.dial()
		if err != nil {
			return nil, nil, err
		}
		l.conn = conn
	}
	ch, err := l.conn.Channel()
	return ch, l.conn, err
}

// renew has the next channel be one of another connection, with any of the servers. conn is the connection of
// whoever is not content; another one has taken its place already if it is not the present one.
func (l *link) renew(conn *amqp.Connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn || conn == nil {
		return
	}
	l.conn = nil
	l.running.Go(func() { _ = conn.CloseDeadline(time.Now().Add(dialTime)) }) // it may be lost
}

// dial connects with one of the servers.
func (l *link) dial() (*amqp.Connection, error) {
	var all []error
	for _, i := range rand.Perm(len(l.config.Addrs)) {
		scheme := "amqp"
		if l.config.TLS != nil {
			scheme = "amqps"
		}
		u := url.URL{Scheme: scheme, User: url.UserPassword(l.config.User, l.config.Password), Host: l.config.Addrs[i], Path: "/"}
		conn, err := amqp.DialConfig(u.String(), amqp.Config{
			Vhost: l.config.VHost, Heartbeat: heartbeat, TLSClientConfig: l.config.TLS, Properties: amqp.Table{"connection_name": "ropewalk"},
			Dial: func(network, addr string) (net.Conn, error) {
				d := net.Dialer{Timeout: dialTime}
				conn, err := d.DialContext(l.ctx, network, addr)
				if err == nil {
					err = conn.SetDeadline(time.Now().Add(2 * dialTime)) // of the handshake; the client lifts it
				}
				return conn, err
			},
		})
		if err == nil {
			return conn, nil
		}
		all = append(all, fmt.Errorf("%s: %w", l.config.Addrs[i], redact(err)))
	}
	return nil, errors.Join(all...)
}

// redact leaves out of an error what may hold a password.
func redact(err error) error {
	if strings.Contains(err.Error(), "://") {
		return errors.New("not an address")
	}
	return err
}

// again waits until it is time for another try, and reports whether ctx goes on.
func again(ctx context.Context) bool {
	timer := time.NewTimer(againTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
