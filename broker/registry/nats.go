package registry

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/seed-15847954/ropewalk/broker/nats"
	"github.com/seed-15847954/ropewalk/hub"
)

// Embedded names the broker on servers inside the nodes.
const Embedded = "embedded"

// parseNATS takes nats://[user[:password]@]host[:port][,host...] with ?creds=, ?ca= and ?prefix=.
func parseNATS(u *url.URL) (opener, error) {
	query := u.Query()
	config := nats.Config{Credentials: query.Get("creds"), CA: query.Get("ca"), Prefix: query.Get("prefix")}
	for _, known := range []string{"creds", "ca", "prefix"} {
		query.Del(known)
	}
	if u.Host == "" || strings.Trim(u.Path, "/") != "" || len(query) > 0 {
		return nil, errors.New("not a URL of NATS")
	}
	var hosts []string
	for host := range strings.SplitSeq(u.Host, ",") {
		if host == "" {
			return nil, errors.New("not a URL of NATS")
		}
		one := url.URL{Scheme: u.Scheme, User: u.User, Host: host}
		hosts = append(hosts, one.String())
	}
	config.URL = strings.Join(hosts, ",")
	return func(ctx context.Context, o Options) (hub.Broker, func(), error) {
		config.Log = o.Log
		b, err := nats.New(ctx, config)
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}, nil
}

func openEmbedded(ctx context.Context, o Options) (hub.Broker, func(), error) {
	o.Embedded.Log = o.Log
	b, err := nats.NewEmbedded(ctx, o.Embedded)
	if err != nil {
		return nil, nil, err
	}
	return b, b.Close, nil
}
