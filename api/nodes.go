package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/cluster"
)

// Nodes are the other nodes of the cluster.
type Nodes interface {
	// Ask has each of them answer a request, as [cluster.Cluster] does.
	Ask(ctx context.Context, method string, request []byte) ([]cluster.Reply, error)

	// Nodes returns them in the order of their names.
	Nodes() []cluster.Node
}

// alone is a cluster of one node.
type alone struct{}

func (alone) Ask(context.Context, string, []byte) ([]cluster.Reply, error) { return nil, nil }
func (alone) Nodes() []cluster.Node                                        { return nil }

// A local method is one that is carried out on each node, with what it has.
type local func(ctx context.Context, request []byte) (proto.Message, error)

// locals are the methods that other nodes ask for.
func (s *service) locals() map[string]local {
	return map[string]local{
		"channels":    ofBytes(s.channels),
		"connections": ofBytes(s.connections),
		"subscribe":   ofBytes(s.subscribe),
		"unsubscribe": ofBytes(s.unsubscribe),
		"disconnect":  ofBytes(s.disconnect),
		"send":        ofBytes(s.send),
	}
}

func ofBytes[T any, Request interface {
	*T
	proto.Message
}, Answer proto.Message](call func(context.Context, Request) (Answer, error)) local {
	return func(ctx context.Context, b []byte) (proto.Message, error) {
		r := Request(new(T))
		if err := proto.Unmarshal(b, r); err != nil {
			return nil, errorf(BadRequest, "another node asks what is no request")
		}
		return call(ctx, r)
	}
}

// Answer carries out, with what this node has, what another node asks: the Answer of
// [cluster.Config].
func (h *Handler) Answer(ctx context.Context, method string, request []byte) ([]byte, error) {
	call, ok := h.service.locals()[method]
	if !ok {
		return nil, failure(errorf(NoMethod, "node %s knows no such method", h.service.Node))
	}
	answer, err := call(ctx, request)
	if err != nil {
		return nil, failure(explain(err))
	}
	return proto.Marshal(answer)
}

func failure(e *Error) *cluster.Failure {
	return &cluster.Failure{Reason: string(e.Reason), Message: e.Message}
}

// onAll carries a request out on this node and on all others, and returns their answers, this
// node's first. Where only some know the client the others' error is left out.
func onAll[Answer any, P interface {
	*Answer
	proto.Message
}](ctx context.Context, s *service, method string, r proto.Message, here P, err error) ([]P, error) {
	var answers []P
	switch {
	case err == nil:
		answers = append(answers, here)
	case explain(err).Reason != NoClient:
		return nil, err
	}
	request, marshalErr := proto.Marshal(r)
	if marshalErr != nil {
		return nil, marshalErr
	}
	replies, askErr := s.Nodes.Ask(ctx, method, request)
	if askErr != nil {
		return nil, silent(askErr)
	}
	for _, reply := range replies {
		answer := P(new(Answer))
		failed := reply.Err
		if failed == nil {
			failed = proto.Unmarshal(reply.Response, answer)
		}
		if failed == nil {
			answers = append(answers, answer)
		} else if e := ofNode(reply.Node, failed); e.Reason != NoClient {
			return nil, e
		}
	}
	if len(answers) == 0 {
		return nil, err
	}
	return answers, nil
}

// silent is the error of nodes that cannot be asked, or do not answer.
func silent(err error) *Error {
	if errors.Is(err, cluster.ErrSilent) {
		return errorf(NodeSilent, "%v", err)
	}
	return errorf(NodeSilent, "the other nodes cannot be asked")
}

// ofNode is the error of another node.
func ofNode(node string, err error) *Error {
	if f, ok := errors.AsType[*cluster.Failure](err); ok {
		for _, known := range Reasons {
			if string(known.Reason) == f.Reason {
				return errorf(known.Reason, "%s", f.Message)
			}
		}
	}
	return errorf(NodeSilent, "node %s answers what this one does not understand", node)
}

// total adds up what the nodes have counted.
func total[P interface{ GetClients() uint64 }](answers []P) (n uint64) {
	for _, a := range answers {
		n += a.GetClients()
	}
	return n
}

// A listPage is a part of a list of one node.
type listPage[T any] struct {
	items []T
	more  bool
}

// merge makes a page of those of all nodes: sorted, up to limit, and no further than every node
// has told. Items of one name are made one.
func merge[T any](pages []listPage[T], limit int, name func(T) string, join func(a, b T) T) (merged []T, more bool) {
	end, bounded := "", false // behind which some node may have what is not told
	var all []T
	for _, p := range pages {
		all = append(all, p.items...)
		if p.more && len(p.items) > 0 {
			if last := name(p.items[len(p.items)-1]); !bounded || last < end {
				end, bounded = last, true
			}
		}
		more = more || p.more
	}
	slices.SortStableFunc(all, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	for _, item := range all {
		if n := len(merged); n > 0 && name(merged[n-1]) == name(item) {
			merged[n-1] = join(merged[n-1], item)
			continue
		}
		if len(merged) == limit || bounded && name(item) > end {
			return merged, true
		}
		merged = append(merged, item)
	}
	return merged, more
}

// Channels implements the service.
func (s *service) Channels(ctx context.Context, r *apipb.ChannelsRequest) (*apipb.ChannelsResponse, error) {
	here, err := s.channels(ctx, r)
	answers, err := onAll(ctx, s, "channels", r, here, err)
	if err != nil {
		return nil, err
	}
	var pages []listPage[*apipb.Channel]
	for _, a := range answers {
		pages = append(pages, listPage[*apipb.Channel]{a.Channels, a.More})
	}
	answer := new(apipb.ChannelsResponse)
	answer.Channels, answer.More = merge(pages, page(r.Limit), (*apipb.Channel).GetName, func(a, b *apipb.Channel) *apipb.Channel {
		a.Subscribers += b.Subscribers
		if a.GetTop().GetEpoch() == b.GetTop().GetEpoch() && a.GetTop().GetOffset() < b.GetTop().GetOffset() {
			a.Top = b.Top
		}
		return a
	})
	return answer, nil
}

// Connections implements the service.
func (s *service) Connections(ctx context.Context, r *apipb.ConnectionsRequest) (*apipb.ConnectionsResponse, error) {
	here, err := s.connections(ctx, r)
	answers, err := onAll(ctx, s, "connections", r, here, err)
	if err != nil {
		return nil, err
	}
	var pages []listPage[*apipb.Connection]
	for _, a := range answers {
		pages = append(pages, listPage[*apipb.Connection]{a.Connections, a.More})
	}
	answer := new(apipb.ConnectionsResponse)
	answer.Connections, answer.More = merge(pages, page(r.Limit), (*apipb.Connection).GetClient, func(a, _ *apipb.Connection) *apipb.Connection { return a })
	return answer, nil
}

// Subscribe implements the service.
func (s *service) Subscribe(ctx context.Context, r *apipb.SubscribeRequest) (*apipb.SubscribeResponse, error) {
	here, err := s.subscribe(ctx, r)
	if err == nil && r.Client != "" {
		return here, nil // a client is on one node
	}
	answers, err := onAll(ctx, s, "subscribe", r, here, err)
	return &apipb.SubscribeResponse{Clients: total(answers)}, err
}

// Unsubscribe implements the service.
func (s *service) Unsubscribe(ctx context.Context, r *apipb.UnsubscribeRequest) (*apipb.UnsubscribeResponse, error) {
	here, err := s.unsubscribe(ctx, r)
	if err == nil && r.Client != "" {
		return here, nil
	}
	answers, err := onAll(ctx, s, "unsubscribe", r, here, err)
	return &apipb.UnsubscribeResponse{Clients: total(answers)}, err
}

// Disconnect implements the service.
func (s *service) Disconnect(ctx context.Context, r *apipb.DisconnectRequest) (*apipb.DisconnectResponse, error) {
	here, err := s.disconnect(ctx, r)
	if err == nil && r.Client != "" {
		return here, nil
	}
	answers, err := onAll(ctx, s, "disconnect", r, here, err)
	return &apipb.DisconnectResponse{Clients: total(answers)}, err
}

// Send implements the service.
func (s *service) Send(ctx context.Context, r *apipb.SendRequest) (*apipb.SendResponse, error) {
	here, err := s.send(ctx, r)
	if err == nil && r.Client != "" {
		return here, nil
	}
	answers, err := onAll(ctx, s, "send", r, here, err)
	return &apipb.SendResponse{Clients: total(answers)}, err
}
