package pulltest

import (
	"context"
	"errors"
	"io"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A stream is what one subscriber may hold and holds.
type stream struct {
	conn                  string
	length                time.Duration // of leases, as the client asked for
	maxMessages, maxBytes int           // 0 or less: no limit
	messages, bytes       int
	pings                 int   // to be answered
	stalled               bool  // brings nothing any more, and does not end
	ended                 bool  // for cause, nil: as the client wished
	cause                 error // status to end with
}

// end ends a stream. The caller holds the server's lock and wakes it.
func (st *stream) end(cause error) {
	if !st.ended {
		st.ended, st.cause = true, cause
	}
}

// room reports whether another message may be sent: the limits are reached by
// the message that passes them, as in the service.
func (st *stream) room() bool {
	return (st.maxMessages <= 0 || st.messages < st.maxMessages) && (st.maxBytes <= 0 || st.bytes < st.maxBytes)
}

// perResponse bounds the messages in one response.
const perResponse = 100

// StreamingPull delivers until the subscriber closes the stream.
func (v *service) StreamingPull(server pubsubpb.Subscriber_StreamingPullServer) error {
	s := v.srv
	if err := s.gate(server.Context()); err != nil {
		return err
	}
	first, err := server.Recv()
	if err != nil {
		return err
	}
	st, err := s.begin(connOf(server.Context()), first)
	if err != nil {
		return err
	}
	defer s.forget(st)
	stop := context.AfterFunc(server.Context(), func() { s.finishStream(st, nil) })
	defer stop()
	s.wg.Go(func() { s.finishStream(st, s.listen(server, st, first)) })
	for {
		r, err := s.take(server.Context(), st)
		if r == nil {
			return err
		}
		if err := server.Send(r); err != nil {
			return err
		}
	}
}

// begin takes in a stream by its first request.
func (s *Server) begin(conn string, r *pubsubpb.StreamingPullRequest) (*stream, error) {
	if err := s.check(r.GetSubscription()); err != nil {
		return nil, err
	}
	seconds := r.GetStreamAckDeadlineSeconds()
	if seconds < 10 || seconds > 600 {
		return nil, status.Errorf(codes.InvalidArgument, "a stream's ack deadline of %d seconds is not between 10 and 600", seconds)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.faults.pulls; err != nil {
		return nil, err
	}
	st := &stream{
		conn: conn, length: time.Duration(seconds) * time.Second,
		maxMessages: int(r.GetMaxOutstandingMessages()), maxBytes: int(r.GetMaxOutstandingBytes()),
	}
	s.streams[st] = struct{}{}
	s.stats.Streams++
	return st, nil
}

// forget removes a stream that has ended. What it delivered stays leased: the
// client may go on acknowledging it.
func (s *Server) forget(st *stream) {
	s.set(func() { delete(s.streams, st) })
	if !s.conns.isOpen(st.conn) {
		s.leave(st.conn) // it may have been given more after its end
	}
}

func (s *Server) finishStream(st *stream, cause error) {
	s.set(func() { st.end(cause) })
}

// listen takes what the subscriber says until it has said all.
func (s *Server) listen(server pubsubpb.Subscriber_StreamingPullServer, st *stream, r *pubsubpb.StreamingPullRequest) error {
	for first := true; ; first = false {
		if err := s.gate(server.Context()); err != nil {
			return err
		}
		if err := s.hear(r, first); err != nil {
			return err
		}
		if !first && isPing(r) {
			s.set(func() { st.pings++ })
		}
		var err error
		if r, err = server.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// hear does what a request asks for.
func (s *Server) hear(r *pubsubpb.StreamingPullRequest, first bool) error {
	if !first && (r.GetSubscription() != "" || r.GetClientId() != "" || r.GetProtocolVersion() != 0 ||
		r.GetMaxOutstandingMessages() != 0 || r.GetMaxOutstandingBytes() != 0) {
		return status.Error(codes.InvalidArgument, "only the first request of a stream may set it up")
	}
	ids, seconds := r.GetModifyDeadlineAckIds(), r.GetModifyDeadlineSeconds()
	if len(ids) != len(seconds) {
		return status.Errorf(codes.InvalidArgument, "%d ack ids with %d deadlines", len(ids), len(seconds))
	}
	if err := s.ack(r.GetAckIds()); err != nil {
		return err
	}
	for i, id := range ids {
		if err := s.extend([]string{id}, seconds[i]); err != nil {
			return err
		}
	}
	return nil
}

func isPing(r *pubsubpb.StreamingPullRequest) bool {
	return len(r.GetAckIds())+len(r.GetModifyDeadlineAckIds()) == 0
}

// take waits for room and messages, or a ping to answer. It returns nil when
// the stream has ended, with the status to end it with.
func (s *Server) take(ctx context.Context, st *stream) (*pubsubpb.StreamingPullResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		frozen := s.faults.hang || st.stalled
		if st.ended && (!frozen || ctx.Err() != nil) {
			return nil, st.cause
		}
		if r := s.collect(st); len(r.GetReceivedMessages()) > 0 || st.pings > 0 && !frozen {
			st.pings = 0
			return r, nil
		}
		s.wake.Wait()
	}
}

// collect takes what a stream may bring now. The caller holds s.mu.
func (s *Server) collect(st *stream) *pubsubpb.StreamingPullResponse {
	r := &pubsubpb.StreamingPullResponse{}
	if s.faults.hang || s.faults.silence || st.stalled {
		return r
	}
	for len(r.ReceivedMessages) < perResponse && st.room() && s.ready() {
		r.ReceivedMessages = append(r.ReceivedMessages, s.lend(st, st.conn, st.length))
	}
	return r
}
