package native

import (
	"context"
	"errors"
	"io"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A client is one connection and the session behind it. Its methods are called by
// the goroutine that reads the connection, one after another.
type client struct {
	*Handler
	conn    *websocket.Conn
	session *session.Session
	lastID  uint64
}

// converse reads commands and carries them out until the connection ends. It
// returns the cause of the end, a Disconnect where it is the client's fault.
func (c *client) converse() error {
	b, err := c.readFirst()
	if err != nil {
		return err
	}
	if err := c.begin(b); err != nil {
		return err
	}
	for {
		typ, b, err := c.conn.Read(context.Background())
		if err != nil {
			return err
		}
		if err := c.received(typ, len(b)); err != nil {
			return err
		}
		if err := c.handle(b); err != nil {
			return err
		}
	}
}

// readFirst reads the first message, which has less room and less time than later
// ones, for nobody knows yet who sends it.
func (c *client) readFirst() ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.ConnectTimeout, ConnectTimeout)
	defer cancel()
	typ, message, err := c.conn.Reader(ctx)
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	b, err := io.ReadAll(io.LimitReader(message, maxEarly+1))
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	if len(b) > maxEarly {
		return nil, MessageTooBig
	}
	return b, c.received(typ, len(b))
}

// timedOut returns ConnectTimeout in place of err when that is why a read ended.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *client) received(typ websocket.MessageType, size int) error {
	c.Observer.Received(size)
	if typ != websocket.Text {
		return UnsupportedData
	}
	return nil
}

// begin deals with the first message, which has to be connect.
func (c *client) begin(b []byte) error {
	cmd, err := c.decode(b)
	d, broken := errors.AsType[Disconnect](err)
	switch {
	case broken:
		return d
	case cmd.name != connect:
		return ConnectExpected
	case err != nil: // there is no second connect
		return BadMessage.because(err)
	}
	return c.session.Send(packet(connectReply(cmd.id, c.session.ID())))
}

// handle carries out the command in b and queues its reply. An error ends the
// connection.
func (c *client) handle(b []byte) error {
	cmd, err := c.decode(b)
	if err == nil {
		err = c.carryOut(cmd)
	}
	if err == nil || errors.Is(err, session.ErrClosed) {
		return err
	}
	if d, ok := errors.AsType[Disconnect](err); ok {
		return d
	}
	return c.session.Send(packet(errorReply(cmd.id, commandError(err))))
}

// decode also checks that the ids of commands rise, so that no two replies can be
// mistaken for each other.
func (c *client) decode(b []byte) (command, error) {
	cmd, err := decodeCommand(b, c.MaxData)
	if cmd.id == 0 {
		return cmd, err
	}
	if cmd.id <= c.lastID {
		return cmd, IDNotRising
	}
	c.lastID = cmd.id
	return cmd, err
}

func (c *client) carryOut(cmd command) error {
	// The broker is not waited for when the client has gone.
	ctx, cancel := context.WithTimeout(c.conn.Context(), brokerTime)
	defer cancel()
	switch cmd.name {
	case subscribe:
		return c.session.Subscribe(ctx, cmd.message.Channel, func(pos hub.Position) hub.Packet {
			return packet(positionReply(cmd.id, subscribe, pos))
		})
	case unsubscribe:
		return c.session.Unsubscribe(cmd.message.Channel, packet(emptyReply(cmd.id, unsubscribe)))
	case publish:
		done, err := c.session.Publish(ctx, cmd.message, nil)
		if err != nil {
			return err
		}
		return c.session.Send(packet(positionReply(cmd.id, publish, done.Position)))
	case ping:
		return c.session.Send(packet(emptyReply(cmd.id, ping)))
	}
	return errorf(AlreadyConnected, "connect was sent already")
}
