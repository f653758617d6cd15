//go:build linux

package load

// An Idle opens connections on which little happens.
type Idle struct {
	Target      Target
	Stream      *Stream
	Connections int
	Messages    int // that each connection gets back in all

	// Mark is called before the connections are opened, which a hundred others
	// precede, after that, and after the messages.
	Mark func() error
}

// Run opens the connections, has every one send its messages, one at a time, and
// closes them.
func (d Idle) Run() error {
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

func (d Idle) run() error {
	r, err := newRun(d.Target, d.Stream, d.Connections, func(i int) int { return i })
	if err != nil {
		return err
	}
	defer r.close()
	if err := d.Mark(); err != nil {
		return err
	}
	r.complete = func(c *conn, n int) error {
		if err := r.returned(c, n); err != nil || c.sent == uint64(d.Messages) {
			return err
		}
		return r.send(c, n, 1)
	}
	for _, c := range r.conns {
		if err := r.send(c, 1, 1); err != nil {
			return err
		}
	}
	if err := r.drain(); err != nil {
		return err
	}
	return d.Mark()
}
