package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/seed-15847954/ropewalk/hub"
)

// A player is a client that comes and goes, and checks what it is sent.
type player struct {
	name   string
	scene  *scene
	random *rand.Rand

	session *Session
	line    *line

	mu    sync.Mutex
	known map[string]*knowledge // by channel
}

// knowledge is what a client knows of a channel.
type knowledge struct {
	last       hub.Position
	subscribed bool
	asked      bool // the answer has not come yet
}

// A line is the transport of one connection of a player.
type line struct {
	*wire
	player *player
}

// Send checks what is taken.
func (l *line) Send(p hub.Packet) bool {
	if !l.wire.Send(p) {
		return false
	}
	l.player.check(p.(*packet))
	return true
}

func (p *player) channel(name string) *knowledge {
	k := p.known[name]
	if k == nil {
		k = &knowledge{}
		p.known[name] = k
	}
	return k
}

// check holds a packet against I1, I3 and I4 and what is told before.
func (p *player) check(got *packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.channel(got.channel)
	fail := func(format string, args ...any) {
		p.scene.fail("%s: %v (%s %d-%d, %v) behind %v: %s", p.name, got, got.channel, got.prev, got.offset, got.cause, k.last, fmt.Sprintf(format, args...))
	}
	switch got.kind {
	case "ack":
		switch st := got.start; {
		case k.subscribed:
			fail("it is subscribed")
		case st.recovered() && *st.Position != k.last:
			fail("it was recovered from elsewhere")
		case st.Recovered != nil && !*st.Recovered:
			p.scene.declare(fail)
		}
		k.subscribed, k.asked, k.last = true, false, *got.start.Position
		return
	case "joined:", "left:":
		return
	case "unsubscribed:":
		if errors.Is(got.cause, errOver) {
			break
		}
		p.scene.declare(fail)
	}
	if !k.subscribed {
		fail("it is not subscribed")
	}
	switch got.kind {
	case "unsubscribed:", "bye:":
		k.subscribed = false
		return
	case "skip":
		p.checkSkip(got, fail)
	default:
		p.scene.agree(got.channel, hub.Position{Epoch: got.epoch, Offset: got.offset}, got.word)
	}
	if got.prev != k.last.Offset || got.epoch != k.last.Epoch || got.offset <= got.prev {
		fail("it does not continue that")
	}
	k.last.Offset = got.offset
}

// checkSkip allows what the policy leaves out, and what the client published for others.
func (p *player) checkSkip(got *packet, fail func(string, ...any)) {
	allowed := map[hub.Policy]SkipReason{hub.DropOldest: SkipDropped, hub.Conflate: SkipConflated, hub.Latest: SkipLatest}
	reason := SkipReason(got.word)
	if reason != SkipOwn {
		if allowed[p.scene.options.Slow] != reason {
			fail("the policy is %v", p.scene.options.Slow)
		}
		return
	}
	for offset := got.prev + 1; offset <= got.offset; offset++ {
		p.scene.claim(got.channel, hub.Position{Epoch: got.epoch, Offset: offset}, p.name)
	}
}

// play acts a few times.
func (p *player) play() {
	for n := range 10 {
		p.scene.pause(fmt.Sprint(p.name, " acts ", n))
		p.act(n)
	}
}

func (p *player) act(n int) {
	if p.session == nil || p.session.Cause() != nil {
		p.connect()
		return
	}
	name := []string{"a", "b"}[p.random.IntN(2)]
	s := p.session
	switch p.random.IntN(10) {
	case 0, 1, 2, 3:
		p.subscribe(name, n)
	case 4:
		_ = s.Unsubscribe(Target{Channel: name}, &packet{kind: "bye:", channel: name}) // it may not be subscribed
	case 5:
		p.publish(name, n)
	case 6:
		s.End(Target{Channel: name}, errOver)
	case 7:
		s.Lost(errors.New("connection reset"))
	case 8:
		p.connect()
	case 9:
		p.line.open(1 + p.random.IntN(5))
	}
}

// connect begins a session, which takes the one before over if that can be resumed.
func (p *player) connect() {
	identity := Identity{ID: "1." + p.name, Client: p.name}
	settled := func(*Session) {}
	if p.session != nil {
		if _, f, ok := p.scene.lobby.Resume(&p.scene.set, identity.ID); ok {
			settled = f
		}
		<-p.session.Done()
	}
	p.mu.Lock()
	for _, k := range p.known {
		k.subscribed, k.asked = false, false
	}
	p.mu.Unlock()
	w := newWire()
	if p.random.IntN(2) == 0 {
		w.room = p.random.IntN(6)
	}
	p.line = &line{w, p}
	s := New(Config{
		Hub: p.scene.hub, Transport: p.line, Codec: plain{}, Identity: identity,
		MaxQueue: p.scene.maxQueue, Lobby: &p.scene.lobby, Stats: &p.scene.stats,
	})
	w.session, p.session = s, s
	if err := p.scene.set.Add(s); err != nil {
		p.scene.fail("%s: %v", p.name, err)
	}
	for _, name := range []string{"a", "b"} {
		if p.random.IntN(3) > 0 {
			p.subscribe(name, 0)
		}
	}
	settled(s)
}

// subscribe goes on from what is known, more often than not. Sometimes the connection
// is lost meanwhile.
func (p *player) subscribe(name string, n int) {
	s, r := p.session, channel(name)
	r.Joins = true
	p.mu.Lock()
	k := *p.channel(name)
	p.channel(name).asked = true
	p.mu.Unlock()
	switch dice := p.random.IntN(4); {
	case dice == 0:
		r.Latest = 3
	case dice > 1 && k.last.Epoch != "" && !k.subscribed && !k.asked: // else more may come before the answer
		r.From = &k.last
	}
	if p.random.IntN(8) == 0 {
		go func() {
			p.scene.pause(fmt.Sprint(p.name, " breaks off ", name, n))
			s.Lost(errors.New("connection reset"))
		}()
	}
	err := s.Subscribe(context.Background(), r, ack(name))
	if err != nil && !errors.Is(err, hub.ErrAlreadySubscribed) && !errors.Is(err, ErrClosed) {
		p.scene.fail("%s subscribes to %s: %v", p.name, name, err)
	}
}

func (p *player) publish(name string, n int) {
	p.scene.publish(hub.Message{Channel: name, Client: p.name, ExcludeClient: true}, fmt.Sprint(p.name, "'s ", n))
}
