package wsh2

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A conn is one HTTP/2 connection of a client. One goroutine reads its frames and
// one writes them; streams add to what is written, and wait for what was read.
type conn struct {
	// Constant after newConn.
	t     *Transport
	nc    net.Conn
	ready chan struct{} // closed by the server's first SETTINGS
	done  chan struct{} // closed when both goroutines have ended

	// Owned by the goroutine that reads.
	in      *http2.Framer
	useless bucket

	mu         sync.Mutex
	err        error              // why the connection has ended; nil while it has not
	streams    map[uint32]*stream // that are open in any direction
	reservedN  int                // streams that are about to be opened
	nextID     uint32
	goingAway  bool // no more streams are opened
	peer       peerSettings
	sendWindow int64 // bytes of DATA that the server takes on all streams together
	recvWindow int64 // bytes of DATA that the server may still send
	recvDebt   int64 // bytes that it may send again, but has not been told

	// What is to be written, encoded.
	out     bytes.Buffer
	framer  *http2.Framer // to out
	block   bytes.Buffer
	encoder *hpack.Encoder   // to block
	queued  int64            // bytes that were ever put into out
	written int64            // bytes that were taken by nc
	wake    *sync.Cond       // there is something to write, or the end
	blocked map[*stream]bool // streams whose Write waits
	idle    *time.Timer      // nil, or closes the connection
	heard   time.Time        // when something was read last
	watch   *time.Timer      // nil, or sends a PING
	pinged  bool             // and nothing was heard since
	halves  int              // goroutines that still run
}

// peerSettings are the settings of the server, with the values that hold until it
// says otherwise (RFC 9113, section 6.5.2).
type peerSettings struct {
	extendedConnect bool
	maxStreams      uint32
	initialWindow   int64
	maxFrame        int64
	maxHeader       uint64
}

// The connection's own window, which every stream's data is refunded to at once: a
// slow reader is stopped by the window of its stream.
const (
	connWindow    = 4 << 20
	defaultWindow = 65535 // RFC 9113, section 6.9.2
	maxWindow     = 1<<31 - 1
	maxFrameSize  = 16 << 10 // read and written: the least that everybody takes
	maxStreamID   = 1<<31 - 1
)

func newConn(t *Transport, nc net.Conn) *conn {
	c := &conn{
		t:       t,
		nc:      nc,
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
		in:      http2.NewFramer(nil, bufio.NewReaderSize(nc, maxFrameSize)),
		streams: make(map[uint32]*stream),
		nextID:  1,
		peer: peerSettings{
			maxStreams: 1000, initialWindow: defaultWindow, maxFrame: maxFrameSize, maxHeader: 1 << 62,
		},
		sendWindow: defaultWindow,
		recvWindow: connWindow,
		blocked:    make(map[*stream]bool),
		heard:      time.Now(),
		halves:     2,
	}
	c.in.SetMaxReadFrameSize(maxFrameSize)
	c.in.SetReuseFrames()
	c.in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.in.MaxHeaderListSize = t.maxHeader()
	c.framer = http2.NewFramer(&c.out, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	c.wake = sync.NewCond(&c.mu)
	c.greet()
	c.startWatch()
	return c
}

// greet sends the preface (RFC 9113, section 3.4). A client does not send
// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3).
func (c *conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.WriteString(http2.ClientPreface)
	c.queued += int64(len(http2.ClientPreface))
	c.send(func(f *http2.Framer) error {
		return f.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(c.t.streamWindow())},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: c.t.maxHeader()},
		)
	})
	c.send(func(f *http2.Framer) error { return f.WriteWindowUpdate(0, connWindow-defaultWindow) })
}

// A room says whether a connection takes one more stream.
type room int

const (
	taken    room = iota // it does, and has counted it
	full                 // not now
	declines             // the server does not offer extended CONNECT
	gone                 // no more
)

func (c *conn) reserve() room {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil || c.goingAway:
		return gone
	case !c.peer.extendedConnect:
		return declines
	case uint64(len(c.streams)+c.reservedN) >= uint64(c.peer.maxStreams):
		return full
	}
	c.reservedN++
	if c.idle != nil {
		c.idle.Stop()
	}
	return taken
}

// failure is why the connection has ended, or nil.
func (c *conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return fmt.Errorf("wsh2: connection failed: %w", c.err)
}

func (c *conn) maxStreams() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.maxStreams
}

// rest says that the connection is open and may be of no use to anybody.
func (c *conn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
}

// settle closes a connection that drains once it has no streams, and has one that is
// idle closed later. The caller holds mu.
func (c *conn) settle() {
	if len(c.streams) > 0 || c.reservedN > 0 || c.err != nil {
		return
	}
	if c.goingAway {
		c.fail(http2.ErrCodeNo, errDrained)
		return
	}
	switch timeout := orDefault(c.t.IdleTimeout, 90*time.Second); {
	case timeout < 0:
	case c.idle == nil:
		c.idle = time.AfterFunc(timeout, c.closeIfIdle)
	default:
		c.idle.Reset(timeout)
	}
}

var (
	errDrained = errors.New("wsh2: the connection was closed without streams")
	errIdle    = errors.New("wsh2: the connection was idle")
)

func (c *conn) closeIfIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams) == 0 && c.reservedN == 0 {
		c.fail(http2.ErrCodeNo, errIdle)
	}
}

// shut ends the connection because of err.
func (c *conn) shut(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(http2.ErrCodeNo, err)
}

// farewellTime is how long what is still to be written may take at the end.
const farewellTime = time.Second

// fail ends the connection and its streams because of err, and tells the server with
// a GOAWAY. The caller holds mu.
func (c *conn) fail(code http2.ErrCode, err error) {
	if c.err != nil {
		return
	}
	c.err = err
	for _, s := range c.streams {
		s.end(fmt.Errorf("wsh2: connection failed: %w", err))
	}
	clear(c.streams)
	c.send(func(f *http2.Framer) error { return f.WriteGoAway(0, code, nil) })
	_ = c.nc.SetWriteDeadline(time.Now().Add(farewellTime)) // a stream without deadlines is closed all the same
	for _, timer := range []*time.Timer{c.idle, c.watch} {
		if timer != nil {
			timer.Stop()
		}
	}
	c.wake.Signal()
}

// half is called by each goroutine at its end.
func (c *conn) half() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.halves--; c.halves == 0 {
		close(c.done)
	}
}

// openError is why a connection has not come to be.
func (c *conn) openError(to target) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wrong *ProtocolError
	silent := errors.Is(c.err, io.EOF) || errors.Is(c.err, io.ErrUnexpectedEOF)
	if !to.secure && (errors.As(c.err, &wrong) || silent) {
		// That is how servers for HTTP/1.1 take the preface: nobody has agreed on HTTP/2.
		return noExtendedConnect(c.err.Error())
	}
	return fmt.Errorf("wsh2: waiting for SETTINGS: %w", c.err)
}

// startWatch has PINGs sent to a server from which nothing comes.
func (c *conn) startWatch() {
	interval, timeout := orDefault(c.t.PingInterval, 30*time.Second), orDefault(c.t.PingTimeout, 15*time.Second)
	if interval < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = time.AfterFunc(interval, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		silence := time.Since(c.heard)
		switch {
		case c.err != nil:
		case silence < interval:
			c.pinged = false
			c.watch.Reset(interval - silence)
		case !c.pinged:
			c.pinged = true
			c.send(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{'w', 's', 'h', '2'}) })
			c.watch.Reset(timeout)
		default:
			c.fail(http2.ErrCodeNo, fmt.Errorf("wsh2: nothing came for %v after a PING", timeout))
		}
	})
}
