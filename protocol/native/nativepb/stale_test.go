package nativepb

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The generated code has the fields of protocol.proto. It is read line by line here, for
// the compiler of Protocol Buffers is not everywhere.
func TestGeneratedCodeIsNotStale(t *testing.T) {
	source, err := os.ReadFile("protocol.proto")
	if err != nil {
		t.Fatal(err)
	}
	message := regexp.MustCompile(`^message (\w+) \{`)
	field := regexp.MustCompile(`^\s+((?:repeated |optional )?[\w<>, ]+) (\w+) = (\d+);`)
	var want []string
	in := ""
	for line := range strings.Lines(string(source)) {
		if m := message.FindStringSubmatch(line); m != nil {
			in = m[1]
		}
		if f := field.FindStringSubmatch(line); f != nil {
			want = append(want, fmt.Sprintf("%s: %s %s = %s", in, f[1], f[2], f[3]))
		}
	}
	var got []string
	messages := File_protocol_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			f := fields.Get(j)
			got = append(got, fmt.Sprintf("%s: %s %s = %d", messages.Get(i).Name(), typeOf(f), f.Name(), f.Number()))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("protocol.pb.go has\n%s\nprotocol.proto has\n%s\nrun go generate ./protocol/native/nativepb", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// typeOf returns the type of a field as the schema writes it.
func typeOf(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	if f.Message() != nil {
		name = string(f.Message().Name())
	}
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s, %s>", f.MapKey().Kind(), f.MapValue().Kind())
	case f.IsList():
		return "repeated " + name
	case f.HasOptionalKeyword():
		return "optional " + name
	}
	return name
}
