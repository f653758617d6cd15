//go:build interop

package interop

import (
	"slices"
	"strings"
	"testing"
)

// A client for JavaScript loses nothing in silence, whatever carries it: not when its connection breaks
// anywhere in either direction, nor when answers are lost, the server is restarted, or the history is too
// short. What the application is told is in order, whole, and once, or declared lost.
func TestSDKFaults(t *testing.T) {
	w := newFaultWorld(t)
	w.addAll()
	w.start(1)
	w.faults(20)
}

// The same in a browser, whose transports are others. (Firefox lets a page whose WebSockets break wait
// for up to a minute before the next, which is more patience than a test has.)
func TestSDKFaultsInChromium(t *testing.T) {
	w := newFaultWorld(t)
	w.addAll()
	w.startIn(launch(t, "chrome", tool(t, "chromium")))
	w.faults(6)
}

// addAll adds a client for every way to speak with the server, whose connections break,
// and some with troubles of their own.
func (w *faultWorld) addAll() {
	for _, way := range [][2]string{
		{"websocket", "json"},
		{"websocket", "protobuf"},
		{"sse", "json"},
		{"stream", "json"},
		{"stream", "protobuf"},
		{"poll", "json"},
		{"poll", "protobuf"},
	} {
		w.add(way[0]+" "+way[1], w.newCutter().url(), way[1], way[0])
	}
	w.add("poll with lost answers", newLoser(w.t, w.addr), "json", "poll")
	w.add("websocket refused", newBlocker(w.t, w.addr, false), "protobuf")
}

// faults has everything go wrong, one after the other, and judges. Each client has so many
// connections broken.
func (w *faultWorld) faults(breaks int) {
	w.await("are live", w.anywhere())

	// Connections break in the middle of everything.
	const batches = 10
	for _, c := range w.cutters {
		c.spoil(breaks)
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
	for _, j := range w.jobs[:len(w.cutters)] {
		for i, name := range w.channels {
			if strings.HasPrefix(name, "short") && !slices.Contains(w.judge.reasons(j.Client, i), "trimmed") {
				w.t.Errorf("%s: nothing was said about what the history of %.10s did not keep", j.Client, name)
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
				w.t.Errorf("%s: nothing was said about the new life of %.10s: %v", j.Client, name, r)
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
