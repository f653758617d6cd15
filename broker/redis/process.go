package redis

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
)

// idLetters is how much of each of its parts a process's id has.
const idLetters = 8

// idOf returns the id of the process that has answered INFO, as functions.lua has it. A master that was a replica for
// a while has another one afterwards: what it has acknowledged before may be gone.
func idOf(info string) string {
	run, repl := field(info, "run_id"), field(info, "master_replid")
	return run[:min(idLetters, len(run))] + repl[:min(idLetters, len(repl))]
}

// processOf asks which process serves a partition. Its tag is that of what it answers from now on, at least.
func (b *Broker) processOf(ctx context.Context, p partition) (tag, error) {
	return b.parseProcess(b.client.Do(ctx, b.askProcess(p)))
}

// processes asks that of all partitions; where there is no answer the tag is empty. Functions that are
// missing are loaded.
func (b *Broker) processes(ctx context.Context) (all [partitions]tag, err error) {
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
	if all == ([partitions]tag{}) {
		return all, err
	}
	return all, nil
}

func (b *Broker) askProcess(p partition) rueidis.Completed {
	return b.fcall("rw1_process", []string{b.partitionKey(p)}, nil)
}

func (b *Broker) parseProcess(r rueidis.RedisResult) (tag, error) {
	a, err := b.result("rw1_process", r)
	if err != nil {
		return tag{}, err
	}
	return parseTag(a.word(2) + "-" + a.word(1))
}
