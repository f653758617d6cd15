package native

import (
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// What clients and back ends hand in is refused where text is not UTF-8. Others may put
// something else into a broker all the same, and that must not keep a message from those
// who are to get it: it goes to them as far as it can be said.

// legible returns data as a message carries it: null where there is none, and bytes where
// it is no text that JSON could be.
func legible(data []byte, contentType string) ([]byte, string) {
	switch {
	case contentType != "":
	case len(data) == 0:
		data = []byte("null")
	case !utf8.Valid(data):
		contentType = "application/octet-stream"
	}
	return data, contentType
}

// mend replaces what is not UTF-8 in the strings of a message by U+FFFD, each byte by one,
// as the encoder of JSON does. What the message shares with others it leaves alone.
func mend(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Kind() == protoreflect.StringKind {
				m.Set(f, mended(m.NewField(f), v.Map()))
			}
		case f.Kind() == protoreflect.StringKind && !f.IsList():
			m.Set(f, protoreflect.ValueOfString(mendString(v.String())))
		case f.Kind() == protoreflect.MessageKind && f.IsList():
			for i := range v.List().Len() {
				mend(v.List().Get(i).Message())
			}
		case f.Kind() == protoreflect.MessageKind:
			mend(v.Message())
		}
		return true
	})
}

// mended fills a new map of strings with what there is in old.
func mended(fresh protoreflect.Value, old protoreflect.Map) protoreflect.Value {
	old.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		key := protoreflect.ValueOfString(mendString(k.String())).MapKey()
		fresh.Map().Set(key, protoreflect.ValueOfString(mendString(v.String())))
		return true
	})
	return fresh
}

func mendString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
