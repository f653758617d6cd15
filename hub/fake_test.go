package hub_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A fate is what becomes of a publication on its way from the log to the hub.
type fate int

const (
	arrives fate = iota
	dropped
	doubled
	swapped // with the one behind it
)

// A fake is a broker with logs in memory, in the plainest way, whose deliveries can be
// disturbed. Its locks are held during no call of a sink.
type fake struct {
	// Constant while in use. Each may be nil.
	step     func(string)                  // called where others may come first
	fate     func(p *hub.Publication) fate // of each publication
	readFail func() error                  // of each reading of history

	mu      sync.Mutex
	logs    map[string]*fakeLog
	feeds   map[hub.Pattern]hub.Sink
	epochs  int
	reads   []hub.Query
	opened  int // subscriptions of channels and patterns
	members map[string]map[string]hub.Member
}

// A fakeLog is one channel.
type fakeLog struct {
	name  string
	epoch string
	top   uint64
	kept  []*hub.Publication
	all   []*hub.Publication // with those that are not kept any more
	sink  hub.Sink
	queue []*hub.Publication // to be delivered
	late  *hub.Publication   // behind the next one

	delivering chan struct{} // held around calls of the sink
}

func newFake() *fake {
	return &fake{
		logs:    make(map[string]*fakeLog),
		feeds:   make(map[hub.Pattern]hub.Sink),
		members: make(map[string]map[string]hub.Member),
	}
}

func (f *fake) yield(label string) {
	if f.step != nil {
		f.step(label)
	}
}

// log returns the channel's log; mu is held.
func (f *fake) log(channel string) *fakeLog {
	l := f.logs[channel]
	if l == nil {
		f.epochs++
		l = &fakeLog{name: channel, epoch: fmt.Sprint("e", f.epochs), delivering: make(chan struct{}, 1)}
		f.logs[channel] = l
	}
	return l
}

// rotate begins a new life of the log.
func (f *fake) rotate(channel string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(channel)
	f.epochs++
	l.epoch, l.top, l.kept = fmt.Sprint("e", f.epochs), 0, nil
}

// moved says where the log is, as a broker does that has found another life of it.
func (f *fake) moved(channel string) {
	at := f.top(channel)
	f.mu.Lock()
	sink := f.log(channel).sink
	f.mu.Unlock()
	sink.Moved(at)
}

func (f *fake) top(channel string) hub.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(channel)
	return hub.Position{Epoch: l.epoch, Offset: l.top}
}

// reaches reports whether everything behind from is kept, which it never is again
// once it is not.
func (f *fake) reaches(channel string, from hub.Position) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(channel)
	return from.Epoch == l.epoch && len(l.kept) > 0 && l.kept[0].Prev <= from.Offset
}

func (f *fake) readCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.reads)
}

func (f *fake) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	f.yield("publish " + string(m.Data))
	if err := ctx.Err(); err != nil {
		return hub.Published{}, err
	}
	l, p := f.append(m, o)
	f.yield("published " + string(m.Data))
	f.pump(l, string(m.Data))
	return hub.Published{Position: p.Position}, nil
}

func (f *fake) append(m hub.Message, o hub.PublishOptions) (*fakeLog, *hub.Publication) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(m.Channel)
	prev := l.top
	l.top += 1 + prev%3 // not dense
	p := &hub.Publication{Message: m, Position: hub.Position{Epoch: l.epoch, Offset: l.top}, Prev: prev, Time: time.Now()}
	l.all = append(l.all, p)
	if o.Recoverable() {
		l.kept = append(l.kept, p)
		l.kept = l.kept[max(0, len(l.kept)-o.History):]
	}
	if l.sink != nil {
		l.send(p, f.fate)
	}
	for pattern, sink := range f.feeds {
		if pattern.Match(m.Channel) {
			sink.Deliver(p)
		}
	}
	return l, p
}

func (l *fakeLog) send(p *hub.Publication, decide func(*hub.Publication) fate) {
	what := arrives
	if decide != nil {
		what = decide(p)
	}
	switch what {
	case arrives:
		l.queue = append(l.queue, p)
	case doubled:
		l.queue = append(l.queue, p, p)
	case swapped:
		if l.late == nil {
			l.late = p
			return
		}
		l.queue = append(l.queue, p)
	}
	if l.late != nil {
		l.queue = append(l.queue, l.late)
		l.late = nil
	}
}

// pump delivers what is queued.
func (f *fake) pump(l *fakeLog, label string) {
	l.delivering <- struct{}{}
	defer func() { <-l.delivering }()
	for {
		f.mu.Lock()
		if len(l.queue) == 0 {
			f.mu.Unlock()
			return
		}
		p, sink := l.queue[0], l.sink
		l.queue = l.queue[1:]
		f.mu.Unlock()
		sink.Deliver(p)
		f.yield("delivered by " + label)
	}
}

func (f *fake) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	f.yield("subscribe " + channel)
	if err := ctx.Err(); err != nil {
		return hub.Position{}, err
	}
	f.mu.Lock()
	l := f.log(channel)
	l.sink = sink
	pos := hub.Position{Epoch: l.epoch, Offset: l.top}
	f.opened++
	f.mu.Unlock()
	f.yield("subscribed " + channel)
	return pos, nil
}

func (f *fake) Unsubscribe(_ context.Context, channel string) error {
	f.yield("unsubscribe " + channel)
	f.mu.Lock()
	l := f.log(channel)
	f.mu.Unlock()
	l.delivering <- struct{}{}
	f.mu.Lock()
	l.sink, l.queue, l.late = nil, nil, nil
	f.opened--
	f.mu.Unlock()
	<-l.delivering
	f.yield("unsubscribed " + channel)
	return nil
}

func (f *fake) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	f.yield("read " + channel)
	if err := ctx.Err(); err != nil {
		return hub.Page{}, err
	}
	if f.readFail != nil {
		if err := f.readFail(); err != nil {
			return hub.Page{}, err
		}
	}
	page := f.page(channel, q)
	f.yield("have read " + channel)
	return page, nil
}

func (f *fake) page(channel string, q hub.Query) hub.Page {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, q)
	l := f.log(channel)
	page := hub.Page{Top: hub.Position{Epoch: l.epoch, Offset: l.top}}
	if q.From != nil && q.From.Epoch != l.epoch {
		return page
	}
	for _, p := range l.kept {
		if q.From == nil || (p.Offset > q.From.Offset) != q.Reverse {
			page.Publications = append(page.Publications, p)
		}
	}
	if q.Reverse {
		slices.Reverse(page.Publications)
	}
	if len(page.Publications) > q.Limit {
		page.Publications, page.More = page.Publications[:q.Limit], true
	}
	return page
}

func (f *fake) SubscribePattern(_ context.Context, p hub.Pattern, sink hub.Sink) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	f.feeds[p] = sink
	return nil
}

func (f *fake) UnsubscribePattern(_ context.Context, p hub.Pattern) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened--
	delete(f.feeds, p)
	return nil
}

func (f *fake) Enter(_ context.Context, channel string, m hub.Member, joins bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.members[channel] == nil {
		f.members[channel] = make(map[string]hub.Member)
	}
	_, there := f.members[channel][m.Client]
	f.members[channel][m.Client] = m
	if l := f.log(channel); joins && !there && l.sink != nil {
		l.sink.Change(&hub.PresenceChange{Channel: channel, Member: m})
	}
	return nil
}

func (f *fake) Leave(_ context.Context, channel, client string, joins bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, there := f.members[channel][client]
	delete(f.members[channel], client)
	if l := f.log(channel); joins && there && l.sink != nil {
		l.sink.Change(&hub.PresenceChange{Channel: channel, Member: m, Left: true})
	}
	return nil
}

func (f *fake) Members(_ context.Context, channel, after string, limit int) (members []hub.Member, more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members[channel] {
		if m.Client > after {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, func(a, b hub.Member) int { return cmp.Compare(a.Client, b.Client) })
	if len(members) > limit {
		return members[:limit], true, nil
	}
	return members, false, nil
}

func (f *fake) Count(_ context.Context, channel string) (clients, users int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.members[channel]), len(f.members[channel]), nil
}
