package wstest

import (
	"errors"
	"net"
	"sync/atomic"
)

// ErrFault is what a faulty stream fails with.
var ErrFault = errors.New("wstest: planted fault")

// A Faulty is a stream that fails at a given byte. The zero values of its counts
// mean that the first byte fails; negative values mean that none does.
type Faulty struct {
	net.Conn

	// ReadFaultAt and WriteFaultAt are how many bytes pass before the fault. They
	// must not be changed after the first call.
	ReadFaultAt, WriteFaultAt int64

	read, written atomic.Int64
}

// Read reads up to the byte of the fault.
func (f *Faulty) Read(p []byte) (int, error) {
	return limited(p, f.ReadFaultAt, &f.read, f.Conn.Read)
}

// Write writes up to the byte of the fault.
func (f *Faulty) Write(p []byte) (int, error) {
	return limited(p, f.WriteFaultAt, &f.written, f.Conn.Write)
}

func limited(p []byte, at int64, done *atomic.Int64, op func([]byte) (int, error)) (int, error) {
	cut := false
	if left := at - done.Load(); at >= 0 && int64(len(p)) > left {
		p, cut = p[:left], true
	}
	if cut && len(p) == 0 {
		return 0, ErrFault
	}
	n, err := op(p)
	done.Add(int64(n))
	if err == nil && cut && n == len(p) {
		err = ErrFault
	}
	return n, err
}
