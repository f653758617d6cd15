package native

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
)

// Protocol Buffers pass over what they do not know and let the last one of a field that
// is given twice count. Here both are errors, as in JSON: whoever sends them meant
// something by it. They are found on the bytes, before anything is made of them, and
// so are lists that are too long.

// A protoCommand is one command that is still encoded.
type protoCommand struct {
	id    uint64
	name  string // empty when there is no such command
	bytes []byte // of the Command, in the message
	err   error  // what is wrong with the body, an *Error
}

// errMalformed means that bytes are not Protocol Buffers, or not of the schema's types.
var errMalformed = errors.New("malformed")

// splitCommands takes a message of a client apart. The commands are in b. The error
// says why it is no message at all; what is wrong with a body alone is in its command.
func splitCommands(b []byte) ([]protoCommand, error) {
	var commands []protoCommand
	err := eachField(b, func(f protoField) error {
		switch {
		case f.number != 1:
			return fmt.Errorf("there is no field %d", f.number)
		case f.typ != protowire.BytesType:
			return errMalformed
		case len(commands) == maxCommands:
			return fmt.Errorf("more than %d commands", maxCommands)
		}
		c, err := splitCommand(f.bytes)
		commands = append(commands, c)
		return err
	})
	if err == nil && len(commands) == 0 {
		err = errors.New("no command")
	}
	return commands, err
}

// splitCommand reads the envelope of a command and checks its body.
func splitCommand(b []byte) (protoCommand, error) {
	c := protoCommand{bytes: b}
	bodies := 0
	err := eachField(b, func(f protoField) error {
		switch {
		case f.number == 1 && c.id != 0:
			return errors.New("id given twice")
		case f.number == 1 && (f.typ != protowire.VarintType || f.value == 0 || f.value > maxID):
			return errors.New("id is not a whole number from 1 to 9007199254740991")
		case f.number == 1:
			c.id = f.value
			return nil
		case f.typ != protowire.BytesType:
			return errMalformed
		}
		bodies++
		c.checkBody(f)
		return nil
	})
	switch {
	case err != nil:
	case bodies > 1:
		err = errors.New("more than one command")
	case c.id == 0:
		err = errors.New("no id")
	case bodies == 0:
		err = errors.New("no command")
	}
	return c, err
}

var commandFields = (*nativepb.Command)(nil).ProtoReflect().Descriptor().Fields()

func (c *protoCommand) checkBody(f protoField) {
	field := commandFields.ByNumber(f.number)
	if field == nil {
		c.err = errorf(UnknownCommand, "there is no command %d", f.number)
		return
	}
	c.name = string(field.Name())
	if err := checkProto(f.bytes, field.Message()); err != nil {
		c.err = errorf(BadRequest, "%s: %v", c.name, err)
	}
}

// checkProto reports what of a message is not as its schema has it: a field that is
// not there, that is given twice, whose number is too big, or that repeats more often
// than maxCommands, or maxTags in a map. Text is left to the decoder.
func checkProto(b []byte, m protoreflect.MessageDescriptor) error {
	counts := make([]int, m.Fields().Len())
	var keys []string
	return eachField(b, func(f protoField) error {
		field := m.Fields().ByNumber(f.number)
		if field == nil {
			return fmt.Errorf("there is no field %d", f.number)
		}
		counts[field.Index()]++
		if most := mostOf(field); counts[field.Index()] > most {
			return fmt.Errorf("%s is given more than %d times", field.Name(), most)
		}
		if field.IsMap() {
			key := mapKey(f.bytes)
			if slices.Contains(keys, key) {
				return fmt.Errorf("%s has a name twice", field.Name())
			}
			keys = append(keys, key)
		}
		return f.check(field)
	})
}

// mostOf returns how often a field may come.
func mostOf(field protoreflect.FieldDescriptor) int {
	switch {
	case field.IsMap():
		return maxTags
	case field.IsList():
		return maxCommands
	}
	return 1
}

// mapKey returns the key of an entry of a map of strings.
func mapKey(entry []byte) (key string) {
	_ = eachField(entry, func(f protoField) error { // an entry that is malformed is found by check
		if f.number == 1 {
			key = string(f.bytes)
		}
		return nil
	})
	return key
}

// A protoField is one field on the wire.
type protoField struct {
	number protowire.Number
	typ    protowire.Type
	value  uint64 // of a varint
	bytes  []byte // of what has a length
}

// eachField calls take for each field of a message. The kinds of fields that the
// schema does not use are errors.
func eachField(b []byte, take func(f protoField) error) error {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMalformed
		}
		b = b[n:]
		f := protoField{number: number, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			return errMalformed
		}
		if n < 0 {
			return errMalformed
		}
		if err := take(f); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// lengthKinds are the kinds of fields that have a length on the wire.
var lengthKinds = []protoreflect.Kind{protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind}

// check holds a field against its description.
func (f protoField) check(field protoreflect.FieldDescriptor) error {
	if (f.typ == protowire.BytesType) != slices.Contains(lengthKinds, field.Kind()) {
		return errMalformed
	}
	switch field.Kind() {
	case protoreflect.MessageKind:
		if err := checkProto(f.bytes, field.Message()); err != nil {
			return fmt.Errorf("%s: %w", field.Name(), err)
		}
	case protoreflect.BoolKind:
		if f.value > 1 {
			return fmt.Errorf("%s is not 0 or 1", field.Name())
		}
	case protoreflect.Uint32Kind:
		if f.value > 1<<32-1 {
			return fmt.Errorf("%s is not below 2^32", field.Name())
		}
	case protoreflect.Uint64Kind, protoreflect.Int64Kind:
		if f.value > maxID {
			return fmt.Errorf("%s is not a whole number from 0 to 9007199254740991", field.Name())
		}
	}
	return nil
}
