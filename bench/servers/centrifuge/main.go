// Command centrifuge is a server with channels around the Centrifuge library, as
// its documentation has one, under load.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

// What a channel keeps: as much as the other servers do.
const (
	history     = 1000
	historyTime = 10 * time.Minute
)

func main() {
	tuned := flag.Bool("tuned", false, "with the library's options for many idle connections")
	queue := flag.Int("queue", 0, "most `bytes` that wait for one client, 0 for the default")
	var p publishing
	flag.StringVar(&p.redis, "redis", "", "publish to the Redis at this `address`, and serve nothing")
	flag.IntVar(&p.messages, "messages", 10000, "how many to publish")
	flag.IntVar(&p.parallel, "parallel", 64, "how many at once")
	flag.IntVar(&p.channels, "channels", 100, "in how many channels")
	flag.BoolVar(&p.ids, "ids", false, "each has an id, which the broker remembers")
	flag.Parse()
	serve := func() error { return run(*tuned, *queue) }
	if p.redis != "" {
		serve = p.run
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(tuned bool, queue int) error {
	node, err := centrifuge.New(centrifuge.Config{ClientQueueMaxSize: queue})
	if err != nil {
		return err
	}
	broker, err := centrifuge.NewMemoryBroker(node, centrifuge.MemoryBrokerConfig{})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}, WriteWithTimer: tuned}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: true}}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		UseWriteBufferPool: tuned, ProcessCommandsOffReadLoop: tuned,
	}))
	http.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) { publish(node, w, r) })
	fmt.Println(l.Addr())
	go obey()
	return http.Serve(l, nil)
}

// publish has data published in channels.
func publish(node *centrifuge.Node, w http.ResponseWriter, r *http.Request) {
	var message struct {
		Channels []string        `json:"channels"`
		Data     json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, channel := range message.Channels {
		if _, err := node.Publish(channel, message.Data, centrifuge.WithHistory(history, historyTime)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// obey does what standard input says and ends the process with it. Package server
// of the module bench has the same; this module stands alone, since what the library
// needs must not decide what the programs of the workspace are built from.
func obey() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		verb, file, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "tidy":
			runtime.GC()
			debug.FreeOSMemory()
		case "profile":
			if err := profile(file); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		fmt.Println(verb)
	}
	os.Exit(0)
}

// profile begins a profile of processor time, or ends it when file is empty.
func profile(file string) error {
	if file == "" {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}
