package handshake

import (
	"errors"
	"fmt"
	"strings"
)

// An Extension is one element of Sec-WebSocket-Extensions.
type Extension struct {
	Name   string
	Params []Param
}

// A Param is a parameter of an extension. Value is unquoted.
type Param struct {
	Name     string
	Value    string
	HasValue bool
}

// Bounds on a header. What browsers and libraries send holds one or two
// extensions with four parameters.
const (
	maxExtensions      = 16
	maxExtensionParams = 16
)

var errExtensionSyntax = errors.New("malformed Sec-WebSocket-Extensions")

// ParseExtensions parses the lines of Sec-WebSocket-Extensions, which are one
// list (RFC 6455, section 9.1). It takes time linear in their size.
//
// The grammar is that of RFC 2616: an element of a list may be empty but not
// all, and white space may stand around every separator.
func ParseExtensions(lines []string) ([]Extension, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	var all []Extension
	p := extensionParser{rest: strings.Join(lines, ",")} // does not copy a single line
	for p.skip(); p.rest != ""; p.skip() {
		if p.take(',') {
			continue
		}
		e, err := p.extension()
		if err != nil {
			return nil, err
		}
		if all = append(all, e); len(all) > maxExtensions {
			return nil, fmt.Errorf("more than %d extensions", maxExtensions)
		}
		if p.rest != "" && !p.take(',') {
			return nil, errExtensionSyntax
		}
	}
	if len(all) == 0 {
		return nil, errExtensionSyntax
	}
	return all, nil
}

// An extensionParser eats rest from the front. Between its calls no white space
// is left there.
type extensionParser struct{ rest string }

func (p *extensionParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take eats c and the white space behind it, if rest begins with c.
func (p *extensionParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	p.skip()
	return true
}

func (p *extensionParser) extension() (e Extension, err error) {
	if e.Name, err = p.token(); err != nil {
		return e, err
	}
	for p.take(';') {
		param, err := p.param()
		if err != nil {
			return e, err
		}
		if e.Params = append(e.Params, param); len(e.Params) > maxExtensionParams {
			return e, fmt.Errorf("more than %d parameters of one extension", maxExtensionParams)
		}
	}
	return e, nil
}

func (p *extensionParser) param() (param Param, err error) {
	if param.Name, err = p.token(); err != nil || !p.take('=') {
		return param, err
	}
	param.HasValue = true
	if strings.HasPrefix(p.rest, `"`) {
		param.Value, err = p.quoted()
	} else {
		param.Value, err = p.token()
	}
	return param, err
}

func (p *extensionParser) token() (string, error) {
	n := 0
	for n < len(p.rest) && isTokenByte(p.rest[n]) {
		n++
	}
	if n == 0 {
		return "", errExtensionSyntax
	}
	token := p.rest[:n]
	p.rest = p.rest[n:]
	p.skip()
	return token, nil
}

// quoted eats a quoted-string. 9.1: its value, once unquoted, must be a token.
func (p *extensionParser) quoted() (string, error) {
	var value strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"' && value.Len() > 0:
			p.rest = p.rest[i+1:]
			p.skip()
			return value.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			c = p.rest[i]
			fallthrough
		default:
			if !isTokenByte(c) {
				return "", errExtensionSyntax
			}
			value.WriteByte(c)
		}
	}
	return "", errExtensionSyntax
}
