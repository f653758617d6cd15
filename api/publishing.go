package api

import (
	"context"
	"fmt"
	"mime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

const (
	// Bytes of a publication's id, of its key, and of a media type.
	maxID          = 64
	maxKey         = 64
	maxContentType = 127

	// maxTags bounds the tags of a publication; each has a name and a value of
	// at most maxTag bytes.
	maxTags = 16
	maxTag  = 256

	// maxAtOnce bounds how many channels of one call are published to at once.
	maxAtOnce = 16
)

// Publish implements the service.
func (s *service) Publish(ctx context.Context, r *apipb.PublishRequest) (*apipb.PublishResponse, error) {
	answer := new(apipb.PublishResponse)
	if err := s.publish(ctx, r, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

func (s *service) publish(ctx context.Context, r *apipb.PublishRequest, answer *apipb.PublishResponse) error {
	m := hub.Message{
		Channel: r.Channel, ID: r.Id, Key: r.Key, Tags: r.Tags, Data: r.Data, ContentType: r.ContentType,
	}
	if err := s.checkMessage(&m); err != nil {
		return err
	}
	expect, err := position("expect", r.Expect)
	if err != nil {
		return err
	}
	return s.hand(ctx, &m, expect, answer)
}

// hand publishes m, which is checked.
func (s *service) hand(ctx context.Context, m *hub.Message, expect *hub.Position, answer *apipb.PublishResponse) error {
	done, err := s.Hub.Publish(ctx, *m, expect)
	if err != nil {
		if ended(err) {
			err = fmt.Errorf("%w: %w", hub.ErrIndeterminate, err)
		}
		return explain(err).at(done.Position)
	}
	answer.Epoch, answer.Offset, answer.Duplicate = done.Epoch, done.Offset, done.Duplicate
	return nil
}

// checkMessage reports what is wrong with m besides its channel's name.
func (s *service) checkMessage(m *hub.Message) error {
	switch {
	case len(m.ID) > maxID:
		return errorf(BadRequest, "id of %d bytes, the limit is %d", len(m.ID), maxID)
	case len(m.Key) > maxKey:
		return errorf(BadRequest, "key of %d bytes, the limit is %d", len(m.Key), maxKey)
	}
	if err := checkTags(m.Tags); err != nil {
		return err
	}
	return s.checkData(m.Data, m.ContentType)
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return errorf(BadRequest, "%d tags, the limit is %d", len(tags), maxTags)
	}
	for name, value := range tags {
		if len(name) > maxTag || len(value) > maxTag {
			return errorf(BadRequest, "a tag of %d bytes, the limit is %d", max(len(name), len(value)), maxTag)
		}
	}
	return nil
}

// checkData reports why data cannot be sent to clients as what it is said to be.
func (s *service) checkData(data []byte, contentType string) error {
	if len(data) > s.MaxData {
		return errorf(DataTooBig, "data of %d bytes, the limit is %d", len(data), s.MaxData)
	}
	if contentType == "" {
		if err := jsonscan.Check(data, maxDepth); err != nil {
			return errorf(BadRequest, "data: %v", err)
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(mediaType, "/") || len(contentType) > maxContentType || !printable(contentType) {
		return errorf(BadRequest, "content_type is not a media type of at most %d bytes", maxContentType)
	}
	return nil
}

// printable reports whether s is ASCII without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// position returns what a request's member holds; nil for none.
func position(name string, pos *apipb.Position) (*hub.Position, error) {
	if pos == nil {
		return nil, nil
	}
	if pos.Epoch == "" || len(pos.Epoch) > hub.MaxChannelName {
		return nil, errorf(BadRequest, "%s has no epoch", name)
	}
	return &hub.Position{Epoch: pos.Epoch, Offset: pos.Offset}, nil
}

// PublishBatch implements the service.
func (s *service) PublishBatch(ctx context.Context, r *apipb.PublishBatchRequest) (*apipb.PublishBatchResponse, error) {
	results, err := publishAll("messages", len(r.Messages), func(i int) string { return r.Messages[i].Channel },
		func(i int, answer *apipb.PublishResponse) error { return s.publish(ctx, r.Messages[i], answer) })
	return &apipb.PublishBatchResponse{Results: results}, err
}

// Broadcast implements the service.
func (s *service) Broadcast(ctx context.Context, r *apipb.BroadcastRequest) (*apipb.BroadcastResponse, error) {
	base := hub.Message{ID: r.Id, Key: r.Key, Tags: r.Tags, Data: r.Data, ContentType: r.ContentType}
	wrong := s.checkMessage(&base)
	results, err := publishAll("channels", len(r.Channels), func(i int) string { return r.Channels[i] },
		func(i int, answer *apipb.PublishResponse) error {
			if wrong != nil {
				return wrong
			}
			m := base
			m.Channel = r.Channels[i]
			return s.hand(ctx, &m, nil, answer)
		})
	return &apipb.BroadcastResponse{Results: results}, err
}

// publishAll publishes n messages to several channels at once, those of one channel
// in their order, and returns a result for each. channel returns the channel of the ith.
func publishAll(name string, n int, channel func(i int) string, publish func(i int, answer *apipb.PublishResponse) error) ([]*apipb.PublishResult, error) {
	switch {
	case n == 0:
		return nil, errorf(BadRequest, "no %s", name)
	case n > maxMany:
		return nil, errorf(RequestTooBig, "%d %s, the limit is %d", n, name, maxMany)
	}
	results, answers := make([]apipb.PublishResult, n), make([]apipb.PublishResponse, n)
	queues := byChannel(n, channel)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(maxAtOnce, len(queues)) {
		workers.Go(func() {
			for q := next.Add(1) - 1; q < int64(len(queues)); q = next.Add(1) - 1 {
				for _, i := range queues[q] {
					if err := publish(i, &answers[i]); err != nil {
						results[i].Error = explain(err).message()
					} else {
						results[i].Published = &answers[i]
					}
				}
			}
		})
	}
	workers.Wait()
	all := make([]*apipb.PublishResult, n)
	for i := range results {
		all[i] = &results[i]
	}
	return all, nil
}

// byChannel returns the indexes of n messages, those of one channel together.
func byChannel(n int, channel func(i int) string) (queues [][]int) {
	place := make(map[string]int, n)
	each := make([]int, n) // room for the queues of channels with one message, as most are
	for i := range n {
		each[i] = i
		at, ok := place[channel(i)]
		if ok {
			queues[at] = append(queues[at], i)
			continue
		}
		place[channel(i)] = len(queues)
		queues = append(queues, each[i:i+1:i+1])
	}
	return queues
}
