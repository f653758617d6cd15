package wire

import "fmt"

// A Joiner takes a server's frames of every kind as they come, in pieces, and joins
// them to messages.
type Joiner struct {
	pending []byte // the start of a frame
	message []byte // of a fragmented message
	opcode  byte   // of that, or 0
}

// Take takes the next bytes and calls visit for each message and each control
// frame that is whole with them. The payload is visit's until it returns.
func (j *Joiner) Take(b []byte, visit func(opcode byte, payload []byte) error) error {
	if len(j.pending) > 0 {
		j.pending = append(j.pending, b...)
		b = j.pending
	}
	for {
		header, size := length(b)
		if size == 0 || len(b) < size {
			break
		}
		if b[0]&0x70 != 0 || b[1]&0x80 != 0 {
			return fmt.Errorf("wire: a server's frame begins with %#x", b[:2])
		}
		if err := j.frame(b[0]&0x80 != 0, b[0]&0x0f, b[header:size], visit); err != nil {
			return err
		}
		b = b[size:]
	}
	if len(b) == 0 {
		j.pending = nil // most connections have nothing pending, most of the time
		return nil
	}
	j.pending = append(j.pending[:0], b...)
	return nil
}

func (j *Joiner) frame(fin bool, opcode byte, payload []byte, visit func(opcode byte, payload []byte) error) error {
	if opcode >= Close {
		return visit(opcode, payload)
	}
	if (opcode == continuation) != (j.opcode != 0) {
		return fmt.Errorf("wire: frame of opcode %d, behind the start of one of opcode %d", opcode, j.opcode)
	}
	if opcode != continuation {
		if fin {
			return visit(opcode, payload)
		}
		j.opcode = opcode
	}
	j.message = append(j.message, payload...)
	if !fin {
		return nil
	}
	opcode, payload = j.opcode, j.message
	j.opcode, j.message = 0, nil
	return visit(opcode, payload)
}
