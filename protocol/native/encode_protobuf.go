package native

import (
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// protobufCodec is ropewalk.v1.protobuf.
type protobufCodec struct{}

func (protobufCodec) Format() hub.Format { return SubprotocolProtobuf }

func (protobufCodec) messageType() websocket.MessageType { return websocket.Binary }

// event encodes what the server sends.
func event(e *nativepb.Event) *packet {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil { // a string that is not UTF-8, which came from a broker
		mend(e.ProtoReflect())
		b, _ = proto.MarshalOptions{Deterministic: true}.Marshal(e)
	}
	return binary(b)
}

func replyEvent(r *nativepb.Reply) hub.Packet {
	return event(&nativepb.Event{Event: &nativepb.Event_Reply{Reply: r}})
}

func positionMessage(pos hub.Position) *nativepb.Position {
	return &nativepb.Position{Epoch: pos.Epoch, Offset: pos.Offset}
}

func errorMessage(e *Error) *nativepb.Error {
	return &nativepb.Error{Code: string(e.Code), Message: e.Message, Retry: e.Retry}
}

func publicationMessage(p *hub.Publication, pattern string) *nativepb.Publication {
	data, contentType := legible(p.Data, p.ContentType)
	return &nativepb.Publication{
		Channel: p.Channel, Pattern: pattern, Epoch: p.Epoch, Offset: p.Offset, Prev: p.Prev,
		Time: max(p.Time.UnixMilli(), 0), Id: p.ID, Key: p.Key, Tags: p.Tags, Data: data, ContentType: contentType, Client: p.Client,
	}
}

func dataMessage(data []byte, contentType string) *nativepb.Data {
	data, contentType = legible(data, contentType)
	return &nativepb.Data{Data: data, ContentType: contentType}
}

func memberMessage(m hub.Member) *nativepb.Member {
	member := &nativepb.Member{Client: m.Client, User: m.User}
	if utf8.Valid(m.Info) {
		member.Info = m.Info
	}
	return member
}

func startMessage(st session.Start) *nativepb.Subscribed {
	m := &nativepb.Subscribed{Recovered: st.Recovered, Reason: st.Reason()}
	if st.Position != nil {
		m.Position = positionMessage(*st.Position)
	}
	return m
}

func (protobufCodec) Publication(p *hub.Publication, pattern string) hub.Packet {
	return event(&nativepb.Event{Event: &nativepb.Event_Publication{Publication: publicationMessage(p, pattern)}}).forMany()
}

func (protobufCodec) Skip(channel string, prev uint64, pos hub.Position, reason session.SkipReason) hub.Packet {
	return event(&nativepb.Event{Event: &nativepb.Event_Skip{Skip: &nativepb.Skip{
		Channel: channel, Epoch: pos.Epoch, Offset: pos.Offset, Prev: prev, Reason: string(reason),
	}}})
}

func (protobufCodec) Change(c *hub.PresenceChange) hub.Packet {
	m := &nativepb.PresenceChange{Channel: c.Channel, Member: memberMessage(c.Member)}
	if c.Left {
		return event(&nativepb.Event{Event: &nativepb.Event_Leave{Leave: m}}).forMany()
	}
	return event(&nativepb.Event{Event: &nativepb.Event_Join{Join: m}}).forMany()
}

func (protobufCodec) Subscribed(t session.Target, st session.Start) hub.Packet {
	m := startMessage(st)
	m.Channel, m.Pattern = t.Channel, t.Pattern.String()
	return event(&nativepb.Event{Event: &nativepb.Event_Subscribed{Subscribed: m}})
}

func (protobufCodec) Unsubscribed(t session.Target, cause error) hub.Packet {
	e := unsubscribedError(cause)
	return event(&nativepb.Event{Event: &nativepb.Event_Unsubscribed{Unsubscribed: &nativepb.Unsubscribed{
		Channel: t.Channel, Pattern: t.Pattern.String(), Code: string(e.Code), Message: e.Message, Retry: e.Retry,
	}}})
}

func (protobufCodec) Message(data []byte, contentType string) hub.Packet {
	return event(&nativepb.Event{Event: &nativepb.Event_Message{Message: dataMessage(data, contentType)}})
}

func (protobufCodec) disconnect(d Disconnect, after time.Duration) hub.Packet {
	m := &nativepb.Disconnect{Code: uint32(d.Code), Reason: d.Reason, Retry: d.Retry}
	if d.Retry {
		m.After = uint32(after.Milliseconds())
	}
	return event(&nativepb.Event{Event: &nativepb.Event_Disconnect{Disconnect: m}})
}

func (protobufCodec) connected(id uint64, c connection) hub.Packet {
	m := &nativepb.Connected{
		Session: c.identity.ID, Client: c.identity.Client, Node: c.node, Resumed: c.resumed, Ping: c.ping,
	}
	for _, r := range c.subscriptions {
		result := &nativepb.SubscribeResult{}
		if r.err != nil {
			result.Result = &nativepb.SubscribeResult_Error{Error: errorMessage(r.err)}
		} else {
			result.Result = &nativepb.SubscribeResult_Subscribe{Subscribe: startMessage(r.start)}
		}
		m.Subscriptions = append(m.Subscriptions, result)
	}
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_Connect{Connect: m}})
}

func (protobufCodec) subscribed(id uint64, st session.Start) hub.Packet {
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_Subscribe{Subscribe: startMessage(st)}})
}

func (protobufCodec) published(id uint64, p hub.Published) hub.Packet {
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_Publish{Publish: &nativepb.Published{
		Position: positionMessage(p.Position), Duplicate: p.Duplicate,
	}}})
}

func (protobufCodec) history(id uint64, page hub.Page) hub.Packet {
	m := &nativepb.HistoryPage{Top: positionMessage(page.Top), More: page.More}
	for _, p := range page.Publications {
		m.Publications = append(m.Publications, publicationMessage(p, ""))
	}
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_History{History: m}})
}

func (protobufCodec) presence(id uint64, members []hub.Member, more bool) hub.Packet {
	page := &nativepb.PresencePage{More: more}
	for _, m := range members {
		page.Members = append(page.Members, memberMessage(m))
	}
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_Presence{Presence: page}})
}

func (protobufCodec) counted(id uint64, clients, users int) hub.Packet {
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_PresenceCount{PresenceCount: &nativepb.PresenceCounted{
		Clients: uint64(clients), Users: uint64(users),
	}}})
}

func (protobufCodec) result(id uint64, data []byte, contentType string) hub.Packet {
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_Rpc{Rpc: dataMessage(data, contentType)}})
}

func (protobufCodec) done(id uint64, name string) hub.Packet {
	r := &nativepb.Reply{Id: id, Reply: &nativepb.Reply_Ping{Ping: &nativepb.Empty{}}}
	if name == unsubscribe {
		r.Reply = &nativepb.Reply_Unsubscribe{Unsubscribe: &nativepb.Empty{}}
	}
	return replyEvent(r)
}

func (protobufCodec) failed(id uint64, e *Error) hub.Packet {
	return replyEvent(&nativepb.Reply{Id: id, Reply: &nativepb.Reply_Error{Error: errorMessage(e)}})
}
