package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/seed-15847954/ropewalk/hub"
)

// notTaken reports whether an error of producing says that the record is not in the log and never will be.
func notTaken(err error) bool {
	for _, e := range []error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InvalidRecord, kerr.InvalidTopicException, kerr.UnknownTopicOrPartition, kerr.SaslAuthenticationFailed, kgo.ErrMaxBuffered,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// makeTopic makes a topic if there is none.
func makeTopic(ctx context.Context, client *kgo.Client, name string, partitions int, configs map[string]*string) error {
	admin := kadm.NewClient(client)
	for {
		err := func() error {
			brokers, err := admin.ListBrokers(ctx)
			if err != nil {
				return err
			}
			replicas := min(len(brokers), maxReplicas)
			if replicas >= maxReplicas {
				configs["min.insync.replicas"] = kadm.StringPtr("2")
			}
			_, err = admin.CreateTopic(ctx, int32(partitions), int16(replicas), configs, name)
			if errors.Is(err, kerr.TopicAlreadyExists) {
				err = nil
			}
			return err
		}()
		if err == nil || final(err) {
			return err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// final reports whether an error is one that does not pass.
func final(err error) bool {
	e, ok := errors.AsType[*kerr.Error](err)
	return ok && !e.Retriable
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A topic is what the servers say of one.
type topic struct {
	id      string
	leaders map[int]error // by partition: why it has none
	copies  int           // of the partition with the fewest
}

// describe asks for a topic.
func describe(ctx context.Context, client *kgo.Client, name string) (topic, error) {
	t := topic{leaders: make(map[int]error)}
	r := kmsg.NewPtrMetadataRequest()
	want := kmsg.NewMetadataRequestTopic()
	want.Topic = &name
	r.Topics = append(r.Topics, want)
	answer, err := r.RequestWith(ctx, client)
	if err != nil {
		return t, err
	}
	if len(answer.Topics) != 1 {
		return t, fmt.Errorf("nothing is said of the topic %s", name)
	}
	found := answer.Topics[0]
	if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
		return t, fmt.Errorf("topic %s: %w", name, err)
	}
	t.id = hex.EncodeToString(found.TopicID[:])
	for i, p := range found.Partitions {
		t.leaders[int(p.Partition)] = kerr.ErrorForCode(p.ErrorCode)
		if i == 0 || len(p.Replicas) < t.copies {
			t.copies = len(p.Replicas)
		}
	}
	return t, nil
}

// The times that listOffset takes besides those of the clock.
const (
	latest   = -1
	earliest = -2
)

// listOffset returns the offset of the first record of a partition that is not older than a time in milliseconds, -1 if
// there is none; or one of the ends.
func listOffset(ctx context.Context, client *kgo.Client, name string, partition int, at int64) (int64, error) {
	r := kmsg.NewPtrListOffsetsRequest()
	r.ReplicaID = -1
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	t.Topic, p.Partition, p.Timestamp = name, int32(partition), at
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	answer, err := r.RequestWith(ctx, client)
	if err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("nothing is said of the offsets of %s, partition %d", name, partition)
	}
	found := answer.Topics[0].Partitions[0]
	return found.Offset, kerr.ErrorForCode(found.ErrorCode)
}

// inspect finds what an acknowledgement means.
func inspect(ctx context.Context, client *kgo.Client, name string, copies int) (hub.Level, error) {
	var l hub.Level
	configs, err := kadm.NewClient(client).DescribeTopicConfigs(ctx, name)
	if err == nil && len(configs) == 1 {
		err = configs[0].Err
	}
	if err != nil || len(configs) != 1 {
		return hub.Level{
			Acked:    fmt.Sprintf("with all in-sync replicas, of %d copies", copies),
			Warnings: []string{fmt.Sprintf("the settings of the topic are not known (%v); set min.insync.replicas to 2 or more", err)},
		}, nil
	}
	values := make(map[string]string)
	for _, c := range configs[0].Configs {
		values[c.Key] = c.MaybeValue()
	}
	insync, _ := strconv.Atoi(values["min.insync.replicas"])
	l.Acked = fmt.Sprintf("in the memory of at least %d of %d servers", insync, copies)
	if copies < 2 || insync < 2 {
		l.Warnings = append(l.Warnings, "the loss of one server can lose what was acknowledged; set replication to 3 and min.insync.replicas to 2")
	}
	if values["unclean.leader.election.enable"] == "true" {
		l.Warnings = append(l.Warnings, "a server that lacks what was acknowledged may be made the leader; set unclean.leader.election.enable to false")
	}
	if values["message.timestamp.type"] != "LogAppendTime" {
		return l, fmt.Errorf("topic %s has message.timestamp.type=%s; allowed is LogAppendTime", name, values["message.timestamp.type"])
	}
	if values["cleanup.policy"] != "delete" {
		return l, fmt.Errorf("topic %s has cleanup.policy=%s; allowed is delete", name, values["cleanup.policy"])
	}
	return l, nil
}
