package rabbitmq

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A bus is an exchange that copies each message to a queue of each node.
type bus struct {
	link    *link
	out     publisher
	running sync.WaitGroup

	mu       sync.Mutex
	hear     func(message []byte)
	declared bool
}

func newBus(config Config) *bus {
	b := &bus{link: newLink(config)}
	b.out.link = b.link
	return b
}

func (b *bus) close() {
	b.link.close()
	b.running.Wait()
}

func (b *bus) exchange() string { return b.link.config.Prefix + ".bus" }

// declare makes the exchange if there is none.
func (b *bus) declare(ch *amqp.Channel) error {
	return ch.ExchangeDeclare(b.exchange(), amqp.ExchangeFanout, true, false, false, false, nil)
}

func (b *bus) broadcast(ctx context.Context, message []byte) error {
	if err := b.once(); err != nil {
		return err
	}
	return b.out.publish(ctx, b.exchange(), "", amqp.Publishing{Body: message})
}

// once declares the exchange before the first message.
func (b *bus) once() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.declared {
		return nil
	}
	ch, _, err := b.link.channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }() // it has done its work
	if err := b.declare(ch); err != nil {
		return err
	}
	b.declared = true
	return nil
}

// listen returns when the node's queue is there.
func (b *bus) listen(ctx context.Context, hear func(message []byte)) error {
	b.mu.Lock()
	first := b.hear == nil
	b.hear = hear
	b.mu.Unlock()
	if !first {
		return nil
	}
	for {
		deliveries, err := b.attach()
		if err == nil {
			b.running.Go(func() { b.run(deliveries) })
			return nil
		}
		if !again(ctx) {
			return err
		}
	}
}

// attach makes a queue of this node.
func (b *bus) attach() (<-chan amqp.Delivery, error) {
	ch, _, err := b.link.channel()
	if err != nil {
		return nil, err
	}
	if err := b.declare(ch); err != nil {
		return nil, err
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(q.Name, "", b.exchange(), false, nil); err != nil {
		return nil, err
	}
	return ch.Consume(q.Name, "", true, true, false, false, nil)
}

// run hands out what comes, and attaches again.
func (b *bus) run(deliveries <-chan amqp.Delivery) {
	for {
		for d := range deliveries {
			b.mu.Lock()
			hear := b.hear
			b.mu.Unlock()
			hear(d.Body)
		}
		for {
			if !again(b.link.ctx) {
				return
			}
			var err error
			if deliveries, err = b.attach(); err == nil {
				break
			}
		}
	}
}
