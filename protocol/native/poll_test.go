package native

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A poller sends polls one by one, as a test wants them.
type poller struct {
	t       *testing.T
	b       *backEnd
	session string
	first   uint64 // the number of the first batch
}

// batch returns the number of the nth batch.
func (p *poller) batch(n uint64) string { return strconv.FormatUint(p.first+n-1, 10) }

func newPoller(t *testing.T, connect string) *poller {
	t.Helper()
	p := &poller{t: t, b: newBackEnd(t, Config{Node: "n1"})}
	w := p.poll("", connect)
	_, rest, _ := strings.Cut(w.Body.String(), `"session":"`)
	p.session, _, _ = strings.Cut(rest, `"`)
	var err error
	p.first, err = strconv.ParseUint(w.Header().Get("Ropewalk-Batch"), 10, 64)
	if p.session == "" || err != nil {
		t.Fatalf("first poll = %d %s, %v", w.Code, w.Body, err)
	}
	return p
}

// poll polls, acknowledging a batch.
func (p *poller) poll(batch, body string) *httptest.ResponseRecorder {
	header := []string{"Content-Type", "application/json"}
	if p.session != "" {
		header = append(header, "Ropewalk-Session", p.session, "Ropewalk-Batch", batch)
	}
	return p.b.request(p.t.Context(), http.MethodPost, "/connection/poll", body, header...)
}

func (p *poller) publish(data string) {
	p.t.Helper()
	if _, err := p.b.Hub.Publish(p.t.Context(), hub.Message{Channel: "news", Data: []byte(data)}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// expect checks an answer: the batch and a text in it.
func (p *poller) expect(w *httptest.ResponseRecorder, batch, text string) {
	p.t.Helper()
	if got := w.Header().Get("Ropewalk-Batch"); w.Code != http.StatusOK || got != batch || !strings.Contains(w.Body.String(), text) {
		p.t.Errorf("poll = %d %s, batch %q, want batch %q with %s", w.Code, w.Body, got, batch, text)
	}
}

const subscribedNews = `{"id":1,"connect":{"subscriptions":[{"channel":"news"}]}}`

// A batch whose answer was lost is given again until a poll has acknowledged it, and
// what comes meanwhile is in the next.
func TestPollLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		p.publish("1")
		p.expect(p.poll(p.batch(1), ""), p.batch(2), `"data":1`)
		p.publish("2")
		lost := p.poll(p.batch(1), "")
		p.expect(lost, p.batch(2), `"data":1`)
		if strings.Contains(lost.Body.String(), `"data":2`) {
			t.Errorf("the batch has changed: %s", lost.Body)
		}
		for _, unknown := range []string{"", p.batch(3), "x", "0" + p.batch(2), "1"} {
			p.expect(p.poll(unknown, ""), p.batch(2), `"data":1`)
		}
		next := p.poll(p.batch(2), "")
		p.expect(next, p.batch(3), `"data":2`)
		if strings.Contains(next.Body.String(), `"data":1`) {
			t.Errorf("the batch that was acknowledged comes again: %s", next.Body)
		}
		p.b.Wait()
	})
}

// A poll waits for something to answer, and is answered with nothing in the end.
func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		begin := time.Now()
		p.expect(p.poll(p.batch(1), ""), "", "[]")
		if took := time.Since(begin); took != pollTime {
			t.Errorf("a poll took %v, want %v", took, pollTime)
		}
		time.AfterFunc(time.Second, func() { p.publish("1") })
		begin = time.Now()
		p.expect(p.poll(p.batch(1), ""), p.batch(2), `"data":1`)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("a poll took %v, want 1s", took)
		}
		p.expect(p.poll(p.batch(2), `{"id":2,"ping":{}}`), p.batch(3), `[{"id":2,"ping":{}}]`)
		p.b.Wait()
	})
}

// The second of two polls is the one that is served.
func TestPollReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		first, second := make(chan *httptest.ResponseRecorder, 1), make(chan *httptest.ResponseRecorder, 1)
		go func() { first <- p.poll(p.batch(1), "") }()
		synctest.Wait()
		go func() { second <- p.poll(p.batch(1), "") }()
		if w := <-first; w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "poll_replaced") {
			t.Errorf("the first poll = %d %s, want 409 poll_replaced", w.Code, w.Body)
		}
		p.publish("1")
		p.expect(<-second, p.batch(2), `"data":1`)
		p.b.Wait()
	})
}

// Whoever breaks off a poll loses nothing.
func TestPollBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.b.request(ctx, http.MethodPost, "/connection/poll", "", "Content-Type", "application/json", "Ropewalk-Session", p.session, "Ropewalk-Batch", p.batch(1))
		p.publish("1")
		p.expect(p.poll(p.batch(1), ""), p.batch(2), `"data":1`)
		p.b.Wait()
	})
}

// A session that nobody polls has lost its connection after pollPause.
func TestPollPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		begin := time.Now()
		p.b.Wait()
		if took := time.Since(begin); took != pollPause {
			t.Errorf("the session lived for %v, want %v", took, pollPause)
		}
		if w := p.poll(p.batch(1), ""); w.Code != http.StatusNotFound {
			t.Errorf("a poll behind that = %d %s, want 404", w.Code, w.Body)
		}
		if got := fmt.Sprint(p.b.counter.closed); got != "[1006]" {
			t.Errorf("closed with %s, want [1006]", got)
		}
	})
}

// What ends the session is the last batch. It is there to be asked for again like others.
func TestPollEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		p.expect(p.poll(p.batch(1), `{"id":1,"ping":{}}`), p.batch(2), `[{"disconnect":{"code":4102,`)
		p.b.Wait()
		if w := p.poll(p.batch(2), ""); w.Code != http.StatusNotFound {
			t.Errorf("a poll behind the last batch = %d %s, want 404", w.Code, w.Body)
		}
	})
}

// stick sends a poll whose answer nobody takes. The channel is closed when it is served.
func (p *poller) stick() <-chan struct{} {
	served := make(chan struct{})
	go func() {
		defer close(served)
		r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, "/connection/poll", nil)
		r.Header = http.Header{"Content-Type": {"application/json"}, "Ropewalk-Session": {p.session}, "Ropewalk-Batch": {"1"}}
		p.b.mux().ServeHTTP(newStalledWriter(0), r)
	}()
	synctest.Wait()
	return served
}

// A poll that comes while the answer to the one before is stuck does not wait for that: it
// is answered with the same batch.
func TestPollStuckAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		p.publish("1")
		served := p.stick()
		begin := time.Now()
		p.expect(p.poll(p.batch(1), ""), p.batch(2), `"data":1`)
		if took := time.Since(begin); took != 0 {
			t.Errorf("the poll waited for %v", took)
		}
		<-served
		p.b.Wait()
	})
}

// Nor does a drain wait for an answer that nobody takes.
func TestPollStuckInDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(t, subscribedNews)
		p.publish("1")
		served := p.stick()
		begin := time.Now()
		if err := p.b.Sessions.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
		if took := time.Since(begin); took > farewellTime {
			t.Errorf("the poll was served after %v, want at most %v", took, farewellTime)
		}
		p.b.Wait()
	})
}
