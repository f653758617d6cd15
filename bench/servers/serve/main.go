// Command serve is this tree's server under load: what `ropewalk serve` runs, with
// the command line of the other servers.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"

	bench "github.com/seed-15847954/ropewalk/bench/server"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/server"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect" // as cmd/ropewalk has it
)

func main() {
	channels := server.DefaultOptions()
	config := server.Config{Channels: &channels}
	slow := flag.String("slow", channels.Slow.String(), "what becomes of a subscriber that does not keep up")
	flag.IntVar(&config.MaxQueue, "queue", 0, "most `bytes` that wait for one client, 0 for the default")
	flag.BoolVar(&channels.Presence, "presence", false, "keep who is subscribed")
	bench.Main(func(l net.Listener, _ bench.Options) error {
		policy, ok := hub.ParsePolicy(*slow)
		if !ok {
			return fmt.Errorf("-slow: there is no %q", *slow)
		}
		channels.Slow, channels.Joins = policy, channels.Presence
		s, err := server.New(config, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			return err
		}
		return s.Serve(context.Background(), l)
	})
}
