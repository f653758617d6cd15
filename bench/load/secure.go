//go:build linux

package load

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
)

// A Secure is an Idle over TLS, with one message a connection.
type Secure struct {
	Target      Target
	Stream      *Stream
	Connections int

	// Mark is called as Idle calls it.
	Mark func() error
}

// Run opens the connections, has every one send a message and closes them.
func (d Secure) Run() error {
	before := d
	before.Connections, before.Mark = min(d.Connections, together), func() error { return nil }
	if err := before.run(); err != nil {
		return err
	}
	if err := d.Mark(); err != nil {
		return err
	}
	return d.run()
}

func (d Secure) run() error {
	conns := make([]*tls.Conn, d.Connections)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.NetConn().Close()
			}
		}
	}()
	err := each(conns, func(i int) (err error) {
		conns[i], err = d.open(i)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.Mark(); err != nil {
		return err
	}
	if err := each(conns, func(i int) error { return d.echo(conns[i]) }); err != nil {
		return err
	}
	return d.Mark()
}

// each calls do for the number of each connection, for a few of them at a time.
func each(conns []*tls.Conn, do func(i int) error) error {
	const workers = 16
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(conns) && errs[w] == nil; i += workers {
				errs[w] = do(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// settings make a handshake cheap. The server proves nothing but that it can encrypt.
var settings = &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}

func (d Secure) open(i int) (*tls.Conn, error) {
	dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%sources))}}
	plain, err := dialer.Dial("tcp", d.Target.Addr.String())
	if err != nil {
		return nil, err
	}
	c := tls.Client(plain, settings)
	if err := c.Handshake(); err != nil {
		return c, err
	}
	if d.Target.Raw {
		return c, nil
	}
	if _, err := c.Write(d.Target.request()); err != nil {
		return c, err
	}
	_, err = readAnswer(c.Read)
	return c, err
}

func (d Secure) echo(c *tls.Conn) error {
	if _, err := c.Write(d.Stream.send[:d.Stream.sendAt[1]]); err != nil {
		return err
	}
	got := make([]byte, d.Stream.wantAt[1])
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, d.Stream.want[:d.Stream.wantAt[1]]) {
		return errDifferent
	}
	return nil
}
