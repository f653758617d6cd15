package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/cluster/clusterpb"
)

// ErrSilent is why there is no [Reply] of a node that is there: it has not answered in time.
var ErrSilent = errors.New("a node has not answered")

// A Failure is an error of another node.
type Failure struct {
	Reason  string // for programs; what it means is between those who ask and answer
	Message string // for people
}

func (f *Failure) Error() string { return f.Message }

// A Reply is what one node has answered: one of the two.
type Reply struct {
	Node     string
	Response []byte
	Err      error // a *Failure
}

// A question is open until all nodes have answered that were there when it was asked.
type question struct {
	done chan struct{} // holds one when all have

	mu      sync.Mutex
	missing []string
	replies []Reply
}

// Ask has every other node answer a request, and returns what they say in the order of their names. A
// node that ends meanwhile is left out. At the end of ctx the error is [ErrSilent] with
// the names of those that have not answered: nobody knows whether they have done what they were asked.
func (c *Cluster) Ask(ctx context.Context, method string, request []byte) ([]Reply, error) {
	if c.config.Bus == nil {
		return nil, nil
	}
	if err := c.settled(ctx); err != nil {
		return nil, err
	}
	id, q := c.questions.Add(1), &question{done: make(chan struct{}, 1)}
	c.mu.Lock()
	for name := range c.peers {
		q.missing = append(q.missing, name)
	}
	c.asked[id] = q
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asked, id)
	}()
	if len(q.missing) == 0 {
		return nil, nil
	}
	if err := c.say(ctx, &clusterpb.Body{Kind: &clusterpb.Body_Ask{Ask: &clusterpb.Ask{Id: id, Method: method, Request: request}}}); err != nil {
		return nil, fmt.Errorf("ask other nodes: %w", err)
	}
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	return q.result()
}

// settled waits until this node has had the time to hear of all others.
func (c *Cluster) settled(ctx context.Context) error {
	c.mu.Lock()
	wait := settleTime - time.Since(c.began)
	c.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the node has just begun: %w", context.Cause(ctx))
	}
}

func (q *question) answered(node string, a *clusterpb.Answer) {
	reply := Reply{Node: node, Response: a.Response}
	if a.Failure != nil {
		reply.Err = &Failure{a.Failure.Reason, a.Failure.Message}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.missing, node); i >= 0 {
		q.missing = slices.Delete(q.missing, i, i+1)
		q.replies = append(q.replies, reply)
		q.check()
	}
}

// gone waits for a node no longer.
func (q *question) gone(node string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.missing, node); i >= 0 {
		q.missing = slices.Delete(q.missing, i, i+1)
		q.check()
	}
}

func (q *question) check() {
	if len(q.missing) == 0 {
		select {
		case q.done <- struct{}{}:
		default:
		}
	}
}

func (q *question) result() ([]Reply, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	slices.SortFunc(q.replies, func(a, b Reply) int { return strings.Compare(a.Node, b.Node) })
	if len(q.missing) > 0 {
		return q.replies, fmt.Errorf("%w: %s", ErrSilent, strings.Join(q.missing, ", "))
	}
	return q.replies, nil
}

// answer has a question of another node answered. The lock is held.
func (c *Cluster) answer(node string, ask *clusterpb.Ask) {
	if c.ctx.Err() != nil {
		return
	}
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, answerTime)
		defer cancel()
		a := &clusterpb.Answer{Node: node, Id: ask.Id}
		response, err := c.config.Answer(ctx, ask.Method, ask.Request)
		a.Response = response
		if f, ok := errors.AsType[*Failure](err); ok {
			a.Failure = &clusterpb.Failure{Reason: f.Reason, Message: f.Message}
		} else if err != nil {
			a.Failure = &clusterpb.Failure{Message: err.Error()}
		}
		c.tell(&clusterpb.Body{Kind: &clusterpb.Body_Answer{Answer: a}})
	})
}

// answerTime bounds what a node does for another one.
const answerTime = 10 * time.Second
