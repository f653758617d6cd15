package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/poller"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// A polled is what a connection has, instead of a transport and a goroutine, when
// a loop of package poller waits for it.
type polled struct {
	poller.Entry
	c *Conn

	stopped atomic.Pointer[stoppedTurn]

	// Owned by Ready.
	flood protocol.Flood

	// Of the keepalive, in nanoseconds since epoch.
	heard  atomic.Int64 // when bytes last came
	pinged int64        // when the last Ping was sent; owned by Timer

	remote compactAddr

	delivering atomic.Bool // the handler may be at work

	mu       sync.Mutex
	readDone bool // reading has come to its end
	half     bool // the own Close frame is out, and the end of the peer's side is awaited
	told     bool // Closed was called
	leaving  bool // the timer bounds the closing handshake, or the wait behind it
}

// A stoppedTurn is a turn to send that goes on when the socket takes more.
type stoppedTurn struct {
	buf   *buffer
	b     []byte // lies in buf
	n     int    // how much of b the socket has taken
	batch list
}

// poll hands the connection over to a loop, if it can be. The caller has reading.
func (c *Conn) poll() bool {
	if !poller.Available || c.input.pos < c.input.end || !c.tryTurn() {
		return false
	}
	defer c.pass()
	// Whoever sees polled set with mu held sees it registered.
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.transport.Load()
	if c.gone || !t.resumable {
		return false
	}
	p := &polled{c: c}
	p.heard.Store(sinceEpoch())
	fd, err := p.detach(t.stream)
	if err != nil {
		return false // it is closed, or the system has no descriptor left
	}
	c.input.giveBack()
	p.flood = c.stopReceiving()
	c.polled.Store(p)
	if err := p.Register(fd, p); err != nil {
		c.polled.Store(nil)
		c.startReceiving(p.flood)
		c.takeBack(fd)
		return false
	}
	t.close()
	c.transport.Store(nil)
	if interval := c.keepAliveInterval(); interval > 0 {
		p.SetTimer(time.Now().Add(interval))
	}
	return true
}

// takeBack makes a transport of the descriptor, which no loop could take. Where
// that fails too, reading from the old one tells that it is closed.
func (c *Conn) takeBack(fd int) {
	f := os.NewFile(uintptr(fd), "")
	if stream, err := net.FileConn(f); err == nil {
		t := newTransport(stream)
		t.keepalive.start(c)
		c.transport.Store(t)
	}
	_ = f.Close() // FileConn has made a copy
}

// detach takes the descriptor of the stream, which is closed then.
func (p *polled) detach(stream io.ReadWriteCloser) (fd int, err error) {
	conn := stream.(net.Conn) // a socket, as it is resumable
	p.remote.set(conn.RemoteAddr())
	return poller.Detach(conn)
}

// epoch is what times are counted from.
var epoch = time.Now()

func sinceEpoch() int64 { return int64(time.Since(epoch)) }

// current returns what the connection reads from and writes to; one is nil.
func (c *Conn) current() (*transport, *polled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport.Load(), c.polled.Load()
}

// tryTurn takes the turn to send if it is free.
func (c *Conn) tryTurn() bool {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || o.err != nil {
		return false
	}
	o.busy = true
	return true
}

// Ready is called by the loop when the socket can be read or written.
func (p *polled) Ready(w *poller.Worker, ev poller.Events) {
	if ev&poller.Writable != 0 {
		p.resume()
	}
	if ev&(poller.Readable|poller.Hangup) != 0 {
		p.read(w)
	}
}

// read reads once and handles what has come.
func (p *polled) read(w *poller.Worker) {
	c := p.c
	n, err := p.Read(w.Buffer())
	switch {
	case errors.Is(err, poller.ErrAgain):
		return
	case c.readErr != nil: // what still comes is discarded
		if err != nil {
			c.end()
		}
		return
	case err != nil:
		_ = c.lost(err)
		return
	}
	now := time.Now()
	p.heard.Store(int64(now.Sub(epoch)))
	p.delivering.Store(true)
	if c.receiving == nil {
		c.startReceiving(p.flood)
	}
	c.input = input{buf: w.Buffer(), end: n, now: now}
	c.deliver()
	c.input = input{}
	p.flood = c.stopReceiving()
	p.delivering.Store(false)
	if c.readErr != nil || c.ended.happened.Load() {
		p.step()
	}
	if p.congested() {
		p.WatchReadable(false)
		if !p.congested() { // it has taken all meanwhile
			p.WatchReadable(true)
		}
	}
}

// congested reports whether the peer does not take what is sent, so that no more
// of its messages are to be handled for now.
func (p *polled) congested() bool {
	o := &p.c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stuck > 0 && o.buffered+o.stuck > maxBatch && p.c.final.Load() == nil
}

// Flush is called by the loop after Schedule, and when the socket can be written
// while the handler is at work.
func (p *polled) Flush(*poller.Worker) {
	p.resume()
	if p.c.tryTurn() {
		p.c.flush()
	}
}

// Stalled is called when a handler has not returned for a while.
func (p *polled) Stalled() { p.c.uncork() }

// transmit sends b, which lies in buf and has the messages of batch, and ends the
// turn, now or when the socket has taken all of it.
func (p *polled) transmit(buf *buffer, b []byte, batch list) {
	n, err := p.Write(b)
	if errors.Is(err, poller.ErrAgain) {
		p.stop(buf, b, n, batch)
		return
	}
	_ = p.c.settle(buf, b, batch, err)
}

// stop has the turn to send wait until the socket takes more than the first n
// bytes of b.
func (p *polled) stop(buf *buffer, b []byte, n int, batch list) {
	p.setStuck(len(b) - n)
	p.stopped.Store(&stoppedTurn{buf, b, n, batch})
	if p.c.ended.happened.Load() {
		p.resume()
		return
	}
	p.WatchWritable(true)
}

// transmitFor is transmit for a caller that waits for the end of it.
func (p *polled) transmitFor(ctx context.Context, buf *buffer, b []byte, batch list) error {
	n, err := p.Write(b)
	if !errors.Is(err, poller.ErrAgain) {
		return p.c.settle(buf, b, batch, err)
	}
	w := &outgoing{done: make(chan verdict, 1), state: taken}
	batch.push(w)
	p.stop(buf, b, n, batch)
	_, err = p.c.await(ctx, w)
	return err
}

// setStuck notes how much the socket has not taken.
func (p *polled) setStuck(n int) {
	p.c.out.mu.Lock()
	p.c.out.stuck = n
	p.c.out.mu.Unlock()
}

// resume goes on with a turn that was stopped.
func (p *polled) resume() {
	turn := p.stopped.Swap(nil)
	if turn == nil {
		return
	}
	n, err := p.Write(turn.b[turn.n:])
	if errors.Is(err, poller.ErrAgain) {
		p.stop(turn.buf, turn.b, turn.n+n, turn.batch)
		return
	}
	p.setStuck(0)
	p.WatchWritable(false)
	p.WatchReadable(true)
	_ = p.c.settle(turn.buf, turn.b, turn.batch, err)
}

// RemoteAddr returns the peer's address, also after the end.
func (p *polled) RemoteAddr() net.Addr {
	if p.remote.known {
		return p.remote.tcp()
	}
	return p.Entry.RemoteAddr()
}

// A compactAddr is an address of TCP without a zone.
type compactAddr struct {
	ip    [16]byte
	port  uint16
	known bool
}

func (a *compactAddr) set(addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.Zone == "" && copy(a.ip[:], tcp.IP.To16()) == len(a.ip) {
		a.port, a.known = uint16(tcp.Port), true
	}
}

func (a *compactAddr) tcp() *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(a.ip).Unmap(), a.port))
}

// closing has the timer bound the closing handshake.
func (p *polled) closing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leaving {
		p.leaving = true
		p.SetTimer(time.Now().Add(p.c.cfg.closeTimeout))
	}
}

// linger is called when reading has come to its end.
func (p *polled) linger() {
	p.closing() // a peer that does not read cannot be told
	p.WatchReadable(true)
	p.mu.Lock()
	p.readDone = true
	p.mu.Unlock()
}

// step does what is due once reading has ended, and the own Close frame is out or
// the connection has ended.
func (p *polled) step() {
	c := p.c
	sent, ended := c.sentClose.happened.Load(), c.ended.happened.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.delivering.Load() || !ended && (!p.readDone || !sent) {
		return
	}
	if !p.told {
		p.told = true
		// In a goroutine of its own: Closed may call anything.
		go c.handler.Closed(c, c.err())
	}
	if ended || p.half {
		return
	}
	p.half = true
	c.lingering.Store(true)
	wait := min(lingerTime, c.cfg.closeTimeout)
	if c.role == Server || !c.gotClose.happened.Load() {
		p.CloseWrite()
	} else {
		wait = c.cfg.closeTimeout
	}
	p.SetTimer(time.Now().Add(wait))
}

// Timer is called by the loop when the time of SetTimer has come.
func (p *polled) Timer(now time.Time) {
	c := p.c
	p.mu.Lock()
	leaving := p.leaving
	p.mu.Unlock()
	if leaving {
		c.fail(&CloseError{Code: CloseAbnormal, Err: os.ErrDeadlineExceeded})
		c.end()
		return
	}
	p.judge(now)
}

// judge pings a peer that is silent and gives up one that stays silent.
func (p *polled) judge(now time.Time) {
	c := p.c
	interval, timeout := c.keepAliveInterval(), orDefault(c.cfg.keepalive.Timeout, 30*time.Second)
	at := int64(now.Sub(epoch))
	if p.delivering.Load() {
		p.heard.Store(at) // while a handler takes its time nothing is read: silence proves nothing
	}
	heard := p.heard.Load()
	silence := time.Duration(at - heard)
	switch {
	case silence < interval:
		p.SetTimer(now.Add(interval - silence))
	case p.pinged <= heard, timeout < 0:
		p.pinged = at
		c.queuePing()
		if timeout < 0 {
			timeout = interval
		}
		p.SetTimer(now.Add(timeout))
	case p.congested(): // it is not being read from
		p.SetTimer(now.Add(timeout))
	default:
		c.silent(silence)
	}
}
