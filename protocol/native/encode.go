package native

import (
	"encoding/base64"
	"strconv"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

// Subprotocol is the name of this language in Sec-WebSocket-Protocol.
const Subprotocol = "ropewalk.v1.json"

// jsonCodec is the session.Codec of ropewalk.v1.json.
type jsonCodec struct{}

func (jsonCodec) Format() hub.Format { return Subprotocol }

func (jsonCodec) Publication(p *hub.Publication) hub.Packet { return packet(appendPublication(p)) }

// A packet is a message as it goes over the wire.
type packet []byte

func (p packet) Size() int { return len(p) }

func appendPublication(p *hub.Publication) []byte {
	b := make([]byte, 0, 192+len(p.Channel)+len(p.Data))
	b = append(b, `{"publication":{"channel":`...)
	b = jsonscan.AppendString(b, p.Channel)
	b = appendPosition(append(b, ','), p.Position)
	b = append(b, `,"prev":`...)
	b = strconv.AppendUint(b, p.Prev, 10)
	b = append(b, `,"time":`...)
	b = strconv.AppendInt(b, p.Time.UnixMilli(), 10)
	if p.ID != "" {
		b = append(b, `,"id":`...)
		b = jsonscan.AppendString(b, p.ID)
	}
	return append(appendData(b, p), "}}"...)
}

func appendData(b []byte, p *hub.Publication) []byte {
	if p.ContentType == "" {
		return append(append(b, `,"data":`...), p.Data...)
	}
	b = append(b, `,"content_type":`...)
	b = jsonscan.AppendString(b, p.ContentType)
	b = append(b, `,"base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, p.Data)
	return append(b, '"')
}

func appendPosition(b []byte, pos hub.Position) []byte {
	b = append(b, `"epoch":`...)
	b = jsonscan.AppendString(b, pos.Epoch)
	b = append(b, `,"offset":`...)
	return strconv.AppendUint(b, pos.Offset, 10)
}

// appendReply begins a reply: its body and a closing brace are to follow.
func appendReply(id uint64, name string) []byte {
	b := append(make([]byte, 0, 96), `{"id":`...)
	b = strconv.AppendUint(b, id, 10)
	b = append(b, ',')
	b = jsonscan.AppendString(b, name)
	return append(b, ':')
}

// emptyReply is the reply of commands that have nothing to say.
func emptyReply(id uint64, name string) []byte {
	return append(appendReply(id, name), "{}}"...)
}

func connectReply(id uint64, sessionID string) []byte {
	b := append(appendReply(id, connect), `{"session":`...)
	b = jsonscan.AppendString(b, sessionID)
	return append(b, "}}"...)
}

func positionReply(id uint64, name string, pos hub.Position) []byte {
	b := append(appendReply(id, name), '{')
	return append(appendPosition(b, pos), "}}"...)
}

func errorReply(id uint64, e *Error) []byte {
	b := append(appendReply(id, "error"), `{"code":`...)
	b = jsonscan.AppendString(b, string(e.Code))
	b = append(b, `,"message":`...)
	b = jsonscan.AppendString(b, e.Message)
	b = append(b, `,"retry":`...)
	b = strconv.AppendBool(b, e.Retry)
	return append(b, "}}"...)
}

func disconnectPush(d Disconnect) []byte {
	b := append([]byte(nil), `{"disconnect":{"code":`...)
	b = strconv.AppendUint(b, uint64(d.Code), 10)
	b = append(b, `,"reason":`...)
	b = jsonscan.AppendString(b, d.Reason)
	b = append(b, `,"retry":`...)
	b = strconv.AppendBool(b, d.Retry)
	if d.Retry {
		b = append(b, `,"after":`...)
		b = strconv.AppendInt(b, d.after().Milliseconds(), 10)
	}
	return append(b, "}}"...)
}
