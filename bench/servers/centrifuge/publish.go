package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

// A publishing is what the program does instead of serving: it publishes to the library's broker
// on a Redis as fast as that answers, and says how long it took and what processor time it has
// used, as a line of JSON. bench/servers/publish does the same with the brokers of this tree.
type publishing struct {
	redis                        string
	messages, parallel, channels int
	ids                          bool
}

func (p publishing) run() error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: p.redis})
	if err != nil {
		return err
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	if err := node.Run(); err != nil {
		return err
	}
	data := []byte(`"` + strings.Repeat("x", 126) + `"`)
	publish := func(i int) error {
		options := []centrifuge.PublishOption{centrifuge.WithHistory(history, historyTime)}
		if p.ids {
			options = append(options, centrifuge.WithIdempotencyKey(fmt.Sprint(i)), centrifuge.WithIdempotentResultTTL(5*time.Minute))
		}
		_, err := node.Publish(fmt.Sprint("channel ", i%p.channels), data, options...)
		return err
	}
	for i := range p.channels { // makes the channels
		if err := publish(p.messages + i); err != nil {
			return err
		}
	}
	began, used := time.Now(), cpu()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range p.parallel {
		all.Go(func() {
			for i := next.Add(1); i <= int64(p.messages); i = next.Add(1) {
				if err := publish(int(i) - 1); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]time.Duration{"elapsed": time.Since(began), "cpu": cpu() - used})
}

// cpu returns the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails for this process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
