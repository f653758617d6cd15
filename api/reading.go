package api

import (
	"context"
	"errors"

	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/hub"
)

// maxPageBytes is how much data a page of history may have before it ends. One
// publication is in it in any case.
const maxPageBytes = 1 << 20

// page returns the limit of a page for the one that was asked for.
func page(limit uint32) int {
	if limit == 0 {
		return pageSize
	}
	return int(min(limit, maxMany))
}

// History implements the service.
func (s *service) History(ctx context.Context, r *apipb.HistoryRequest) (*apipb.HistoryResponse, error) {
	from, err := position("from", r.From)
	if err != nil {
		return nil, err
	}
	got, err := s.Hub.History(ctx, r.Channel, hub.Query{From: from, Limit: page(r.Limit), Reverse: r.Reverse})
	if errors.Is(err, hub.ErrEpoch) {
		return nil, explain(err).at(got.Top)
	}
	if err != nil {
		return nil, err
	}
	answer := &apipb.HistoryResponse{Top: positionOf(&got.Top), More: got.More}
	size := 0
	for _, p := range got.Publications {
		size += len(p.Data)
		if size > maxPageBytes && len(answer.Publications) > 0 {
			answer.More = true
			break
		}
		answer.Publications = append(answer.Publications, publication(p))
	}
	return answer, nil
}

func publication(p *hub.Publication) *apipb.Publication {
	return &apipb.Publication{
		Epoch: p.Epoch, Offset: p.Offset, Prev: p.Prev, Time: p.Time.UnixMilli(),
		Id: p.ID, Key: p.Key, Tags: p.Tags, Data: p.Data, ContentType: p.ContentType, Client: p.Client,
	}
}

// Presence implements the service.
func (s *service) Presence(ctx context.Context, r *apipb.PresenceRequest) (*apipb.PresenceResponse, error) {
	members, more, err := s.Hub.Members(ctx, r.Channel, r.After, page(r.Limit))
	if err != nil {
		return nil, err
	}
	answer := &apipb.PresenceResponse{More: more}
	for _, m := range members {
		answer.Members = append(answer.Members, &apipb.Member{Client: m.Client, User: m.User, Info: m.Info})
	}
	return answer, nil
}

// PresenceCount implements the service.
func (s *service) PresenceCount(ctx context.Context, r *apipb.PresenceCountRequest) (*apipb.PresenceCountResponse, error) {
	clients, users, err := s.Hub.Count(ctx, r.Channel)
	if err != nil {
		return nil, err
	}
	return &apipb.PresenceCountResponse{Clients: uint64(clients), Users: uint64(users)}, nil
}

// channels is Channels with the subscribers of this node.
func (s *service) channels(_ context.Context, r *apipb.ChannelsRequest) (*apipb.ChannelsResponse, error) {
	var match hub.Pattern
	if r.Pattern != "" {
		var err error
		if match, err = hub.ParsePattern(r.Pattern); err != nil {
			return nil, err
		}
	}
	channels, more := s.Hub.List(r.After, page(r.Limit), match)
	answer := &apipb.ChannelsResponse{More: more}
	for _, c := range channels {
		answer.Channels = append(answer.Channels, &apipb.Channel{
			Name: c.Name, Subscribers: uint64(c.Subscribers), Top: positionOf(&c.Top),
		})
	}
	return answer, nil
}
