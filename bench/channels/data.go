//go:build linux

package channels

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A form makes the data of publications: JSON of a fixed size, which says its number
// and when it was sent, so that what arrives can be found in any message and checked.
//
//	{"seq":1000000001,"at":"0000001234567890","pad":"…"}
type form struct{ end []byte }

const (
	seqBase = 1_000_000_000 // all numbers have the same size
	seqSize = 10
	atSize  = 16
)

var (
	beforeSeq = []byte(`{"seq":`)
	beforeAt  = []byte(`,"at":"`)
)

const beforePad = `","pad":"`

// newForm returns one of size bytes, at least 64.
func newForm(size int) *form {
	rest := size - len(beforeSeq) - seqSize - len(beforeAt) - atSize - len(beforePad)
	pad := strings.Repeat("the quick brown fox jumps over the lazy dog. ", rest/45+1)
	return &form{end: []byte(beforePad + pad[:rest-2] + `"}`)}
}

// data returns publication number seq, which is sent at that time.
func (f *form) data(seq int, at time.Duration) []byte {
	return fmt.Appendf(nil, `%s%d%s%016d%s`, beforeSeq, seqBase+seq, beforeAt, at.Nanoseconds(), f.end)
}

var errDifferent = errors.New("data is not what was published")

// each calls visit for each publication in message.
func (f *form) each(message []byte, visit func(seq int, at time.Duration) error) error {
	for {
		i := bytes.Index(message, beforeSeq)
		if i < 0 {
			return nil
		}
		seq, at, rest, err := f.parse(message[i:])
		if err != nil {
			return err
		}
		if err := visit(seq, at); err != nil {
			return err
		}
		message = rest
	}
}

func (f *form) parse(b []byte) (seq int, at time.Duration, rest []byte, err error) {
	var digits [2][]byte
	for i, part := range []struct {
		before []byte
		size   int
	}{{beforeSeq, seqSize}, {beforeAt, atSize}} {
		after, ok := bytes.CutPrefix(b, part.before)
		if !ok || len(after) < part.size {
			return 0, 0, nil, errDifferent
		}
		digits[i], b = after[:part.size], after[part.size:]
	}
	rest, ok := bytes.CutPrefix(b, f.end)
	if !ok {
		return 0, 0, nil, errDifferent
	}
	if seq, err = strconv.Atoi(string(digits[0])); err != nil {
		return 0, 0, nil, errDifferent
	}
	ns, err := strconv.ParseInt(string(digits[1]), 10, 64)
	if err != nil {
		return 0, 0, nil, errDifferent
	}
	return seq - seqBase, time.Duration(ns), rest, nil
}
