package api

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

// This file is the JSON of the paths under /api: the messages of api.proto as
// objects whose members are named as the fields. It differs from protobuf's own
// JSON in what back ends would trip over: bytes that hold JSON text are the value
// itself, and 64-bit numbers are numbers, for none of them exceeds 2^53.
//
//   - A bytes field stands for a JSON value, whose text it takes over as it is. Where
//     the message has a content_type too, the member base64 may stand in its place.
//   - What is absent has its zero value. In answers empty strings, bytes and maps and
//     absent messages are left out; numbers, truth values and lists always stand.
//   - Members that the message does not have, members given twice and null (but as
//     a JSON value) are errors.

const (
	// maxDepth is how deep the arrays and objects of a request may be nested.
	maxDepth = 64

	dataName        = "data"
	base64Name      = "base64"
	contentTypeName = "content_type"
)

// decodeJSON fills m, which is empty, from text. Lists and maps of more than
// maxMany elements are refused before they take memory.
func decodeJSON(text []byte, m protoreflect.Message) error {
	if err := jsonscan.Check(text, maxDepth); err != nil {
		return errorf(BadRequest, "%v", err)
	}
	return decodeMessage("", text, m)
}

// decodeMessage fills m from checked text. Path leads to it and is empty or ends
// with a dot.
func decodeMessage(path string, text []byte, m protoreflect.Message) error {
	var plain, encoded bool // data was given, or base64
	err := jsonscan.Members(text, func(name string, value []byte) error {
		plain = plain || name == dataName
		encoded = encoded || name == base64Name
		return decodeMember(path, name, value, m)
	})
	if err != nil {
		return typeError(path, "an object", err)
	}
	if t := contentTypeOf(m.Descriptor()); t != nil && (plain == encoded || encoded != (m.Get(t).String() != "")) {
		return errorf(BadRequest, "%s needs either data, or base64 and content_type", place(path))
	}
	return nil
}

func decodeMember(path, name string, value []byte, m protoreflect.Message) error {
	if name == base64Name && contentTypeOf(m.Descriptor()) != nil {
		return decodeBase64(path+name, value, m)
	}
	field := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil {
		return errorf(BadRequest, "no such member: %s%+.40q", path, name)
	}
	path += name
	switch {
	case field.IsList():
		return decodeList(path, value, m.Mutable(field).List(), field)
	case field.IsMap():
		return decodeMap(path, value, m.Mutable(field).Map())
	case field.Message() != nil:
		return decodeMessage(path+".", value, m.Mutable(field).Message())
	}
	v, err := decodeScalar(path, value, field.Kind())
	if err == nil {
		m.Set(field, v)
	}
	return err
}

// contentTypeOf returns the field that says what a message's data is; nil where
// that is always JSON text.
func contentTypeOf(d protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	return d.Fields().ByName(contentTypeName)
}

func decodeBase64(path string, value []byte, m protoreflect.Message) error {
	s, err := decodeString(path, value)
	if err != nil {
		return err
	}
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return errorf(BadRequest, "%s is not standard base64 with padding", path)
	}
	m.Set(m.Descriptor().Fields().ByName(dataName), protoreflect.ValueOfBytes(data))
	return nil
}

func decodeList(path string, value []byte, list protoreflect.List, field protoreflect.FieldDescriptor) error {
	err := jsonscan.Elements(value, func(element []byte) error {
		at := path + "[" + strconv.Itoa(list.Len()) + "]"
		if list.Len() >= maxMany {
			return errorf(RequestTooBig, "more than %d %s", maxMany, path)
		}
		if field.Message() != nil {
			return decodeMessage(at+".", element, list.AppendMutable().Message())
		}
		v, err := decodeScalar(at, element, field.Kind())
		if err == nil {
			list.Append(v)
		}
		return err
	})
	return typeError(path, "an array", err)
}

// decodeMap fills a map of strings.
func decodeMap(path string, value []byte, all protoreflect.Map) error {
	err := jsonscan.Members(value, func(name string, value []byte) error {
		if all.Len() >= maxTags {
			return errorf(BadRequest, "more than %d %s", maxTags, path)
		}
		s, err := decodeString(path+" of "+strconv.QuoteToASCII(name), value)
		if err == nil {
			all.Set(protoreflect.ValueOfString(name).MapKey(), protoreflect.ValueOfString(s))
		}
		return err
	})
	return typeError(path, "an object", err)
}

func decodeScalar(path string, value []byte, kind protoreflect.Kind) (v protoreflect.Value, err error) {
	switch kind {
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(bytes.Clone(value)), nil
	case protoreflect.StringKind:
		s, err := decodeString(path, value)
		return protoreflect.ValueOfString(s), err
	case protoreflect.BoolKind:
		if s := string(value); s != "true" && s != "false" {
			return v, errorf(BadRequest, "%s is neither true nor false", path)
		}
		return protoreflect.ValueOfBool(value[0] == 't'), nil
	case protoreflect.Uint32Kind:
		n, err := decodeUint(path, value, math.MaxUint32)
		return protoreflect.ValueOfUint32(uint32(n)), err
	case protoreflect.Uint64Kind:
		n, err := decodeUint(path, value, jsonscan.MaxInteger)
		return protoreflect.ValueOfUint64(n), err
	}
	panic("api: " + kind.String() + " in a request")
}

func decodeString(path string, value []byte) (string, error) {
	s, err := jsonscan.String(value)
	return s, typeError(path, "a string", err)
}

func decodeUint(path string, value []byte, most uint64) (uint64, error) {
	n, err := jsonscan.Uint(value)
	if err != nil || n > most {
		return 0, errorf(BadRequest, "%s is not a whole number from 0 to %d", path, most)
	}
	return n, nil
}

// typeError says where something of the wrong type stands, or passes err on.
func typeError(path, want string, err error) error {
	_, known := errors.AsType[*Error](err)
	switch {
	case err == nil || known:
		return err
	case errors.Is(err, jsonscan.ErrType):
		return errorf(BadRequest, "%s is not %s", place(path), want)
	}
	return errorf(BadRequest, "%s: %v", place(path), err)
}

// place names what a path leads to.
func place(path string) string {
	if path == "" {
		return "the body"
	}
	return strings.TrimSuffix(path, ".")
}

// A shape is what appendJSON knows of a kind of message.
type shape struct {
	members     []shapeMember
	contentType protoreflect.FieldDescriptor // as contentTypeOf returns it
}

type shapeMember struct {
	field   protoreflect.FieldDescriptor
	name    string // as it stands in an object, with the colon
	leftOut bool   // when it has its zero value
	isData  bool
}

// shapes are those that were asked for, by their descriptors: what a descriptor knows
// takes long to find out.
var shapes sync.Map

func shapeOf(d protoreflect.MessageDescriptor) *shape {
	if known, ok := shapes.Load(d); ok {
		return known.(*shape)
	}
	sh := &shape{contentType: contentTypeOf(d)}
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		sh.members = append(sh.members, shapeMember{
			field:   field,
			name:    string(jsonscan.AppendString(nil, string(field.Name()))) + ":",
			leftOut: leftOut(field),
			isData:  sh.contentType != nil && field.Name() == dataName,
		})
	}
	shapes.Store(d, sh)
	return sh
}

// leftOut reports whether a field does not stand in an answer when it has its
// zero value.
func leftOut(field protoreflect.FieldDescriptor) bool {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return !field.IsList()
	}
	return false
}

// appendJSON appends a message as JSON.
func appendJSON(b []byte, m protoreflect.Message) []byte {
	sh := shapeOf(m.Descriptor())
	b = append(b, '{')
	start := len(b)
	for i := range sh.members {
		member := &sh.members[i]
		// Data that is something else than JSON text.
		isBase64 := member.isData && m.Get(sh.contentType).String() != ""
		if member.leftOut && !isBase64 && !m.Has(member.field) {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		if v := m.Get(member.field); isBase64 {
			b = append(b, `"base64":"`...)
			b = append(base64.StdEncoding.AppendEncode(b, v.Bytes()), '"')
		} else {
			b = appendField(append(b, member.name...), v, member.field)
		}
	}
	return append(b, '}')
}

func appendField(b []byte, v protoreflect.Value, field protoreflect.FieldDescriptor) []byte {
	switch {
	case field.IsList():
		return appendList(b, v.List(), field)
	case field.IsMap():
		return appendMap(b, v.Map())
	}
	return appendValue(b, v, field)
}

func appendList(b []byte, list protoreflect.List, field protoreflect.FieldDescriptor) []byte {
	b = append(b, '[')
	for i := range list.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, list.Get(i), field)
	}
	return append(b, ']')
}

// appendMap appends a map of strings, sorted by name.
func appendMap(b []byte, all protoreflect.Map) []byte {
	names := make([]string, 0, all.Len())
	all.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		names = append(names, k.String())
		return true
	})
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, name)
		b = append(b, ':')
		b = jsonscan.AppendString(b, all.Get(protoreflect.ValueOfString(name).MapKey()).String())
	}
	return append(b, '}')
}

func appendValue(b []byte, v protoreflect.Value, field protoreflect.FieldDescriptor) []byte {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return appendJSON(b, v.Message())
	case protoreflect.StringKind:
		return jsonscan.AppendString(b, v.String())
	case protoreflect.BytesKind:
		return append(b, v.Bytes()...)
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool())
	case protoreflect.Int64Kind:
		return strconv.AppendInt(b, v.Int(), 10)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return strconv.AppendUint(b, v.Uint(), 10)
	}
	panic("api: " + field.Kind().String() + " in an answer")
}
