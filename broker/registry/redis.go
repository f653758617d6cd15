package registry

import (
	"context"
	"errors"
	"net/url"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/broker/redis"
	"github.com/seed-15847954/ropewalk/hub"
)

// parseRedis takes a URL as rueidis does.
func parseRedis(u *url.URL) (opener, error) {
	option, err := rueidis.ParseURL(u.String())
	if err != nil {
		return nil, errors.New("not a URL of Redis")
	}
	return func(ctx context.Context, o Options) (hub.Broker, func(), error) {
		b, err := redis.New(ctx, redis.Config{Client: option, Log: o.Log})
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}, nil
}
