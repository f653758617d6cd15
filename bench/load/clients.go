//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"syscall"
	"time"

	"github.com/seed-15847954/ropewalk/bench/wire"
)

// Clients are connections whose messages mean something to their owner: they may
// come and go, and a few may be told to stop reading. All of it runs on one
// goroutine, inside Step.
type Clients struct {
	Target Target

	// Opened is called behind the opening handshake of a connection, Received with
	// each message of it, which is the callee's until it returns, and Ended when the
	// server has ended it. An error ends Step, which returns it.
	Opened   func(c *Client) error
	Received func(c *Client, message []byte) error
	Ended    func(c *Client, cause error) error

	// Nap is how long to look away when there is not much to do, so that the kernel, which
	// has others to serve on this processor, need not wake this thread for every message.
	// A latency may seem longer by that.
	Nap time.Duration

	poller  *poller
	byFD    []*Client
	buf     []byte
	opening int // connections whose opening handshake is not complete
	start   time.Time
	now     time.Duration
}

// A Client is one connection of Clients.
type Client struct {
	ID int // the caller's

	fd     int
	open   bool
	answer []byte // to the opening handshake, as far as it has come
	joiner wire.Joiner
	out    []byte // what the kernel has not taken yet
}

// maxOpening bounds the connections that wait for an answer to their opening
// handshake: less than a listener's backlog, behind which the kernel would drop
// them for a second.
const maxOpening = 1000

// NewClients returns none yet. Close is to be called at the end.
func NewClients(t Target) (*Clients, error) {
	p, err := newPoller()
	return &Clients{Target: t, poller: p, buf: make([]byte, 256<<10), start: time.Now()}, err
}

// Now returns how much time had passed, since NewClients, when the kernel last
// told that something had come.
func (cs *Clients) Now() time.Duration { return cs.now }

// Since returns how much time has passed since NewClients. Any goroutine may call it.
func (cs *Clients) Since() time.Duration { return time.Since(cs.start) }

// Open opens connections with the IDs from first on, and returns when their requests
// have been sent. It serves the others meanwhile.
func (cs *Clients) Open(first, n int) error {
	request := cs.Target.request()
	for i := range n {
		for cs.opening >= maxOpening {
			if err := cs.Step(100); err != nil {
				return err
			}
		}
		if err := cs.begin(first+i, request); err != nil {
			return err
		}
	}
	return nil
}

func (cs *Clients) begin(id int, request []byte) error {
	fd, err := cs.Target.connect(id)
	if err != nil {
		return err
	}
	c := &Client{ID: id, fd: fd}
	for len(cs.byFD) <= fd {
		cs.byFD = append(cs.byFD, nil)
	}
	cs.byFD[fd] = c
	cs.opening++
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := cs.poller.add(fd); err != nil {
		return err
	}
	return cs.write(c, request)
}

// Send sends a message, in the frame type that the target's protocol has.
func (cs *Clients) Send(c *Client, opcode byte, message []byte) error {
	return cs.write(c, wire.AppendClient(nil, opcode, message, [4]byte{0x5a, 0x17, 0xc3, byte(c.ID)}))
}

func (cs *Clients) write(c *Client, b []byte) error {
	waiting := len(c.out) > 0
	c.out = append(c.out, b...)
	return cs.flush(c, waiting)
}

// flush sends what the kernel takes. The poller is told when there begins or ceases
// to be something to wait for.
func (cs *Clients) flush(c *Client, waited bool) error {
	for len(c.out) > 0 {
		n, err := transfer(syscall.SYS_WRITE, c.fd, c.out)
		if err == syscall.EAGAIN {
			break
		}
		if err != nil {
			return cs.end(c, fmt.Errorf("write: %w", err))
		}
		c.out = c.out[n:]
	}
	waits := len(c.out) > 0
	if !waits {
		c.out = nil
	}
	if waits == waited {
		return nil
	}
	return cs.poller.writable(c.fd, waits)
}

// Stall has a connection not read any more.
func (cs *Clients) Stall(c *Client) error {
	return cs.poller.control(syscall.EPOLL_CTL_DEL, c.fd, 0)
}

// Wake has a stalled connection read again.
func (cs *Clients) Wake(c *Client) error { return cs.poller.add(c.fd) }

// Drop closes the connection without a word.
func (cs *Clients) Drop(c *Client) {
	if cs.byFD[c.fd] != c {
		return // it has ended
	}
	if !c.open {
		cs.opening--
	}
	cs.byFD[c.fd] = nil
	_ = syscall.Close(c.fd)
}

// Close drops all connections.
func (cs *Clients) Close() {
	cs.poller.close()
	for _, c := range cs.byFD {
		if c != nil {
			cs.Drop(c)
		}
	}
}

// Step does what can be done, after waiting for at most ms milliseconds.
func (cs *Clients) Step(ms int) error {
	events, err := cs.poller.wait(ms)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for _, ev := range events {
		c := cs.byFD[ev.Fd]
		if c == nil {
			continue // dropped by an event before
		}
		if ev.Events&syscall.EPOLLOUT != 0 {
			if err := cs.flush(c, true); err != nil {
				return err
			}
		}
		if ev.Events&^syscall.EPOLLOUT != 0 && cs.byFD[ev.Fd] == c {
			if err := cs.read(c); err != nil {
				return err
			}
		}
	}
	if cs.Nap > 0 && len(events) < cap(events) {
		nap := syscall.NsecToTimespec(cs.Nap.Nanoseconds())
		_ = syscall.Nanosleep(&nap, nil) // a signal may end it early
	}
	return nil
}

// Until steps until done, which it asks after every step, says so. That nothing of
// what is waited for has come after limit is an error.
func (cs *Clients) Until(limit time.Duration, what string, done func() bool) error {
	for end := time.Now().Add(limit); !done(); {
		if time.Now().After(end) {
			return fmt.Errorf("%s: not done after %v", what, limit)
		}
		if err := cs.Step(10); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// For steps for that long.
func (cs *Clients) For(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		ms := min(math.Ceil(float64(time.Until(end))/float64(time.Millisecond)), 10)
		if err := cs.Step(int(max(ms, 0))); err != nil {
			return err
		}
	}
	return nil
}

func (cs *Clients) read(c *Client) error {
	n, err := transfer(syscall.SYS_READ, c.fd, cs.buf)
	switch {
	case err == syscall.EAGAIN:
		return nil
	case err != nil:
		return cs.end(c, fmt.Errorf("read: %w", err))
	case n == 0:
		return cs.end(c, io.ErrUnexpectedEOF)
	}
	cs.now = time.Since(cs.start)
	b := cs.buf[:n]
	if !c.open {
		if b, err = cs.opened(c, b); b == nil || err != nil {
			return err
		}
	}
	err = c.joiner.Take(b, func(opcode byte, payload []byte) error { return cs.message(c, opcode, payload) })
	if errors.Is(err, errClosed) {
		return cs.end(c, err)
	}
	return err
}

var errClosed = errors.New("the server has closed the connection")

func (cs *Clients) message(c *Client, opcode byte, payload []byte) error {
	switch opcode {
	case wire.Ping:
		return cs.Send(c, wire.Pong, payload)
	case wire.Pong:
		return nil
	case wire.Close:
		code := 1005
		if len(payload) >= 2 {
			code = int(payload[0])<<8 | int(payload[1])
		}
		return fmt.Errorf("%w: %d %s", errClosed, code, payload[min(2, len(payload)):])
	}
	return cs.Received(c, payload)
}

// opened takes the answer to the opening handshake and returns what lies behind
// it; nil if it is not whole.
func (cs *Clients) opened(c *Client, b []byte) (rest []byte, err error) {
	c.answer = append(c.answer, b...)
	i := bytes.Index(c.answer, []byte("\r\n\r\n"))
	if i < 0 {
		return nil, nil
	}
	rest = slices.Clone(c.answer[i+4:])
	if _, err := checkAnswer(string(c.answer[:i+4])); err != nil {
		return nil, err
	}
	c.open, c.answer = true, nil
	cs.opening--
	if err := cs.Opened(c); err != nil || len(rest) == 0 {
		return nil, err
	}
	return rest, nil
}

// end drops c and tells of it.
func (cs *Clients) end(c *Client, cause error) error {
	cs.Drop(c)
	return cs.Ended(c, cause)
}
