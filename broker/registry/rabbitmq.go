package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/seed-15847954/ropewalk/broker/rabbitmq"
	"github.com/seed-15847954/ropewalk/hub"
)

// errRabbitMQ is why a URL does not name a RabbitMQ.
var errRabbitMQ = errors.New("not a URL of RabbitMQ: amqp://[user:password@]host[:port][,host...][/vhost], or amqps:// for TLS, with prefix, partitions, state and ca")

// parseRabbitMQ takes such a URL.
func parseRabbitMQ(u *url.URL) (opener, error) {
	query := u.Query()
	take := func(key string) string {
		v := query.Get(key)
		query.Del(key)
		return v
	}
	config := rabbitmq.Config{Prefix: take("prefix"), VHost: strings.TrimPrefix(u.Path, "/")}
	ca, port := take("ca"), "5672"
	if u.Scheme == "amqps" {
		config.TLS, port = new(tls.Config), "5671"
	}
	if err := errors.Join(number(take("partitions"), &config.Partitions), duration(take("state"), &config.StateTime)); err != nil {
		return nil, errRabbitMQ
	}
	if u.Host == "" || len(query) > 0 || ca != "" && config.TLS == nil {
		return nil, errRabbitMQ
	}
	if u.User != nil {
		config.User = u.User.Username()
		config.Password, _ = u.User.Password()
	}
	for addr := range strings.SplitSeq(u.Host, ",") {
		if addr == "" {
			return nil, errRabbitMQ
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(strings.Trim(addr, "[]"), port)
		}
		config.Addrs = append(config.Addrs, addr)
	}
	return func(ctx context.Context, o Options) (hub.Broker, func(), error) {
		config.Log, config.MaxHistory = o.Log, o.MaxHistory
		if err := trust(ca, config.TLS); err != nil {
			return nil, nil, err
		}
		b, err := rabbitmq.New(ctx, config)
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}, nil
}
