//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/interop/process"
)

var faultSeed = flag.Uint64("sdk.seed", 0, "what the faults of TestSDKFaults follow; 0 is the time")

// faultConfig gives the channels of the test their histories: all, very little, none.
const faultConfig = `
channels:
  history: 0
namespaces:
  - pattern: deep.**
    history: 100000
  - pattern: short.**
    history: 5
`

// Patience with one step: the faults are over in seconds, unless something is wrong.
const faultPatience = 40 * time.Second

// A job is one client of sdk/js/live/faults.js.
type job struct {
	Client     string   `json:"client"`
	URL        string   `json:"url"`
	Transports []string `json:"transports,omitempty"`
	Encoding   string   `json:"encoding"`
	Channels   []string `json:"channels"`
}

// A client for JavaScript loses nothing in silence, whatever carries it: not when its connection breaks
// anywhere in either direction, nor when answers are lost, the server is restarted, or the history is too
// short. What the application is told is in order, whole, and once, or declared lost.
func TestSDKFaults(t *testing.T) {
	w := newFaultWorld(t)
	ways := [][2]string{
		{"websocket", "json"},
		{"websocket", "protobuf"},
		{"sse", "json"},
		{"stream", "json"},
		{"stream", "protobuf"},
		{"poll", "json"},
		{"poll", "protobuf"},
	}
	for _, way := range ways {
		w.add(way[0]+" "+way[1], w.newCutter().url(), way[1], way[0])
	}
	w.add("poll with lost answers", newLoser(t, w.addr), "json", "poll")
	w.add("websocket refused", newBlocker(t, w.addr, false), "protobuf")
	w.start(1)
	w.await("are live", w.anywhere())

	// Connections break in the middle of everything.
	const faults, batches = 20, 10
	for _, c := range w.cutters {
		c.spoil(faults)
	}
	for n := 0; slices.ContainsFunc(w.cutters, func(c *cutter) bool { return c.left() > 0 }); n++ {
		w.publishPaced()
		if n%batches == batches-1 { // one that is left alone would not break
			w.cutters[w.rng.IntN(len(w.cutters))].cut()
		}
	}
	w.settle()

	// More is published while they are away than the short histories keep.
	w.away(10)
	for _, j := range w.jobs[:len(ways)] {
		for i, name := range w.channels {
			if strings.HasPrefix(name, "short") && !slices.Contains(w.judge.reasons(j.Client, i), "trimmed") {
				t.Errorf("%s: nothing was said about what the history of %.10s did not keep", j.Client, name)
			}
		}
	}

	// The server goes away with its epochs, and its connections in order, in the middle of publications.
	stopped := w.stop()
	for there := true; there; {
		select {
		case <-stopped:
			there = false
		default:
			w.publishPaced()
		}
	}
	w.serve()
	w.settle()
	for _, j := range w.jobs {
		for i, name := range w.channels {
			if r := w.judge.reasons(j.Client, i); !slices.Contains(r, "epoch") && !strings.HasPrefix(name, "none") {
				t.Errorf("%s: nothing was said about the new life of %.10s: %v", j.Client, name, r)
			}
		}
	}

	// Nothing comes behind what was missed.
	w.away(1)
	w.end()
}

// A client whose WebSocket is taken and then answered with silence goes on over another
// transport, and gets everything from there.
func TestSDKSilentWebSocket(t *testing.T) {
	w := newFaultWorld(t)
	w.add("websocket silent", newBlocker(t, w.addr, true), "json")
	w.start(20)
	w.await("are live", w.anywhere())
	for range 20 {
		w.publishPaced()
	}
	w.settle()
	w.end()
}

// A faultWorld is a server, what stands before it, and the clients behind that.
type faultWorld struct {
	t        *testing.T
	rng      *rand.Rand
	addr     string
	server   *process.Process
	cutters  []*cutter
	jobs     []job
	judge    *judge
	channels []string
	pace     *time.Ticker
	batches  int
	tops     []place // of the channels
	node     *exec.Cmd
	stdin    io.Closer
	stderr   bytes.Buffer
	heard    chan struct{} // closed when the clients tell nothing more
}

func newFaultWorld(t *testing.T) *faultWorld {
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("again with -args -sdk.seed=%d", seed)
	w := &faultWorld{t: t, rng: rand.New(rand.NewPCG(seed, 0)), addr: freeAddr(t), pace: time.NewTicker(25 * time.Millisecond)}
	// So long that some do not fit into connect, and are asked for by commands.
	for i := range 6 {
		w.channels = append(w.channels, fmt.Sprintf("deep.%d%s", i, strings.Repeat("-", 230)))
	}
	for i := range 4 {
		w.channels = append(w.channels, fmt.Sprintf("short.%d%s", i, strings.Repeat("-", 230)))
	}
	w.channels = append(w.channels, "none", fmt.Sprintf("deep.9%s", strings.Repeat("-", 230)))
	w.tops = make([]place, len(w.channels))
	w.judge = newJudge(w.channels)
	w.serve()
	return w
}

func (w *faultWorld) serve() {
	config := filepath.Join(w.t.TempDir(), "ropewalk.yaml")
	if err := os.WriteFile(config, []byte(faultConfig), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.server = start(w.t, w.addr, ropewalk, "serve", "--config", config, "--listen", w.addr)
}

func (w *faultWorld) newCutter() *cutter {
	c := newCutter(w.t, w.addr, rand.New(rand.NewPCG(w.rng.Uint64(), 0)))
	w.cutters = append(w.cutters, c)
	return c
}

func (w *faultWorld) add(client, url, encoding string, transports ...string) {
	w.jobs = append(w.jobs, job{client, url, transports, encoding, w.channels})
}

// start starts the clients, whose time goes so many times as fast.
func (w *faultWorld) start(hasten int) {
	node(w.t, nil, "npm", "run", "--silent", "build")
	w.node = exec.Command(tool(w.t, "node"), "--input-type=module", "-e", `
		import { WebSocket } from "ws";
		import { Ropewalk } from "./dist/index.js";
		import { follow } from "./live/faults.js";
		const { hasten, jobs } = JSON.parse(process.env.FAULTS);
		const { setTimeout } = globalThis;
		globalThis.setTimeout = (f, ms, ...args) => setTimeout(f, ms / hasten, ...args);
		follow({ Ropewalk, WebSocket, jobs, tell: (line) => console.log(JSON.stringify(line)) });
		process.stdin.on("end", () => process.exit()).resume();`)
	w.node.Dir = sdk
	w.node.Env = append(os.Environ(), "FAULTS="+toJSON(w.t, map[string]any{"hasten": hasten, "jobs": w.jobs}))
	w.node.Stderr = &w.stderr
	stdin, err := w.node.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	r, out := io.Pipe()
	w.node.Stdout, w.stdin, w.heard = out, stdin, make(chan struct{})
	if err := w.node.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(w.heard)
		w.judge.hear(r, os.Stderr)
	}()
	w.t.Cleanup(func() {
		_ = stdin.Close()
		err := w.node.Wait()
		_ = out.Close()
		<-w.heard
		if err != nil || w.t.Failed() {
			w.t.Logf("node: %v\n%s", err, w.stderr.String())
		}
	})
}

// publishPaced publishes a message in each channel when it is time for the next batch. What
// becomes of them while the server goes away is left open.
func (w *faultWorld) publishPaced() {
	<-w.pace.C
	w.publish()
}

// publish reports whether all messages were published.
func (w *faultWorld) publish() bool {
	type message struct {
		Channel string `json:"channel"`
		Data    string `json:"data"`
	}
	w.batches++
	var all []message
	for i, channel := range w.channels {
		all = append(all, message{channel, fmt.Sprint(i, ".", w.batches, strings.Repeat("ö", w.rng.IntN(200)))})
	}
	var answer struct {
		Results []struct{ Published *place }
	}
	resp, err := http.Post("http://"+w.addr+"/api/publish_batch", "application/json", strings.NewReader(toJSON(w.t, map[string]any{"messages": all})))
	if err == nil {
		_ = json.NewDecoder(resp.Body).Decode(&answer) // what is missing is unsure
		_ = resp.Body.Close()
	}
	whole := true
	for i, m := range all {
		if i >= len(answer.Results) || answer.Results[i].Published == nil {
			whole = false
			w.judge.unsure(m.Data)
			continue
		}
		w.tops[i] = *answer.Results[i].Published
		w.judge.sent(m.Channel, m.Data, w.tops[i])
	}
	return whole
}

// away publishes batches that nobody is there for, and waits until everybody has come back.
func (w *faultWorld) away(batches int) {
	for _, c := range w.cutters {
		c.hold(true)
	}
	for range batches {
		if !w.publish() {
			w.t.Fatal("the server does not publish")
		}
	}
	for _, c := range w.cutters {
		c.hold(false)
	}
	w.await("have come back", w.tops)
}

// settle publishes once more, and waits until everybody is there.
func (w *faultWorld) settle() {
	w.t.Helper()
	if !w.publish() {
		w.t.Fatal("the server does not publish")
	}
	w.await("have everything", w.tops)
}

// stop ends the server in order, and returns a channel that is closed when it has ended.
func (w *faultWorld) stop() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := w.server.Stop(); err != nil {
			w.t.Error(err)
		}
	}()
	return over
}

func (w *faultWorld) anywhere() []place {
	return slices.Repeat([]place{{Offset: -1}}, len(w.channels))
}

// await waits until every client is at these places, by channel.
func (w *faultWorld) await(what string, at []place) {
	w.t.Helper()
	var clients []string
	for _, j := range w.jobs {
		clients = append(clients, j.Client)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), faultPatience)
	defer cancel()
	for {
		behind := w.judge.behind(clients, at)
		if len(behind) == 0 {
			return
		}
		select {
		case <-w.judge.changed:
		case <-w.heard:
			w.t.Fatalf("the clients have ended\n%s", w.stderr.String())
		case <-ctx.Done():
			w.t.Fatalf("not all %s:\n%s\nverdict:\n%s", what, strings.Join(behind, "\n"), strings.Join(w.judge.verdict(), "\n"))
		}
	}
}

// end judges.
func (w *faultWorld) end() {
	for _, wrong := range w.judge.verdict() {
		w.t.Error(wrong)
	}
	w.t.Logf("%d batches, %d connections ended, %d publications, %d gaps, %d recoveries",
		w.batches, len(w.judge.ends), w.judge.count("publication"), w.judge.count("gap"), w.judge.count("recovered"))
}
