// Package inmemory measures what a library spends on a message beyond its system
// calls: reads from a stream that is ready in memory, writes that are thrown away.
package inmemory

import (
	"bytes"
	"fmt"
	"io"

	"github.com/seed-15847954/ropewalk/bench/library"
	"github.com/seed-15847954/ropewalk/bench/memory"
	"github.com/seed-15847954/ropewalk/bench/wire"
)

// An Operation is what is done with messages.
type Operation string

// The two operations.
const (
	Read  Operation = "read"
	Write Operation = "write"
)

// A Case is one thing to measure.
type Case struct {
	Role      library.Role
	Operation Operation
	Size      int // bytes of one message
}

// Cases returns everything that is measured, in the order of the tables.
func Cases() []Case {
	var cases []Case
	for _, role := range []library.Role{library.Server, library.Client} {
		for _, op := range []Operation{Read, Write} {
			for _, size := range []int{128, 16 << 10} {
				cases = append(cases, Case{role, op, size})
			}
		}
	}
	return cases
}

// String returns a name such as "server reads 16 KiB".
func (c Case) String() string {
	size := fmt.Sprintf("%d B", c.Size)
	if c.Size >= 1<<10 {
		size = fmt.Sprintf("%d KiB", c.Size>>10)
	}
	return fmt.Sprintf("%s %ss %s", c.Role, c.Operation, size)
}

// streamSize is about how many bytes of frames a reader is given before they
// start again. It fits the second-level cache, where a socket's bytes are too
// when they are read soon after they came.
const streamSize = 256 << 10

// messages returns the frames that a peer sends in this case, and their payloads.
func (c Case) messages() (stream []byte, payloads [][]byte) {
	return wire.Stream(c.Size, streamSize/c.Size, c.Role == library.Server)
}

// Verify has lib read, or write, every message of the case and compares all bytes.
// Reading goes on past the place where the stream starts again.
func (c Case) Verify(lib library.Library) error {
	verify := c.verifyWrite
	if c.Operation == Read {
		verify = c.verifyRead
	}
	if err := verify(lib); err != nil {
		return fmt.Errorf("%s: %s: %w", lib.Name, c, err)
	}
	return nil
}

func (c Case) verifyRead(lib library.Library) error {
	stream, payloads := c.messages()
	conn, err := lib.Open(memory.NewConn(&memory.Replay{Stream: stream}, io.Discard), c.Role)
	if err != nil {
		return err
	}
	defer conn.Close()
	i, wrong := 0, error(nil)
	err = conn.Each(func(p []byte) bool {
		if !bytes.Equal(p, payloads[i%len(payloads)]) {
			wrong = fmt.Errorf("message %d is not what was sent", i)
		}
		i++
		return wrong == nil && i < 2*len(payloads)+1
	})
	if wrong != nil {
		return wrong
	}
	return err
}

func (c Case) verifyWrite(lib library.Library) error {
	_, payloads := c.messages()
	var out bytes.Buffer
	conn, err := lib.Open(memory.NewConn(&memory.Replay{}, &out), c.Role)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, p := range payloads {
		given := bytes.Clone(p)
		if err := conn.Write(given); err != nil {
			return err
		}
		if !bytes.Equal(given, p) {
			return fmt.Errorf("the caller's bytes were changed")
		}
	}
	sent, err := wire.Messages(out.Bytes(), c.Role == library.Client)
	if err != nil {
		return err
	}
	if len(sent) != len(payloads) {
		return fmt.Errorf("%d messages were sent, want %d", len(sent), len(payloads))
	}
	for i, p := range payloads {
		if !bytes.Equal(sent[i], p) {
			return fmt.Errorf("message %d is not what was given", i)
		}
	}
	return nil
}
