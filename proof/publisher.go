package proof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/proof/check"
)

// settleTime bounds how long a publisher tries to learn what became of one message.
const settleTime = 30 * time.Second

// A sender publishes one message, over and over with the same ID until it knows what
// became of it or ctx ends.
type sender interface {
	send(ctx context.Context, m sendPlan) (client.Published, error)
}

// Errors of senders. Any other one means that the outcome is indeterminate.
var errRefused = errors.New("the message was refused")

// A publisher publishes its messages one after another.
type publisher struct {
	// Constant after the start.
	name   string
	sender sender
	plans  []sendPlan

	// Owned by run, and by others once that has returned.
	all []check.Publish
	err error // what must not have happened
}

func (p *publisher) run(ctx context.Context, done *progress) {
	for _, m := range p.plans {
		p.publish(ctx, m)
		done.add()
	}
}

// publish settles one message, and publishes some of them again.
func (p *publisher) publish(ctx context.Context, m sendPlan) {
	first := p.settle(ctx, m)
	p.all = append(p.all, first)
	switch {
	case m.refused && first.Outcome == check.Acked:
		p.fail("%q was taken at offset %d although it expects another position", m.id, first.Offset)
	case !m.refused && first.Outcome == check.Failed:
		p.fail("%q was refused", m.id)
	}
	if !m.again || first.Outcome != check.Acked {
		return
	}
	second := p.settle(ctx, m)
	if second.Outcome == check.Failed {
		p.fail("%q was taken, and refused the second time", m.id)
	}
	if second.Outcome == check.Acked && (second.Epoch != first.Epoch || second.Offset != first.Offset) {
		p.all = append(p.all, second) // the checker knows whether that may be
	}
}

func (p *publisher) settle(ctx context.Context, m sendPlan) check.Publish {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	out := check.Publish{Channel: m.channel, ID: m.id, Payload: fingerprint(m.data)}
	at, err := p.sender.send(ctx, m)
	switch {
	case err == nil:
		out.Outcome, out.Epoch, out.Offset = check.Acked, at.Epoch, at.Offset
	case errors.Is(err, errRefused):
		out.Outcome = check.Failed
	default:
		out.Outcome = check.Indeterminate
		p.fail("nobody knows what became of %q: %w", m.id, err)
	}
	return out
}

func (p *publisher) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// A clientSender publishes over a client's WebSocket.
type clientSender struct{ client *client.Client }

func (s clientSender) send(ctx context.Context, m sendPlan) (client.Published, error) {
	o := &client.PublishOptions{ID: m.id, Key: m.key, ExcludeSelf: m.others}
	if m.binary {
		o.ContentType = binaryType
	}
	if m.refused {
		o.Expect = &client.Position{Epoch: "none", Offset: 1}
	}
	done, err := s.client.Publish(ctx, m.channel, m.data, o)
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return done, fmt.Errorf("%w: %w", errRefused, refused)
	}
	return done, err
}
