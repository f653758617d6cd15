package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"
)

// A process is one that serves a partition.
type process struct {
	id string
	at uint64 // when it has said so, in milliseconds by its own clock
}

// tag is that of what the process answers from now on, at least.
func (p process) tag() tag { return tag{p.at, shorten(p.id)} }

func shorten(id string) string { return id[:min(tagLetters, len(id))] }

// processOf asks which process serves a partition.
func (b *Broker) processOf(ctx context.Context, p partition) (process, error) {
	return b.parseProcess(b.client.Do(ctx, b.askProcess(p)))
}

// processes asks that of all partitions; where there is no answer the id is empty. Functions that are
// missing are loaded.
func (b *Broker) processes(ctx context.Context) (all [partitions]process, err error) {
	questions := make([]rueidis.Completed, partitions)
	for p := range questions {
		questions[p] = b.askProcess(partition(p))
	}
	for p, r := range b.client.DoMulti(ctx, questions...) {
		one, e := b.parseProcess(r)
		if e != nil {
			err = fmt.Errorf("which process serves partition %d: %w", p, e)
			continue
		}
		all[p] = one
	}
	if isMissing(err) {
		return all, b.prepare(ctx)
	}
	if all == ([partitions]process{}) {
		return all, err
	}
	return all, nil
}

func (b *Broker) askProcess(p partition) rueidis.Completed {
	return b.client.B().Fcall().Function("rw1_process").Numkeys(1).Key(b.partitionKey(p)).Build()
}

func (b *Broker) parseProcess(r rueidis.RedisResult) (process, error) {
	a, err := b.result("rw1_process", r)
	if err != nil {
		return process{}, err
	}
	id, err := a.text(0)
	if err != nil {
		return process{}, err
	}
	text, err := a.text(1)
	if err != nil {
		return process{}, err
	}
	at, err := strconv.ParseUint(text, 10, 63)
	return process{id, at}, err
}
