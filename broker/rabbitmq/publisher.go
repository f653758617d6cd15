package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-15847954/ropewalk/hub"
)

// A publisher publishes on a channel of its own, and waits for confirmations.
type publisher struct {
	link *link

	mu   sync.Mutex
	ch   *amqp.Channel
	conn *amqp.Connection // of ch
}

// confirmTime is how long a confirmation is waited for. A server that does not confirm may never do so again
// on that channel, as when the leader of a stream has moved: the next one is with any of them.
const confirmTime = 4 * time.Second

// ready returns a channel that confirms.
func (p *publisher) ready() (*amqp.Channel, *amqp.Connection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch != nil && !p.ch.IsClosed() {
		return p.ch, p.conn, nil
	}
	ch, conn, err := p.link.channel()
	if err != nil {
		return nil, nil, err
	}
	if err := ch.Confirm(false); err != nil {
		_ = ch.Close() // it is of no use
		return nil, nil, err
	}
	p.ch, p.conn = ch, conn
	return ch, conn, nil
}

// drop has the next message go over another connection.
func (p *publisher) drop(ch *amqp.Channel, conn *amqp.Connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch == ch {
		p.ch, p.conn = nil, nil
	}
	p.link.renew(conn)
}

// publish returns when the message is confirmed. An error that does not wrap [hub.ErrIndeterminate] means
// that it was not taken.
func (p *publisher) publish(ctx context.Context, exchange, key string, m amqp.Publishing) error {
	ch, conn, err := p.ready()
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	// The context is not given to the client: it would end the connection for all.
	confirmation, err := ch.PublishWithDeferredConfirm(exchange, key, false, false, m)
	if err != nil {
		return fmt.Errorf("rabbitmq: %w: %w", hub.ErrIndeterminate, err)
	}
	patience, cancel := context.WithTimeoutCause(ctx, confirmTime, errors.New("it is not confirmed"))
	defer cancel()
	acked, err := confirmation.WaitContext(patience)
	switch {
	case err == nil && !acked:
		err = amqp.ErrClosed // or refused: nobody knows
	case err != nil && ctx.Err() == nil:
		err = context.Cause(patience)
		p.drop(ch, conn)
	}
	if err != nil {
		return fmt.Errorf("rabbitmq: %w: %w", hub.ErrIndeterminate, err)
	}
	return nil
}
