package client

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
	"github.com/seed-15847954/ropewalk/websocket"
)

// protobufCodec is ropewalk.v1.protobuf.
type protobufCodec struct{}

func (protobufCodec) subprotocol() string { return string(Protobuf) }

func (protobufCodec) messageType() websocket.MessageType { return websocket.Binary }

func (protobufCodec) encode(c *command) ([]byte, error) {
	m := &nativepb.Command{Id: c.id}
	switch r := c.body.(type) {
	case connectRequest:
		connect := &nativepb.Connect{Session: r.Session, Info: r.Info}
		for i := range r.Subscriptions {
			connect.Subscriptions = append(connect.Subscriptions, r.Subscriptions[i].proto())
		}
		m.Command = &nativepb.Command_Connect{Connect: connect}
	case subscribeRequest:
		m.Command = &nativepb.Command_Subscribe{Subscribe: r.proto()}
	case unsubscribeRequest:
		m.Command = &nativepb.Command_Unsubscribe{Unsubscribe: &nativepb.Unsubscribe{Channel: r.Channel, Pattern: r.Pattern}}
	case publishRequest:
		m.Command = &nativepb.Command_Publish{Publish: &nativepb.Publish{
			Channel: r.Channel, Id: r.ID, Key: r.Key, Tags: r.Tags, Data: r.bytes(), ContentType: r.ContentType,
			Expect: r.Expect.proto(), ExcludeSelf: r.ExcludeSelf,
		}}
	case historyRequest:
		m.Command = &nativepb.Command_History{History: &nativepb.History{
			Channel: r.Channel, From: r.From.proto(), Limit: r.Limit, Reverse: r.Reverse,
		}}
	case presenceRequest:
		m.Command = &nativepb.Command_Presence{Presence: &nativepb.Presence{Channel: r.Channel, After: r.After, Limit: r.Limit}}
	case presenceCountRequest:
		m.Command = &nativepb.Command_PresenceCount{PresenceCount: &nativepb.PresenceCount{Channel: r.Channel}}
	case rpcRequest:
		m.Command = &nativepb.Command_Rpc{Rpc: &nativepb.Rpc{Method: r.Method, Data: r.bytes(), ContentType: r.ContentType}}
	case pingRequest:
		m.Command = &nativepb.Command_Ping{Ping: &nativepb.Ping{}}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&nativepb.Commands{Commands: []*nativepb.Command{m}})
	if err != nil { // a string that is not UTF-8
		return nil, fmt.Errorf("client: %s: %w", c.name, err)
	}
	return b, nil
}

func (r *subscribeRequest) proto() *nativepb.Subscribe {
	return &nativepb.Subscribe{Channel: r.Channel, Pattern: r.Pattern, From: r.From.proto(), Latest: r.Latest, Joins: r.Joins}
}

func (p *Position) proto() *nativepb.Position {
	if p == nil {
		return nil
	}
	return &nativepb.Position{Epoch: p.Epoch, Offset: p.Offset}
}

func (protobufCodec) decode(b []byte) (*message, error) {
	var e nativepb.Event
	if err := proto.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("client: message of the server: %w", err)
	}
	m := new(message)
	switch e := e.Event.(type) {
	case *nativepb.Event_Reply:
		m.reply(e.Reply)
	case *nativepb.Event_Publication:
		p := publicationOf(e.Publication)
		m.Publication = &p
	case *nativepb.Event_Skip:
		s := e.Skip
		m.Skip = &skip{Channel: s.GetChannel(), Position: Position{s.GetEpoch(), s.GetOffset()}, Prev: s.GetPrev(), Reason: s.GetReason()}
	case *nativepb.Event_Join:
		m.Join = &presenceChange{e.Join.GetChannel(), memberOf(e.Join.GetMember())}
	case *nativepb.Event_Leave:
		m.Leave = &presenceChange{e.Leave.GetChannel(), memberOf(e.Leave.GetMember())}
	case *nativepb.Event_Subscribed:
		m.Subscribed = subscribedOf(e.Subscribed)
	case *nativepb.Event_Unsubscribed:
		u := e.Unsubscribed
		m.Unsubscribed = &unsubscribed{u.GetChannel(), u.GetPattern(), Error{u.GetCode(), u.GetMessage(), u.GetRetry()}}
	case *nativepb.Event_Message:
		d := dataOf(e.Message.GetData(), e.Message.GetContentType())
		m.Message = &d
	case *nativepb.Event_Disconnect:
		d := e.Disconnect
		m.Disconnect = &disconnect{
			Disconnect: Disconnect{Code: int(d.GetCode()), Reason: d.GetReason(), Retry: d.GetRetry()}, After: int64(d.GetAfter()),
		}
	}
	return m, nil
}

// reply makes m that reply.
func (m *message) reply(r *nativepb.Reply) {
	m.ID = r.GetId()
	switch r := r.Reply.(type) {
	case *nativepb.Reply_Error:
		m.Error = errorOf(r.Error)
	case *nativepb.Reply_Connect:
		m.Connect = connectedOf(r.Connect)
	case *nativepb.Reply_Subscribe:
		m.Subscribe = subscribedOf(r.Subscribe)
	case *nativepb.Reply_Publish:
		m.Publish = &Published{positionOf(r.Publish.GetPosition()), r.Publish.GetDuplicate()}
	case *nativepb.Reply_History:
		m.History = &historyPage{Top: positionOf(r.History.GetTop()), More: r.History.GetMore()}
		for _, p := range r.History.GetPublications() {
			m.History.Publications = append(m.History.Publications, publicationOf(p))
		}
	case *nativepb.Reply_Presence:
		m.Presence = &presencePage{More: r.Presence.GetMore()}
		for _, p := range r.Presence.GetMembers() {
			m.Presence.Members = append(m.Presence.Members, memberOf(p))
		}
	case *nativepb.Reply_PresenceCount:
		m.PresenceCount = &presenceCounted{r.PresenceCount.GetClients(), r.PresenceCount.GetUsers()}
	case *nativepb.Reply_Rpc:
		d := dataOf(r.Rpc.GetData(), r.Rpc.GetContentType())
		m.RPC = &d
	}
}

func connectedOf(c *nativepb.Connected) *connected {
	m := &connected{Session: c.GetSession(), Client: c.GetClient(), Node: c.GetNode(), Resumed: c.GetResumed(), Ping: c.GetPing()}
	for _, r := range c.GetSubscriptions() {
		var result subscribeResult
		switch r := r.Result.(type) {
		case *nativepb.SubscribeResult_Error:
			result.Error = errorOf(r.Error)
		case *nativepb.SubscribeResult_Subscribe:
			result.Subscribe = subscribedOf(r.Subscribe)
		}
		m.Subscriptions = append(m.Subscriptions, result)
	}
	return m
}

func subscribedOf(s *nativepb.Subscribed) *subscribed {
	return &subscribed{
		Position: positionOf(s.GetPosition()), Recovered: s.Recovered, Reason: s.GetReason(),
		Channel: s.GetChannel(), Pattern: s.GetPattern(),
	}
}

func publicationOf(p *nativepb.Publication) publication {
	return publication{
		Channel: p.GetChannel(), Pattern: p.GetPattern(), Position: Position{p.GetEpoch(), p.GetOffset()}, Prev: p.GetPrev(),
		Time: p.GetTime(), ID: p.GetId(), Key: p.GetKey(), Tags: p.GetTags(), Client: p.GetClient(),
		data: dataOf(p.GetData(), p.GetContentType()),
	}
}

func dataOf(b []byte, contentType string) data {
	if contentType == "" {
		return data{Data: b}
	}
	return data{Base64: &b, ContentType: contentType}
}

func positionOf(p *nativepb.Position) Position { return Position{p.GetEpoch(), p.GetOffset()} }

func memberOf(m *nativepb.Member) Member {
	return Member{Client: m.GetClient(), User: m.GetUser(), Info: m.GetInfo()}
}

func errorOf(e *nativepb.Error) *Error { return &Error{e.GetCode(), e.GetMessage(), e.GetRetry()} }
