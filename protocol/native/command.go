package native

import (
	"encoding/base64"
	"errors"
	"fmt"
	"mime"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

const (
	// maxDepth is how deep the arrays and objects of a message may be nested.
	maxDepth = 64

	// maxPublicationID bounds the id of a publication in bytes, and
	// maxContentType the media type of its data.
	maxPublicationID = 64
	maxContentType   = 127
)

// The names of the commands. A reply carries the same name.
const (
	connect     = "connect"
	subscribe   = "subscribe"
	unsubscribe = "unsubscribe"
	publish     = "publish"
	ping        = "ping"
)

// A command is one message of a client.
type command struct {
	id   uint64 // from 1 to jsonscan.MaxInteger
	name string

	// message holds the fields of the body that the command has.
	message hub.Message
}

// decodeCommand reads one message. Data of the command shares b. The error is a
// Disconnect when b is no command at all, and an *Error, beside the command's id,
// when only its name or its body is wrong.
func decodeCommand(b []byte, maxData int) (command, error) {
	if err := jsonscan.Check(b, maxDepth); err != nil {
		return command{}, BadMessage.because(err)
	}
	cmd, body, err := decodeEnvelope(b)
	if err != nil {
		return command{}, BadMessage.because(err)
	}
	return cmd, cmd.decodeBody(body, maxData)
}

// decodeEnvelope reads {"id":1,"name":body}.
func decodeEnvelope(b []byte) (cmd command, body []byte, err error) {
	err = jsonscan.Members(b, func(name string, value []byte) error {
		switch {
		case name == "id":
			id, err := jsonscan.Uint(value)
			if err != nil || id == 0 {
				return errors.New("id is not a whole number from 1 to 9007199254740991")
			}
			cmd.id = id
			return nil
		case body != nil:
			return errors.New("more than one command")
		}
		cmd.name, body = name, value
		return nil
	})
	switch {
	case errors.Is(err, jsonscan.ErrType):
		err = errors.New("not an object")
	case errors.Is(err, jsonscan.ErrDuplicate):
		err = errors.New("member given twice")
	case err == nil && cmd.id == 0:
		err = errors.New("no id")
	case err == nil && body == nil:
		err = errors.New("no command")
	}
	return cmd, body, err
}

// fields says which members the body of each command has.
var fields = map[string][]string{
	connect:     {},
	subscribe:   {"channel"},
	unsubscribe: {"channel"},
	publish:     {"channel", "data", "id", "base64", "content_type"},
	ping:        {},
}

func (cmd *command) decodeBody(body []byte, maxData int) error {
	allowed, ok := fields[cmd.name]
	if !ok {
		return errorf(UnknownCommand, "there is no command %s", quote(cmd.name))
	}
	given := make(map[string][]byte, len(allowed))
	err := jsonscan.Members(body, func(name string, value []byte) error {
		for _, field := range allowed {
			if field == name {
				given[name] = value
				return nil
			}
		}
		return errorf(BadRequest, "%s has no member %s", cmd.name, quote(name))
	})
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, jsonscan.ErrType):
		return errorf(BadRequest, "%s is not an object", cmd.name)
	case err != nil:
		return errorf(BadRequest, "%s: %v", cmd.name, err)
	}
	return cmd.fill(given, len(allowed) > 0, maxData)
}

// fill takes the members of the body over.
func (cmd *command) fill(given map[string][]byte, channel bool, maxData int) error {
	if !channel {
		return nil
	}
	name, err := stringMember(given, "channel", hub.MaxChannelName)
	if err != nil {
		return err
	}
	if err := hub.CheckChannel(name); err != nil {
		return errorf(BadChannel, "%v", err)
	}
	cmd.message.Channel = name
	if cmd.name != publish {
		return nil
	}
	if cmd.message.ID, err = stringMember(given, "id", maxPublicationID); err != nil {
		return err
	}
	return cmd.fillData(given, maxData)
}

// fillData takes over data, or else base64 and content_type.
func (cmd *command) fillData(given map[string][]byte, maxData int) error {
	data, isJSON := given["data"]
	_, isBase64 := given["base64"]
	_, hasType := given["content_type"]
	if isJSON == isBase64 || isBase64 != hasType {
		return errorf(BadRequest, "publish needs either data, or base64 and content_type")
	}
	if isBase64 {
		var err error
		if data, err = cmd.decodeBase64(given); err != nil {
			return err
		}
	}
	if len(data) > maxData {
		return errorf(DataTooBig, "data of %d bytes, the limit is %d", len(data), maxData)
	}
	cmd.message.Data = data
	return nil
}

func (cmd *command) decodeBase64(given map[string][]byte) ([]byte, error) {
	mediaType, err := stringMember(given, "content_type", maxContentType)
	if err != nil {
		return nil, err
	}
	if _, _, err := mime.ParseMediaType(mediaType); err != nil || !printable(mediaType) {
		return nil, errorf(BadRequest, "content_type is not a media type")
	}
	cmd.message.ContentType = mediaType
	text, err := stringMember(given, "base64", len(given["base64"]))
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errorf(BadRequest, "base64 is not standard base64 with padding")
	}
	return data, nil
}

// stringMember returns a member of the body, empty where it is missing.
func stringMember(given map[string][]byte, name string, limit int) (string, error) {
	value, ok := given[name]
	if !ok {
		return "", nil
	}
	s, err := jsonscan.String(value)
	switch {
	case errors.Is(err, jsonscan.ErrType):
		return "", errorf(BadRequest, "%s is not a string", name)
	case err != nil:
		return "", errorf(BadRequest, "%s: %v", name, err)
	case len(s) > limit && name == "channel":
		return "", errorf(BadChannel, "channel name of %d bytes, the limit is %d", len(s), limit)
	case len(s) > limit:
		return "", errorf(BadRequest, "%s of %d bytes, the limit is %d", name, len(s), limit)
	}
	return s, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quote makes a name of the client's fit for a message: short, and printable.
func quote(name string) string {
	const most = 40
	if len(name) > most {
		name = name[:most] + "..."
	}
	return fmt.Sprintf("%+q", name)
}
