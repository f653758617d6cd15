package server

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// parseYAML reads a file as a flat list of keys and values, each with its line.
// It walks the syntax tree rather than decode into a struct, for values keep
// their lines so. Anchors, tags and several documents are refused.
func parseYAML(name string, b []byte) ([]entry, []namespace, error) {
	// The parser counts some lines that end in CR LF twice.
	file, err := parser.ParseBytes(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), 0)
	if err != nil {
		return nil, nil, syntaxError(name, err)
	}
	r := yamlReader{name: name}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			return nil, nil, fmt.Errorf("%s: more than one document", r.at(doc.Body))
		}
		if err := r.mapping("", doc.Body); err != nil {
			return nil, nil, err
		}
	}
	return r.entries, r.namespaces, nil
}

func syntaxError(name string, err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		message, _, _ := strings.Cut(syntax.GetMessage(), "\n")
		return fmt.Errorf("%s:%d: %s", name, syntax.GetToken().Position.Line, message)
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s: %s", name, message)
}

type yamlReader struct {
	name    string
	entries []entry

	// Set once the key namespaces was read.
	namespaces    []namespace
	hasNamespaces bool
}

func (r *yamlReader) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", r.name, node.GetToken().Position.Line)
}

func (r *yamlReader) mapping(prefix string, node ast.Node) error {
	pairs, err := r.pairs(strings.TrimSuffix(prefix, "."), node)
	if err != nil {
		return err
	}
	for _, pair := range pairs {
		if err := r.pair(prefix, pair); err != nil {
			return err
		}
	}
	return nil
}

// pairs returns the keys with their values that node, the value of key, consists of.
func (r *yamlReader) pairs(key string, node ast.Node) ([]*ast.MappingValueNode, error) {
	switch node := node.(type) {
	case *ast.MappingNode:
		return node.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{node}, nil
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil, nil
	}
	where := r.at(node)
	if key != "" {
		where += ": " + key
	}
	return nil, fmt.Errorf("%s: %s, want keys with values", where, kind(node))
}

func (r *yamlReader) pair(prefix string, pair *ast.MappingValueNode) error {
	key := prefix + pair.Key.GetToken().Value
	if key == "namespaces" {
		return r.readNamespaces(pair)
	}
	if section(key) {
		return r.mapping(key+".", pair.Value)
	}
	if _, ok := setting(key); !ok {
		return fmt.Errorf("%s: %s: unknown key, the keys are %s", r.at(pair.Key), describe([]string{key}), keys())
	}
	// The parser sees a key that stands twice, not one written in two ways.
	if slices.ContainsFunc(r.entries, func(e entry) bool { return e.key == key }) {
		return fmt.Errorf("%s: %s: given twice", r.at(pair.Key), key)
	}
	elements := []ast.Node{pair.Value}
	if sequence, ok := pair.Value.(*ast.SequenceNode); ok {
		elements = sequence.Values
	}
	values := make([]string, 0, len(elements))
	for _, element := range elements {
		text, ok := scalar(element)
		if !ok {
			return fmt.Errorf("%s: %s: %s, want a plain value", r.at(element), key, kind(element))
		}
		values = append(values, text)
	}
	r.entries = append(r.entries, entry{key, values, r.at(pair.Key)})
	return nil
}

// readNamespaces reads a sequence of mappings.
func (r *yamlReader) readNamespaces(pair *ast.MappingValueNode) error {
	if r.hasNamespaces {
		return fmt.Errorf("%s: namespaces: given twice", r.at(pair.Key))
	}
	r.hasNamespaces = true
	if _, none := pair.Value.(*ast.NullNode); none {
		return nil
	}
	sequence, ok := pair.Value.(*ast.SequenceNode)
	if !ok {
		return fmt.Errorf("%s: namespaces: %s, want a sequence of keys with values", r.at(pair.Value), kind(pair.Value))
	}
	for _, element := range sequence.Values {
		pairs, err := r.pairs("namespaces", element)
		if err != nil {
			return err
		}
		n := namespace{origin: r.at(element), values: make(map[string]value)}
		for _, p := range pairs {
			key := p.Key.GetToken().Value
			text, ok := scalar(p.Value)
			if !ok {
				return fmt.Errorf("%s: namespaces: %s: %s, want a plain value", r.at(p.Value), describe([]string{key}), kind(p.Value))
			}
			if _, twice := n.values[key]; twice {
				return fmt.Errorf("%s: namespaces: %s: given twice", r.at(p.Key), describe([]string{key}))
			}
			n.values[key] = value{text, r.at(p.Key)}
		}
		r.namespaces = append(r.namespaces, n)
	}
	return nil
}

// section reports whether key holds other keys.
func section(key string) bool {
	return slices.ContainsFunc(Settings(), func(s Setting) bool { return strings.HasPrefix(s.Key, key+".") })
}

// scalar returns a plain value as it is written, without quotes.
func scalar(node ast.Node) (string, bool) {
	switch node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func kind(node ast.Node) string {
	return "a value of the kind " + strings.ToLower(node.Type().String())
}
