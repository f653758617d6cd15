package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

var stressSeed = flag.Uint64("stress.seed", 0, "seed of TestStress; 0 takes a new one")

// TestStress has 50 connections do random things at once: writes, streams, pings
// and reads that are given up, and an end brought about by either side or both.
// Every message that is delivered is whole, in its writer's order, there once, and
// one that was not given up; behind an orderly end none is missing; and everything
// ends. Run it again with the seed that it prints.
//
// Checks 6455-88, 6455-89, 6455-116.
func TestStress(t *testing.T) {
	checkLeaks(t)
	seed := *stressSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-stress.seed=%d", seed)
	var conns sync.WaitGroup
	for i := range 50 {
		n, params := networks[i%len(networks)], quiet()
		if i%2 == 1 {
			params = deflated()
		}
		params.CloseTimeout = 2 * time.Second
		client, server := n.conns(t, params)
		s := &stress{t: t, name: n.name, seed: seed, conn: uint64(i), ends: [2]*websocket.Conn{server, client}}
		conns.Go(s.run)
	}
	done := make(chan struct{})
	go func() {
		conns.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatalf("not all ended in 2 minutes; -stress.seed=%d", seed)
	}
}

// writersPerSide is how many goroutines write on each side of a connection.
const writersPerSide = 2

// stress is one connection of TestStress.
type stress struct {
	t    *testing.T
	name string
	seed uint64
	conn uint64
	ends [2]*websocket.Conn // by role

	// By role of the side that writes.
	written   [2][writersPerSide][]fate
	delivered [2][writersPerSide]map[int]bool
	end       [2]error // what the other side's reads ended with
	code      [2]websocket.CloseCode
}

// A fate is what a writer knows of its message.
type fate int

const (
	sent    fate = iota // it was sent, or is being finished
	givenUp             // nothing of it was sent
	unknown             // the connection ended meanwhile
)

// random returns a source of its own for each goroutine.
func (s *stress) random(role, use int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, s.conn<<16|uint64(role)<<8|uint64(use)))
}

func (s *stress) run() {
	var wg sync.WaitGroup
	for role, c := range s.ends {
		var writers sync.WaitGroup
		for i := range writersPerSide {
			writers.Go(func() { s.write(role, i, c) })
		}
		wg.Go(func() { s.read(1-role, c) })
		wg.Go(func() { s.ping(role, c) })
		wg.Go(func() { s.finish(role, c, &writers) })
	}
	wg.Wait()
	for role := range s.ends {
		s.check(role)
	}
}

// patience returns a context that ends soon in one of three cases.
func patience(r *rand.Rand) (context.Context, context.CancelFunc) {
	if r.IntN(3) > 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), time.Duration(r.IntN(2000))*time.Microsecond)
}

// write sends messages until it is through or the connection has ended.
func (s *stress) write(role, writer int, c *websocket.Conn) {
	r := s.random(role, writer)
	for seq := range 60 {
		err := s.writeOne(r, c, stressMessage(writer, seq))
		f := unknown
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
		case err == nil, errors.Is(err, websocket.ErrUnfinishedWrite):
			f = sent
		case errors.Is(err, context.DeadlineExceeded):
			f = givenUp
		default:
			s.errorf("%v: write = %v, want nil, the context's error or a CloseError", c.Role(), err)
		}
		s.written[role][writer] = append(s.written[role][writer], f)
		if f == unknown {
			return
		}
	}
}

func (s *stress) writeOne(r *rand.Rand, c *websocket.Conn, p []byte) error {
	ctx, cancel := patience(r)
	defer cancel()
	if r.IntN(4) > 0 {
		return c.Write(ctx, websocket.Binary, p)
	}
	w, err := c.Writer(ctx, websocket.Binary)
	if err != nil {
		return err
	}
	begun := false
	for len(p) > 0 {
		n := min(len(p), 1+r.IntN(800))
		if _, err := w.Write(p[:n]); err != nil {
			w.Close()
			// A message that was begun ends the connection, with what followed from it.
			if begun || c.Context().Err() != nil {
				return &websocket.CloseError{Code: websocket.CloseInternalError, Err: err}
			}
			return err
		}
		begun = true
		p = p[n:]
	}
	return w.Close()
}

// stressMessage returns a message that says where it belongs.
func stressMessage(writer, seq int) []byte {
	p := numbered(writer, seq)
	return append(p, noise(uint64(seq), seq*seq%2000)...)
}

// read takes what the side with role from sends, until the end.
func (s *stress) read(from int, c *websocket.Conn) {
	r := s.random(1-from, 100)
	for i := range s.delivered[from] {
		s.delivered[from][i] = make(map[int]bool)
	}
	last := [writersPerSide]int{-1, -1}
	for {
		p, whole, err := s.readOne(r, c)
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			if !errors.Is(err, net.ErrClosed) {
				s.errorf("%v: read = %v, want net.ErrClosed", c.Role(), err)
			}
			s.end[from] = err
			return
		case errors.Is(err, context.DeadlineExceeded):
			continue
		case err != nil:
			s.errorf("%v: read = %v, want nil, the context's error or a CloseError", c.Role(), err)
			return
		}
		writer, seq := int(binary.BigEndian.Uint32(p)), int(binary.BigEndian.Uint32(p[4:]))
		if writer >= writersPerSide {
			s.errorf("%v: a message is from writer %d, want one below %d", c.Role(), writer, writersPerSide)
			return
		}
		want := stressMessage(writer, seq)
		if !whole {
			want = want[:min(len(p), len(want))]
		}
		if seq <= last[writer] || !bytes.Equal(p, want) {
			s.errorf("%v: message %d of writer %d behind %d is broken or not in order", c.Role(), seq, writer, last[writer])
			return
		}
		last[writer] = seq
		s.delivered[from][writer][seq] = true
	}
}

// readOne reads a message or the start of one.
func (s *stress) readOne(r *rand.Rand, c *websocket.Conn) (p []byte, whole bool, err error) {
	ctx, cancel := patience(r)
	defer cancel()
	if r.IntN(3) > 0 {
		_, p, err = c.Read(ctx)
		return p, true, err
	}
	_, m, err := c.Reader(ctx)
	if err != nil {
		return nil, false, err
	}
	whole = r.IntN(2) == 0
	limit := 8 + r.IntN(100)
	for {
		part, err := readPart(m, limit-len(p), whole)
		p = append(p, part...)
		if !errors.Is(err, context.DeadlineExceeded) {
			return p, whole, err
		}
		if _, m, err = c.Resume(context.Background()); err != nil {
			return nil, false, err
		}
	}
}

// readPart reads all, or at most n bytes.
func readPart(m io.Reader, n int, whole bool) ([]byte, error) {
	if !whole {
		m = io.LimitReader(m, int64(n))
	}
	return io.ReadAll(m)
}

func (s *stress) ping(role int, c *websocket.Conn) {
	r := s.random(role, 101)
	for range 20 {
		ctx, cancel := patience(r)
		_, err := c.Ping(ctx)
		cancel()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			s.errorf("%v: Ping() = %v, want nil, the context's error or a CloseError", c.Role(), err)
		}
	}
}

// finish ends the connection in one of several ways.
func (s *stress) finish(role int, c *websocket.Conn, writers *sync.WaitGroup) {
	r := s.random(role, 102)
	after := time.Duration(r.IntN(40)) * time.Millisecond
	s.code[role] = websocket.CloseCode(4000 + role)
	switch r.IntN(5) {
	case 0: // in the middle
		<-time.After(after)
		c.Close(s.code[role], "")
		writers.Wait()
	case 1:
		<-time.After(after)
		c.CloseNow()
		writers.Wait()
	case 2: // the other side ends it, or nobody: then at last this one
		writers.Wait()
		select {
		case <-c.Context().Done():
		case <-time.After(time.Second):
			c.Close(s.code[role], "")
		}
	default:
		writers.Wait()
		c.Close(s.code[role], "")
	}
	<-c.Context().Done()
	c.CloseNow()
}

// check compares what the side with this role has written with what was delivered.
func (s *stress) check(role int) {
	// Behind the Close frame of the writing side, all that it has sent was read.
	var closed *websocket.CloseError
	orderly := errors.As(s.end[role], &closed) && closed.Remote && closed.Code == s.code[role]
	for writer, fates := range s.written[role] {
		delivered := s.delivered[role][writer]
		for seq, f := range fates {
			switch {
			case f == givenUp && delivered[seq]:
				s.errorf("message %d of the %v's writer %d was delivered, but had been given up", seq, websocket.Role(role), writer)
			case f == sent && orderly && !delivered[seq]:
				s.errorf("message %d of the %v's writer %d was not delivered before its Close", seq, websocket.Role(role), writer)
			}
		}
		for seq := range delivered {
			if seq >= len(fates) {
				s.errorf("message %d of the %v's writer %d was delivered, but never written", seq, websocket.Role(role), writer)
			}
		}
	}
}

func (s *stress) errorf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("connection %d (%s, -stress.seed=%d): "+format, append([]any{s.conn, s.name, s.seed}, args...)...)
}
