package native

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// brokerTime bounds one command's call to the broker.
const brokerTime = 5 * time.Second

// one carries out a command and queues its reply. An error ends the connection: a
// Disconnect, or that the session has ended. The ids of commands rise, so that no two
// replies can be mistaken for each other.
func (c *conversation) one(cmd *command) error {
	s := c.current()
	switch {
	case s.Cause() != nil:
		return session.ErrClosed
	case cmd.broken != nil:
		return cmd.broken
	case c.posted && cmd.id < c.connectID:
		return nil // of the connection before, late: nobody waits for the reply
	case cmd.id <= c.lastID:
		return IDNotRising
	}
	c.lastID = cmd.id
	ctx, done := c.commandContext()
	defer done()
	if !c.isConnected() {
		c.connectID = cmd.id
		return c.connect(ctx, cmd)
	}
	err := cmd.err
	if err == nil {
		err = c.carryOut(ctx, s, cmd)
	}
	if err == nil || errors.Is(err, session.ErrClosed) {
		return err
	}
	return s.Send(c.codec.failed(cmd.id, commandError(err)))
}

// connect deals with the first command, which has to be connect.
func (c *conversation) connect(ctx context.Context, cmd *command) error {
	if cmd.name != connect {
		return ConnectExpected
	}
	if cmd.err != nil { // there is no second connect
		return BadMessage.because(cmd.err)
	}
	h := c.handler
	answer := connection{identity: session.NewIdentity(h.Node), node: h.Node, ping: uint32(pingTime.Milliseconds())}
	settled := func(*session.Session) {} // called once
	if secret := cmp.Or(cmd.session, c.resume); secret != "" && h.Lobby != nil {
		if identity, f, ok := h.Lobby.Resume(h.Sessions, secret); ok {
			answer.identity, answer.resumed, settled = identity, true, f
		}
	}
	s := session.New(session.Config{
		Hub:              h.Hub,
		Transport:        &c.gate,
		Codec:            c.codec,
		Identity:         answer.identity,
		Info:             cmd.info,
		MaxQueue:         h.MaxQueue - h.connQueue,
		MaxSubscriptions: h.MaxSubscriptions,
		Lobby:            h.Lobby,
		Stats:            h.Stats,
	})
	if err := h.Sessions.Add(s); err != nil {
		settled(nil)
		return err
	}
	c.become(s)
	for i := range cmd.subscriptions {
		answer.subscriptions = append(answer.subscriptions, c.first(ctx, s, &cmd.subscriptions[i]))
	}
	settled(s)
	// What the subscriptions have queued so far waits for the reply.
	c.gate.open(c.codec.connected(cmd.id, answer))
	s.Ready()
	return nil
}

// first carries out a subscription that came with connect.
func (c *conversation) first(ctx context.Context, s *session.Session, sub *command) (r subscribeResult) {
	err := sub.err
	if err == nil {
		err = s.Subscribe(ctx, request(sub), func(st session.Start) hub.Packet {
			r.start = st
			return nil // the reply to connect tells
		})
	}
	if err != nil {
		r.err = commandError(err)
	}
	return r
}

func request(cmd *command) session.Request {
	return session.Request{Target: target(cmd), From: cmd.from, Latest: int(min(cmd.latest, maxPage)), Joins: cmd.joins}
}

func target(cmd *command) session.Target {
	if cmd.channel != "" {
		return session.Target{Channel: cmd.channel}
	}
	p, _ := hub.ParsePattern(cmd.pattern) // check has tried
	return session.Target{Pattern: p}
}

func (c *conversation) carryOut(ctx context.Context, s *session.Session, cmd *command) error {
	switch cmd.name {
	case subscribe:
		return s.Subscribe(ctx, request(cmd), func(st session.Start) hub.Packet { return c.codec.subscribed(cmd.id, st) })
	case unsubscribe:
		return s.Unsubscribe(target(cmd), c.codec.done(cmd.id, unsubscribe))
	case publish:
		done, err := s.Publish(ctx, cmd.message, cmd.expect)
		if err != nil {
			return err
		}
		return s.Send(c.codec.published(cmd.id, done))
	case history:
		p, err := s.History(ctx, cmd.channel, hub.Query{From: cmd.from, Limit: page(cmd.limit), Reverse: cmd.reverse})
		if err != nil && !errors.Is(err, hub.ErrEpoch) {
			return err
		}
		return s.Send(c.codec.history(cmd.id, c.fitting(p)))
	case presence:
		members, more, err := s.Members(ctx, cmd.channel, cmd.after, page(cmd.limit))
		if err != nil {
			return err
		}
		members, cut := c.fittingMembers(members)
		return s.Send(c.codec.presence(cmd.id, members, more || cut))
	case presenceCount:
		clients, users, err := s.Count(ctx, cmd.channel)
		if err != nil {
			return err
		}
		return s.Send(c.codec.counted(cmd.id, clients, users))
	case rpc:
		return c.call(ctx, s, cmd)
	case refresh:
		return errorf(NotSupported, "this server does not use tokens")
	case ping:
		return s.Send(c.codec.done(cmd.id, ping))
	}
	return errorf(AlreadyConnected, "connect was sent already")
}

// fitting shortens a page such that its reply fits into the session's queue.
func (c *conversation) fitting(p hub.Page) hub.Page {
	room := c.handler.MaxQueue / 4
	for i, publication := range p.Publications {
		if room -= most(publication); room < 0 && i > 0 {
			p.Publications, p.More = p.Publications[:i], true
			break
		}
	}
	return p
}

// most returns how many bytes a publication has at most in any encoding. In JSON a byte of text
// may become six, and three bytes of data become four.
func most(p *hub.Publication) int {
	text := len(p.Channel) + len(p.ID) + len(p.Key) + len(p.Client) + len(p.ContentType)
	for name, value := range p.Tags {
		text += len(name) + len(value) + 1
	}
	return 256 + 6*text + len(p.Data)*4/3
}

// fittingMembers does the same with members, and reports whether some were left out.
func (c *conversation) fittingMembers(members []hub.Member) ([]hub.Member, bool) {
	room := c.handler.MaxQueue / 4
	for i, m := range members {
		if room -= len(m.Info) + len(m.Client) + len(m.User) + 64; room < 0 && i > 0 {
			return members[:i], true
		}
	}
	return members, false
}

func (c *conversation) call(ctx context.Context, s *session.Session, cmd *command) error {
	method, ok := c.handler.RPC[cmd.method]
	if !ok {
		return errorf(UnknownMethod, "there is no method %s", quote(cmd.method))
	}
	data, contentType, err := method(ctx, Call{
		Client: s.Client(), User: s.User, Info: s.Info, Data: cmd.message.Data, ContentType: cmd.message.ContentType,
	})
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	if err != nil {
		return errorf(Internal, "the method failed")
	}
	return s.Send(c.codec.result(cmd.id, data, contentType))
}
