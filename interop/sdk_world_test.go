//go:build interop

package interop

import (
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

// A faultWorld is a server, what stands before it, and the clients behind that.
type faultWorld struct {
	t        *testing.T
	rng      *rand.Rand
	addr     string
	config   string // file of the server
	server   *process.Process
	cutters  []*cutter
	jobs     []job
	judge    *judge
	channels []string
	pace     *time.Ticker
	batches  int
	tops     []place // of the channels
	page     string  // address of a page for browsers
}

func newFaultWorld(t *testing.T) *faultWorld {
	w := prepareFaultWorld(t)
	w.serve()
	return w
}

// prepareFaultWorld leaves it to the caller to start a server.
func prepareFaultWorld(t *testing.T) *faultWorld {
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
	origin := w.servePage()
	w.page = origin + "/page"
	w.config = filepath.Join(t.TempDir(), "ropewalk.yaml")
	if err := os.WriteFile(w.config, []byte(faultConfig+"origins: ["+origin+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// serve starts the server.
func (w *faultWorld) serve() {
	w.server = start(w.t, w.addr, ropewalk, "serve", "--config", w.config, "--listen", w.addr)
}

func (w *faultWorld) newCutter() *cutter {
	c := newCutter(w.t, w.addr, rand.New(rand.NewPCG(w.rng.Uint64(), 0)))
	w.cutters = append(w.cutters, c)
	return c
}

func (w *faultWorld) add(client, url, encoding string, transports ...string) {
	w.jobs = append(w.jobs, job{client, url, transports, encoding, w.channels})
}

// start starts the clients in Node, where their time goes so many times as fast.
func (w *faultWorld) start(hasten int) {
	node(w.t, nil, "npm", "run", "--silent", "build")
	cmd := exec.Command(tool(w.t, "node"), "--input-type=module", "-e", `
		import { WebSocket } from "ws";
		import { Ropewalk } from "./dist/index.js";
		import { follow } from "./live/faults.js";
		const { hasten, jobs } = JSON.parse(process.env.FAULTS);
		const { setTimeout } = globalThis;
		globalThis.setTimeout = (f, ms, ...args) => setTimeout(f, ms / hasten, ...args);
		follow({ Ropewalk, WebSocket, jobs, tell: (line) => console.log(JSON.stringify(line)) });`)
	cmd.Dir = sdk
	cmd.Env = append(os.Environ(), "FAULTS="+toJSON(w.t, map[string]any{"hasten": hasten, "jobs": w.jobs}))
	r, out := io.Pipe()
	cmd.Stdout = out
	p, err := process.Start(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		w.judge.hear(r)
	}()
	w.t.Cleanup(func() {
		stop(w.t, p)
		_ = out.Close()
		<-heard
	})
}

// startIn starts the clients in a browser, on a page that is served by another server
// than theirs.
func (w *faultWorld) startIn(b *browser) {
	node(w.t, nil, "npm", "run", "--silent", "build")
	b.open(w.page).run(`
		const { Ropewalk } = await import("/dist/ropewalk.min.js");
		const { follow } = await import("/live/faults.js");
		let lines = [];
		let telling = false;
		const tell = async (line) => {
			lines.push(JSON.stringify(line) + "\n");
			if (telling) return;
			telling = true;
			while (lines.length) {
				const body = lines.join("");
				lines = [];
				await fetch("/tell", { method: "POST", body });
			}
			telling = false;
		};
		follow({ Ropewalk, tell, jobs: `+toJSON(w.t, w.jobs)+` });`, nil)
}

// servePage serves a page for the clients, what it needs, and the way to tell what they see.
// It returns its address.
func (w *faultWorld) servePage() string {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(sdk)))
	mux.HandleFunc("GET /page", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, "<!doctype html><title>faults</title>")
	})
	mux.HandleFunc("POST /tell", func(_ http.ResponseWriter, r *http.Request) { w.judge.hear(r.Body) })
	return serveGateway(w.t, mux)
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
