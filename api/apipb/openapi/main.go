// Command openapi prints the OpenAPI document of the paths under /api.
//
//	openapi api.proto api.binpb > openapi.json
//
// The second file is a descriptor set of the first one, with its comments.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const description = "What back ends call. docs/reference/api.md says more, " +
	"and how the same methods are called by the Connect protocol and gRPC."

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: openapi api.proto api.binpb")
	}
	document, err := generate(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(document); err != nil {
		log.Fatal(err)
	}
}

func generate(source, descriptors string) ([]byte, error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(descriptors)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, err
	}
	file, err := files.FindFileByPath("api.proto")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return encode(document(file, hex.EncodeToString(sum[:])))
}

func encode(v any) ([]byte, error) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return []byte(out.String()), err
}

// An object is one of JSON.
type object map[string]any

func document(file protoreflect.FileDescriptor, sum string) object {
	paths, schemas := object{}, object{}
	service := file.Services().ByName("Api")
	for i := range service.Methods().Len() {
		m := service.Methods().Get(i)
		paths["/api/"+snake(string(m.Name()))] = object{"post": operation(m)}
		addSchemas(schemas, m.Input(), true)
	}
	for i := range service.Methods().Len() {
		addSchemas(schemas, service.Methods().Get(i).Output(), false)
	}
	addSchemas(schemas, file.Messages().ByName("Error"), false)
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "Ropewalk", "version": "1", "description": description},
		// Of the file that this was made from.
		"x-proto-sha256": sum,
		"paths":          paths,
		"components":     object{"schemas": schemas},
	}
}

func operation(m protoreflect.MethodDescriptor) object {
	return object{
		"operationId": string(m.Name()),
		"summary":     comment(m),
		"requestBody": object{"required": true, "content": content(m.Input())},
		"responses": object{
			"200":     object{"description": "Done.", "content": content(m.Output())},
			"default": object{"description": "What went wrong.", "content": content(m.ParentFile().Messages().ByName("Error"))},
		},
	}
}

func content(m protoreflect.MessageDescriptor) object {
	return object{"application/json": object{"schema": reference(m)}}
}

func reference(m protoreflect.MessageDescriptor) object {
	return object{"$ref": "#/components/schemas/" + string(m.Name())}
}

// addSchemas adds the schema of m and of all that it holds. Requests are strict,
// and everything in them may be absent; answers may grow members, and all but
// empty ones stand in them.
func addSchemas(schemas object, m protoreflect.MessageDescriptor, request bool) {
	if schemas[string(m.Name())] != nil {
		return
	}
	properties, required := object{}, []string{}
	schema := object{"type": "object", "properties": properties}
	schemas[string(m.Name())] = schema
	if text := comment(m); text != "" {
		schema["description"] = text
	}
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		properties[string(field.Name())] = property(m, field)
		if stands(field) {
			required = append(required, string(field.Name()))
		}
		if field.Message() != nil && !field.IsMap() {
			addSchemas(schemas, field.Message(), request)
		}
	}
	if m.Fields().ByName("content_type") != nil {
		properties["base64"] = object{
			"type": "string", "contentEncoding": "base64",
			"description": "In place of data, where content_type is set.",
		}
	}
	switch {
	case request:
		schema["additionalProperties"] = false
	case len(required) > 0:
		schema["required"] = required
	}
}

// stands reports whether an answer has the field even when it is zero.
func stands(field protoreflect.FieldDescriptor) bool {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return field.IsList()
	}
	return true
}

func property(m protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor) object {
	schema := kind(field)
	switch {
	case field.IsMap():
		schema = object{"type": "object", "additionalProperties": object{"type": "string"}}
	case field.IsList():
		schema = object{"type": "array", "items": schema}
	}
	text := comment(field)
	if field.Name() == "data" && m.Fields().ByName("content_type") != nil {
		text = "Any JSON value."
	}
	if text != "" {
		schema["description"] = text
	}
	return schema
}

func kind(field protoreflect.FieldDescriptor) object {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return reference(field.Message())
	case protoreflect.StringKind:
		return object{"type": "string"}
	case protoreflect.BytesKind:
		return object{} // any JSON value
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.Uint32Kind:
		return object{"type": "integer", "minimum": 0, "maximum": 1<<32 - 1}
	case protoreflect.Uint64Kind:
		return object{"type": "integer", "minimum": 0, "maximum": 1<<53 - 1}
	case protoreflect.Int64Kind:
		return object{"type": "integer"}
	}
	panic(fmt.Sprintf("openapi: %s has the kind %v", field.FullName(), field.Kind()))
}

// comment returns what stands above a declaration, as one line.
func comment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return strings.Join(strings.Fields(text), " ")
}

// snake turns PublishBatch into publish_batch.
func snake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
