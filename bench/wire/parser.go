package wire

import "fmt"

// A Parser takes a server's frames as they come, in pieces, and joins them to
// messages. A Ping, which a server may send at any time, is passed over.
type Parser struct {
	pending    []byte // the start of a frame
	message    []byte // of a fragmented message
	open       bool
	compressed bool
}

// Parse takes the next bytes and calls visit for each message that is whole with
// them, with the bit RSV1 of its first frame.
func (p *Parser) Parse(b []byte, visit func(compressed bool, message []byte) error) error {
	if len(p.pending) > 0 {
		p.pending = append(p.pending, b...)
		b = p.pending
	}
	for {
		n, err := p.frame(b, visit)
		if err != nil {
			return err
		}
		if n == 0 {
			p.pending = append(p.pending[:0], b...)
			return nil
		}
		b = b[n:]
	}
}

// frame takes the frame at the start of b and returns its size, or 0 if it is not
// whole.
func (p *Parser) frame(b []byte, visit func(compressed bool, message []byte) error) (int, error) {
	header, size := length(b)
	if size == 0 || len(b) < size {
		return 0, nil
	}
	payload := b[header:size]
	fin, rsv1, opcode := b[0]&0x80 != 0, b[0]&0x40 != 0, b[0]&0x0f
	switch {
	case b[0]&0x30 != 0 || b[1]&0x80 != 0:
		return 0, fmt.Errorf("wire: a server's frame begins with %#x", b[:2])
	case opcode == ping:
		return size, nil
	case opcode == binaryFrame && !p.open:
		p.compressed, p.message = rsv1, p.message[:0]
	case opcode == continuation && p.open && !rsv1:
	default:
		return 0, fmt.Errorf("wire: frame of opcode %d, in a fragmented message: %t", opcode, p.open)
	}
	p.open = !fin
	if fin && opcode == binaryFrame {
		return size, visit(rsv1, payload)
	}
	p.message = append(p.message, payload...)
	if !fin {
		return size, nil
	}
	return size, visit(p.compressed, p.message)
}

// length returns the size of the header at the start of b, which has no mask, and
// of its frame; 0 if b does not hold the header.
func length(b []byte) (header, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	n, extra := int(b[1]&0x7f), 0
	switch n {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if len(b) < 2+extra {
		return 0, 0
	}
	if extra > 0 {
		n = 0
		for _, c := range b[2 : 2+extra] {
			n = n<<8 | int(c)
		}
	}
	return 2 + extra, 2 + extra + n
}
