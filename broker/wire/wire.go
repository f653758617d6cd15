// Package wire is what brokers over a network put on it: messages in the
// encoding of Protocol Buffers. What comes from there is not trusted: every error
// is one, and none is a panic.
package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-15847954/ropewalk/hub"
)

// The fields of a message, but for its channel, which the carrier knows.
const (
	messageID protowire.Number = iota + 1
	messageKey
	messageTag
	messageData
	messageType
	messageClient
	messageExclude
)

// The fields of a tag, which are those of an entry of a map.
const (
	tagName protowire.Number = iota + 1
	tagValue
)

// AppendMessage appends m to b.
func AppendMessage(b []byte, m *hub.Message) []byte {
	b = appendText(b, messageID, m.ID)
	b = appendText(b, messageKey, m.Key)
	for name, value := range m.Tags {
		b = protowire.AppendTag(b, messageTag, protowire.BytesType)
		b = protowire.AppendBytes(b, appendText(appendText(nil, tagName, name), tagValue, value))
	}
	if len(m.Data) > 0 {
		b = protowire.AppendBytes(protowire.AppendTag(b, messageData, protowire.BytesType), m.Data)
	}
	b = appendText(b, messageType, m.ContentType)
	b = appendText(b, messageClient, m.Client)
	if m.ExcludeClient {
		b = protowire.AppendVarint(protowire.AppendTag(b, messageExclude, protowire.VarintType), 1)
	}
	return b
}

func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

// ParseMessage returns the message that b is, in a channel. It keeps b. Fields that it
// does not know are passed over, for nodes of a later version.
func ParseMessage(channel string, b []byte) (hub.Message, error) {
	m := hub.Message{Channel: channel}
	err := Fields(b, func(n protowire.Number, v []byte, i uint64) error {
		switch n {
		case messageID:
			m.ID = string(v)
		case messageKey:
			m.Key = string(v)
		case messageTag:
			var name, value string
			err := Fields(v, func(n protowire.Number, v []byte, _ uint64) error {
				switch n {
				case tagName:
					name = string(v)
				case tagValue:
					value = string(v)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if m.Tags == nil {
				m.Tags = make(map[string]string)
			}
			m.Tags[name] = value
		case messageData:
			m.Data = v
		case messageType:
			m.ContentType = string(v)
		case messageClient:
			m.Client = string(v)
		case messageExclude:
			m.ExcludeClient = i != 0
		}
		return nil
	})
	if err != nil {
		return hub.Message{}, fmt.Errorf("message: %w", err)
	}
	return m, nil
}

// Fields calls f for each field of a message, with its bytes or its number.
func Fields(b []byte, f func(n protowire.Number, v []byte, i uint64) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var v []byte
		var i uint64
		switch typ {
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			i, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(n, typ, b)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if err := f(n, v, i); err != nil {
			return err
		}
	}
	return nil
}
