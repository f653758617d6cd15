package proof

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A member is one client with its readers.
type member struct {
	// Constant after newMember.
	name    string
	client  *client.Client
	readers []*reader
	valve   valve

	public atomic.Pointer[string] // its public name over the last connection
	ended  atomic.Pointer[error]  // why its last connection has ended
	times  atomic.Int64           // how often one has

	group sync.WaitGroup // the readers
}

// Times that a client waits before it comes back, and events that wait for a reader.
const (
	minBackoff = 20 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
	queue      = 16
)

// newMember returns a client of the server at addr. A narrow one has the kernel buffer
// little of what it does not read.
func newMember(addr string, i int, narrow bool, plans []followPlan) (*member, error) {
	m := &member{name: fmt.Sprintf("client %d", i)}
	o := &client.Options{
		Encoding:   encoding(i),
		MinBackoff: minBackoff, MaxBackoff: maxBackoff, Queue: queue,
		OnConnected: func(c client.Connected) { m.public.Store(&c.Client) },
		OnDisconnected: func(err error, _ time.Duration) {
			m.ended.Store(&err)
			m.times.Add(1)
		},
	}
	if narrow {
		d := net.Dialer{Control: narrowBuffers}
		o.Dial = &websocket.DialOptions{NetDialContext: d.DialContext}
	}
	var err error
	if m.client, err = client.New("ws://"+addr+"/connection/websocket", o); err != nil {
		return nil, err
	}
	for _, p := range plans {
		m.readers = append(m.readers, newReader(m, p))
	}
	return m, nil
}

// encoding gives every other client the same.
func encoding(i int) client.Encoding {
	if i%2 == 0 {
		return client.JSON
	}
	return client.Protobuf
}

// follow starts the readers.
func (m *member) follow(ctx context.Context, p *progress) {
	for _, r := range m.readers {
		m.group.Go(func() { r.run(ctx, p) })
	}
}

// lost returns why the last connection has ended, and how many have.
func (m *member) lost() (times int64, err error) {
	if err := m.ended.Load(); err != nil {
		return m.times.Load(), *err
	}
	return 0, nil
}

// settle waits until everything that the server had for the client has come, if it answers.
func (m *member) settle(ctx context.Context) {
	_, _ = m.client.Ping(ctx) // the history tells what is missing without it
}

// close ends the client, and returns when the readers have ended.
func (m *member) close() {
	m.client.Close()
	m.valve.open()
	m.group.Wait()
}

// narrowBuffers has the kernel buffer little on both sides of a connection that is not
// open yet: the other side sizes its buffer by the size of segments.
func narrowBuffers(_, _ string, c syscall.RawConn) error {
	const buffer, segment = 4 << 10, 1460
	var err error
	controlErr := c.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment)
		}
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
