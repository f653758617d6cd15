//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed-15847954/ropewalk/bench/wire"
)

// joined compares messages of servers that cut them into frames as they please.
type joined struct {
	stream *Stream
	next   int
	parser wire.Parser
}

func (j *joined) receive(p []byte) (messages int, err error) {
	err = j.parser.Parse(p, func(compressed bool, message []byte) error {
		s := j.stream
		if compressed || !bytes.Equal(message, payload(s.want[s.wantAt[j.next]:s.wantAt[j.next+1]])) {
			return fmt.Errorf("message %d of the stream: %w", j.next, errDifferent)
		}
		j.next = (j.next + 1) % s.count()
		messages++
		return nil
	})
	return messages, err
}

var errDifferent = errors.New("what came back is not what was sent")

// payload returns that of a server's frame.
func payload(frame []byte) []byte {
	header := map[byte]int{126: 4, 127: 10}[frame[1]]
	return frame[max(header, 2):]
}
