package native

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// pollTime is how long a poll waits for something to answer.
	pollTime = 25 * time.Second

	// pollPause is how long a session lives without a poll.
	pollPause = 10 * time.Second
)

// polls are those of one client: one after the other, each answered with a batch
// that is given again until the next poll acknowledges it.
type polls struct {
	asking  sync.Mutex  // held by the poll that is served
	absence *time.Timer // ends a session that nobody polls

	// Guarded by asking. The batches of one connection are numbered from a random number
	// on: a late poll of the one before, whose session was resumed, acknowledges nothing.
	batch  uint64
	answer []byte // the last batch, unless it was acknowledged
	last   bool   // nothing comes behind that

	mu       sync.Mutex
	replaced context.CancelFunc // of the last poll to come
}

// poll answers a request with what was sent since the one before. The first poll has
// connect in its body, and no session yet.
func (h *Handler) poll(w http.ResponseWriter, r *http.Request) {
	if h.elsewhere(w, r) {
		return
	}
	var c *httpClient
	var b []byte
	var err error
	if r.Header.Get(sessionHeader) == "" {
		c, b, err = h.firstPoll(w, r)
	} else {
		c, b, err = h.nextPoll(r)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	ctx, leave, err := c.polls.enter(r.Context())
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	defer leave()
	if len(b) > 0 {
		c.take(ctx, b)
	}
	if err := c.answerPoll(ctx, w, r); err != nil {
		h.refuse(w, r, err)
	}
}

func (h *Handler) firstPoll(w http.ResponseWriter, r *http.Request) (*httpClient, []byte, error) {
	codec, err := codecOf(r)
	if err != nil {
		return nil, nil, err
	}
	b, err := h.firstBody(w, r)
	if err != nil {
		return nil, nil, err
	}
	c := h.newHTTPClient(context.WithoutCancel(r.Context()), codec)
	c.polls = &polls{batch: uint64(rand.Uint32()), absence: time.AfterFunc(pollPause, c.Abort)}
	remote := r.RemoteAddr // the session outlives the request
	go func() {
		<-c.gone
		c.polls.absence.Stop()
		c.finish(remote)
	}()
	return c, b, nil
}

func (h *Handler) nextPoll(r *http.Request) (*httpClient, []byte, error) {
	c, err := h.httpClient(r)
	if err != nil {
		return nil, nil, err
	}
	if c.polls == nil {
		return nil, nil, sessionUnknown
	}
	b, err := h.message(r, c.talk.codec)
	return c, b, err
}

// enter waits for the poll before to leave, which it is told to. The context that
// it returns ends when another poll comes.
func (p *polls) enter(ctx context.Context) (context.Context, func(), error) {
	ctx, cancel := context.WithCancelCause(ctx)
	p.mu.Lock()
	if p.replaced != nil {
		p.replaced()
	}
	p.replaced = func() { cancel(pollReplaced) }
	p.mu.Unlock()
	p.asking.Lock()
	p.absence.Stop()
	leave := func() {
		p.absence.Reset(pollPause)
		p.asking.Unlock()
		cancel(nil)
	}
	if ctx.Err() != nil {
		leave()
		return nil, nil, context.Cause(ctx)
	}
	return ctx, leave, nil
}

// answerPoll waits for something to answer, and answers it.
func (c *httpClient) answerPoll(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Now().Add(pollTime + stallTime))
	p := c.polls
	if p.answer != nil && r.Header.Get(batchHeader) == strconv.FormatUint(p.batch, 10) {
		p.answer = nil
	}
	if p.answer == nil {
		if err := c.gather(ctx); err != nil {
			return err
		}
	}
	b := p.answer
	if b != nil {
		w.Header().Set(batchHeader, strconv.FormatUint(p.batch, 10))
	} else {
		b = batchOf(c.talk.codec, nil)
	}
	mediaType := "application/json"
	if c.talk.codec == (protobufCodec{}) {
		mediaType = "application/x-protobuf"
	}
	w.Header().Set("Content-Type", mediaType)
	stop := c.cutOff(ctx, rc)
	_, err := w.Write(b)
	if err == nil && p.last {
		err = rc.Flush()
	}
	stop()
	if err == nil && p.last {
		c.Abort()
	}
	return nil
}

// cutOff has a write return that the client does not take when ctx or the session ends: nobody
// is to wait for that. The caller calls stop while the answer is still in its hands.
func (c *httpClient) cutOff(ctx context.Context, rc *http.ResponseController) (stop func()) {
	cut := func() { _ = rc.SetWriteDeadline(time.Now()) }
	c.onAbort(cut)
	if c.isAborted() {
		cut()
	}
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		cut()
	})
	return func() {
		c.onAbort(nil)
		if !cancel() {
			<-done
		}
	}
}

// gather makes the next batch of what comes within pollTime, if anything does.
func (c *httpClient) gather(ctx context.Context) error {
	patience := time.NewTimer(pollTime)
	defer patience.Stop()
	p := c.polls
	for p.answer == nil {
		select {
		case <-c.news:
		case <-patience.C:
			return nil
		case <-c.gone:
			return sessionUnknown
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		packets, full, over := c.drain()
		if full {
			c.talk.ready()
		}
		if p.last = over; len(packets) > 0 {
			p.batch++
			p.answer = batchOf(c.talk.codec, packets)
			for _, packet := range packets {
				c.talk.handler.Observer.Sent(packet.Size())
			}
		}
	}
	return nil
}

// batchOf is the body of an answer: a JSON array, or messages each behind its length.
func batchOf(codec codec, packets []hub.Packet) []byte {
	b := []byte{}
	if codec == (protobufCodec{}) {
		for _, p := range packets {
			b = protowire.AppendVarint(b, uint64(p.Size()))
			b = append(b, p.(*packet).bytes...)
		}
		return b
	}
	b = append(b, '[')
	for i, p := range packets {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p.(*packet).bytes...)
	}
	return append(b, ']')
}
