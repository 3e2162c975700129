package pulltest

import (
	"context"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// service answers the calls of subscribers.
type service struct {
	pubsubpb.UnimplementedSubscriberServer

	srv *Server
	ctx context.Context //nolint:containedctx // ends with the server
}

// maxRequest is the size above which the service refuses a request.
const maxRequest = 512 << 10

// intercept stands before every unary call.
func (s *Server) intercept(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	answer, err := s.admit(ctx, r, next)
	if err != nil {
		s.set(func() { s.stats.Refused++ })
	}
	return answer, err
}

func (s *Server) admit(ctx context.Context, r any, next grpc.UnaryHandler) (any, error) {
	if err := s.gate(ctx); err != nil {
		return nil, err
	}
	if m, ok := r.(proto.Message); ok && proto.Size(m) > maxRequest {
		return nil, status.Errorf(codes.InvalidArgument, "a request of %d bytes is above %d", proto.Size(m), maxRequest)
	}
	return next(ctx, r)
}

func (s *Server) check(name string) error {
	if name != s.name {
		return status.Errorf(codes.NotFound, "Resource not found (resource=%s): only %s is here", name, s.name)
	}
	return nil
}

// GetSubscription tells that the subscription exists.
func (v *service) GetSubscription(_ context.Context, r *pubsubpb.GetSubscriptionRequest) (*pubsubpb.Subscription, error) {
	if err := v.srv.check(r.GetSubscription()); err != nil {
		return nil, err
	}
	return &pubsubpb.Subscription{
		Name: v.srv.name, Topic: "projects/none/topics/none", AckDeadlineSeconds: 10,
		State: pubsubpb.Subscription_ACTIVE,
	}, nil
}

// Acknowledge takes acknowledgements.
func (v *service) Acknowledge(_ context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	if err := v.srv.settling(r.GetSubscription(), r.GetAckIds()); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, v.srv.ack(r.GetAckIds())
}

// ModifyAckDeadline takes extensions of leases, and nacks, which are deadlines
// of 0 seconds.
func (v *service) ModifyAckDeadline(_ context.Context, r *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	if err := v.srv.settling(r.GetSubscription(), r.GetAckIds()); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, v.srv.extend(r.GetAckIds(), r.GetAckDeadlineSeconds())
}

// settling returns why a request about leases is refused.
func (s *Server) settling(name string, ids []string) error {
	if err := s.check(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.faults.acks != nil:
		return s.faults.acks
	case len(ids) == 0:
		return status.Error(codes.InvalidArgument, "a request without ack ids")
	}
	return nil
}

// Pull waits for messages, unless it is told to return at once, and returns
// up to as many as asked for.
func (v *service) Pull(ctx context.Context, r *pubsubpb.PullRequest) (*pubsubpb.PullResponse, error) {
	s := v.srv
	if err := s.check(r.GetSubscription()); err != nil {
		return nil, err
	}
	if r.GetMaxMessages() < 1 {
		return nil, status.Errorf(codes.InvalidArgument, "a pull of %d messages", r.GetMaxMessages())
	}
	stop := context.AfterFunc(ctx, s.rouse)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Pulls++
	for ctx.Err() == nil && v.ctx.Err() == nil {
		if err := s.faults.pulls; err != nil {
			return nil, err
		}
		answer := &pubsubpb.PullResponse{}
		for len(answer.ReceivedMessages) < int(r.GetMaxMessages()) && !s.faults.hang && s.ready() {
			answer.ReceivedMessages = append(answer.ReceivedMessages, s.lend(nil, connOf(ctx), s.length))
		}
		//nolint:staticcheck // deprecated, and asked for all the same
		if len(answer.ReceivedMessages) > 0 || r.GetReturnImmediately() {
			return answer, nil
		}
		s.wake.Wait()
	}
	return nil, errClosed
}
