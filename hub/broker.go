package hub

import "context"

// A Broker keeps the channels' logs: it gives each message its position and
// hands it to every node that has subscribed to its channel.
// All methods may be called at once by many goroutines.
type Broker interface {
	// Publish appends m to its channel's log and returns its position. An error
	// other than the context's means that the message was not taken; when the
	// context ended first, it may have been.
	Publish(ctx context.Context, m Message) (Position, error)

	// Subscribe has every later publication of the channel handed to sink, and
	// returns a position such that nothing behind it is missed. Publications from
	// before that position may be handed over too.
	// A second Subscribe to the same channel replaces the sink.
	Subscribe(ctx context.Context, channel string, sink Sink) (Position, error)

	// Unsubscribe ends that. Once it has returned without an error, the sink is
	// not called any more.
	Unsubscribe(ctx context.Context, channel string) error
}

// A Sink takes the publications of one channel from a broker. Deliver is called
// in the order of the log, one call at a time, possibly before Subscribe has
// returned. It does not block and does not call the broker.
type Sink interface {
	Deliver(p *Publication)
}

// A Subscriber is one receiver of a channel's publications. Deliver is called in
// the order of the log, one call at a time for each channel. It must not block
// and must not call the hub: a subscriber that cannot keep up bounds its own queue.
//
// A delivery that was under way when Unsubscribe was called may arrive after it
// returned. A Subscriber is compared with ==.
type Subscriber interface {
	Deliver(p *Publication)
}
