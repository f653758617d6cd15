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
	m := hub.Message{
		Channel: r.Channel, ID: r.Id, Key: r.Key, Tags: r.Tags, Data: r.Data, ContentType: r.ContentType,
	}
	if err := s.checkMessage(&m); err != nil {
		return nil, err
	}
	expect, err := position("expect", r.Expect)
	if err != nil {
		return nil, err
	}
	done, err := s.Hub.Publish(ctx, m, expect)
	if err != nil {
		if ended(err) {
			err = fmt.Errorf("%w: %w", hub.ErrIndeterminate, err)
		}
		return nil, explain(err).at(done.Position)
	}
	return &apipb.PublishResponse{Epoch: done.Epoch, Offset: done.Offset, Duplicate: done.Duplicate}, nil
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
	results, err := s.publishAll(ctx, "messages", r.Messages)
	return &apipb.PublishBatchResponse{Results: results}, err
}

// Broadcast implements the service.
func (s *service) Broadcast(ctx context.Context, r *apipb.BroadcastRequest) (*apipb.BroadcastResponse, error) {
	messages := make([]*apipb.PublishRequest, len(r.Channels))
	for i, channel := range r.Channels {
		messages[i] = &apipb.PublishRequest{
			Channel: channel, Id: r.Id, Key: r.Key, Tags: r.Tags, Data: r.Data, ContentType: r.ContentType,
		}
	}
	results, err := s.publishAll(ctx, "channels", messages)
	return &apipb.BroadcastResponse{Results: results}, err
}

// publishAll publishes messages to several channels at once, those of one channel
// in their order, and returns a result for each.
func (s *service) publishAll(ctx context.Context, name string, messages []*apipb.PublishRequest) ([]*apipb.PublishResult, error) {
	switch n := len(messages); {
	case n == 0:
		return nil, errorf(BadRequest, "no %s", name)
	case n > maxMany:
		return nil, errorf(RequestTooBig, "%d %s, the limit is %d", n, name, maxMany)
	}
	results := make([]*apipb.PublishResult, len(messages))
	queues := byChannel(messages)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(maxAtOnce, len(queues)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(queues)); i = next.Add(1) - 1 {
				for _, at := range queues[i] {
					results[at] = s.result(s.Publish(ctx, messages[at]))
				}
			}
		})
	}
	workers.Wait()
	return results, nil
}

// byChannel returns the indexes of messages, those of one channel together.
func byChannel(messages []*apipb.PublishRequest) (queues [][]int) {
	place := make(map[string]int)
	for i, m := range messages {
		at, ok := place[m.Channel]
		if !ok {
			at = len(queues)
			place[m.Channel] = at
			queues = append(queues, nil)
		}
		queues[at] = append(queues[at], i)
	}
	return queues
}

func (s *service) result(published *apipb.PublishResponse, err error) *apipb.PublishResult {
	if err != nil {
		return &apipb.PublishResult{Error: explain(err).message()}
	}
	return &apipb.PublishResult{Published: published}
}
