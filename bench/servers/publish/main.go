// Command publish publishes to a broker of this tree as fast as that answers, and says how long
// it took and what processor time it has used, as a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-15847954/ropewalk/broker/nats"
	"github.com/seed-15847954/ropewalk/broker/registry"
	"github.com/seed-15847954/ropewalk/hub"
)

// kept is what a channel keeps: as much as with the other library.
var kept = hub.Options{History: 1000, HistoryTime: 10 * time.Minute, Dedup: 5 * time.Minute}

func main() {
	broker := flag.String("broker", "", "name of the broker")
	data := flag.String("data", "", "folder of a broker in the process")
	messages := flag.Int("messages", 10000, "how many")
	parallel := flag.Int("parallel", 64, "how many at once")
	channels := flag.Int("channels", 100, "in how many channels")
	ids := flag.Bool("ids", false, "each has an id, which the broker remembers")
	flag.Parse()
	if err := run(*broker, *data, *messages, *parallel, *channels, *ids); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name, data string, messages, parallel, channels int, ids bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	b, err := registry.Open(ctx, name, registry.Options{
		Embedded: nats.EmbeddedConfig{Dir: data}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer b.Close()
	publish := func(i int) error {
		m := hub.Message{Channel: fmt.Sprint("channel ", i%channels), Data: []byte(`"` + strings.Repeat("x", 126) + `"`)}
		if ids {
			m.ID = fmt.Sprint(i)
		}
		_, err := b.Publish(ctx, m, hub.PublishOptions{Options: &kept})
		return err
	}
	for i := range channels { // makes the channels
		if err := publish(messages + i); err != nil {
			return err
		}
	}
	began, used := time.Now(), cpu()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range parallel {
		all.Go(func() {
			for i := next.Add(1); i <= int64(messages); i = next.Add(1) {
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
