package bqtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A pendingStream holds rows that its table does not have before they are
// committed. The server's mutex guards it.
type pendingStream struct {
	name      string
	table     *table
	rows      []map[string]any
	bytes     int64
	finalized bool
	created   time.Time
	committed time.Time // zero: not yet
	owner     int       // the connection that was the last to begin appending: the only one that may
}

// fits returns why rows cannot be put at an offset, nil being the end.
func (p *pendingStream) fits(offset *wrapperspb.Int64Value) error {
	end := int64(len(p.rows))
	switch at := offset.GetValue(); {
	case p.finalized:
		return storageError(codes.InvalidArgument, storagepb.StorageError_STREAM_FINALIZED, p.name,
			"The stream has been finalized, and takes no more rows.")
	case offset == nil || at == end:
		return nil
	case at < 0:
		return storageError(codes.InvalidArgument, unspecified, p.name, "The offset is negative.")
	case at < end:
		return storageError(codes.AlreadyExists, storagepb.StorageError_OFFSET_ALREADY_EXISTS, p.name,
			fmt.Sprintf("The offset is within stream, expected offset %d, received %d", end, at))
	default:
		return storageError(codes.OutOfRange, storagepb.StorageError_OFFSET_OUT_OF_RANGE, p.name,
			fmt.Sprintf("The offset is beyond stream, expected offset %d, received %d", end, at))
	}
}

// pending returns the stream of that name, if it belongs to the table. The
// caller holds s.mu.
func (s *Server) pending(name string, t *table) (*pendingStream, error) {
	p, ok := s.streams[name]
	if !ok || p.table != t {
		return nil, streamNotFound(name)
	}
	return p, nil
}

func streamNotFound(name string) error {
	return storageError(codes.NotFound, storagepb.StorageError_STREAM_NOT_FOUND, name, "Requested entity was not found.")
}

// CreateWriteStream creates a stream of type PENDING; there are no others.
func (w *writeServer) CreateWriteStream(ctx context.Context, req *storagepb.CreateWriteStreamRequest) (*storagepb.WriteStream, error) {
	ref, err := parseTable(req.GetParent())
	if err != nil {
		return nil, err
	}
	return serve(ctx, w.srv, ref, &Call{Method: "CreateWriteStream"}, func(*Fault) (*storagepb.WriteStream, error) {
		s := w.srv
		t, err := s.lookUp(ref, req.GetParent())
		if err != nil {
			return nil, err
		}
		if kind := req.GetWriteStream().GetType(); kind != storagepb.WriteStream_PENDING {
			return nil, storageError(codes.Unimplemented, unspecified, req.GetParent(), fmt.Sprintf("streams of type %v are not in this stand-in", kind))
		}
		p := &pendingStream{
			name:  fmt.Sprintf("%s/streams/pending-%d", req.GetParent(), s.next()),
			table: t, created: time.Now(),
		}
		s.streams[p.name] = p
		t.stats.Streams++
		return p.answer(storagepb.WriteStreamView_FULL), nil
	})
}

// answer returns the stream as the service shows it.
func (p *pendingStream) answer(view storagepb.WriteStreamView) *storagepb.WriteStream {
	out := &storagepb.WriteStream{
		Name:       p.name,
		Type:       storagepb.WriteStream_PENDING,
		WriteMode:  storagepb.WriteStream_INSERT,
		CreateTime: timestamppb.New(p.created),
		Location:   strings.ToLower(p.table.meta.Location),
	}
	if !p.committed.IsZero() {
		out.CommitTime = timestamppb.New(p.committed)
	}
	if view == storagepb.WriteStreamView_FULL {
		out.TableSchema = storageSchema(p.table.meta.Schema.Fields)
	}
	return out
}

// FinalizeWriteStream ends a stream, and tells how many rows it has. It may
// be called again.
func (w *writeServer) FinalizeWriteStream(ctx context.Context, req *storagepb.FinalizeWriteStreamRequest) (*storagepb.FinalizeWriteStreamResponse, error) {
	ref, id, err := parseStream(req.GetName())
	if err != nil {
		return nil, err
	}
	return serve(ctx, w.srv, ref, &Call{Method: "FinalizeWriteStream", Streams: []string{req.GetName()}}, func(*Fault) (*storagepb.FinalizeWriteStreamResponse, error) {
		t, err := w.srv.lookUp(ref, req.GetName())
		if err != nil {
			return nil, err
		}
		if id == defaultID {
			return nil, storageError(codes.InvalidArgument, storagepb.StorageError_INVALID_STREAM_TYPE, req.GetName(), "The default stream cannot be finalized.")
		}
		p, err := w.srv.pending(req.GetName(), t)
		if err != nil {
			return nil, err
		}
		p.finalized = true
		return &storagepb.FinalizeWriteStreamResponse{RowCount: int64(len(p.rows))}, nil
	})
}

// BatchCommitWriteStreams gives a table the rows of finalized streams, all or
// none. What is wrong with a stream is no error of the call.
func (w *writeServer) BatchCommitWriteStreams(ctx context.Context, req *storagepb.BatchCommitWriteStreamsRequest) (*storagepb.BatchCommitWriteStreamsResponse, error) {
	ref, err := parseTable(req.GetParent())
	if err != nil {
		return nil, err
	}
	call := &Call{Method: "BatchCommitWriteStreams", Streams: req.GetWriteStreams()}
	return serve(ctx, w.srv, ref, call, func(f *Fault) (*storagepb.BatchCommitWriteStreamsResponse, error) {
		t, err := w.srv.lookUp(ref, req.GetParent())
		if err != nil {
			return nil, err
		}
		return w.srv.commit(t, req, f)
	})
}

// commit commits streams of a table. The caller holds s.mu.
func (s *Server) commit(t *table, req *storagepb.BatchCommitWriteStreamsRequest, f *Fault) (*storagepb.BatchCommitWriteStreamsResponse, error) {
	refuse := func(message string) error {
		return storageError(codes.InvalidArgument, unspecified, req.GetParent(), message)
	}
	if len(req.GetWriteStreams()) == 0 {
		return nil, refuse("No stream is given.")
	}
	out := &storagepb.BatchCommitWriteStreamsResponse{}
	seen := map[string]bool{}
	for _, name := range req.GetWriteStreams() {
		if !strings.HasPrefix(name, req.GetParent()+"/streams/") || seen[name] {
			return nil, refuse("A stream is not one of the table's, or given twice.")
		}
		seen[name] = true
		code := s.committable(t, name)
		if f.StreamErrors != unspecified {
			code = f.StreamErrors
		}
		if code != unspecified {
			out.StreamErrors = append(out.StreamErrors, &storagepb.StorageError{Code: code, Entity: name, ErrorMessage: "The stream cannot be committed."})
		}
	}
	if len(out.StreamErrors) > 0 {
		return out, nil
	}
	now := time.Now()
	for _, name := range req.GetWriteStreams() {
		p := s.streams[name]
		t.rows = append(t.rows, p.rows...)
		t.bytes += p.bytes
		p.committed = now
	}
	t.stats.Commits++
	out.CommitTime = timestamppb.New(now)
	return out, nil
}

// committable returns what is wrong with a stream that is to be committed.
func (s *Server) committable(t *table, name string) storagepb.StorageError_StorageErrorCode {
	p, err := s.pending(name, t)
	switch {
	case strings.HasSuffix(name, "/"+defaultID):
		return storagepb.StorageError_INVALID_STREAM_TYPE
	case err != nil:
		return storagepb.StorageError_STREAM_NOT_FOUND
	case !p.committed.IsZero():
		return storagepb.StorageError_STREAM_ALREADY_COMMITTED
	case !p.finalized:
		return storagepb.StorageError_INVALID_STREAM_STATE
	default:
		return unspecified
	}
}

// Expire forgets every stream that was not committed, with its rows, as time
// would.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, p := range s.streams {
		if p.committed.IsZero() {
			delete(s.streams, name)
		}
	}
}

// SetStaged makes every stream of the table that was not committed hold just n
// rows, by losing its last ones or repeating the first, as no service should.
func (s *Server) SetStaged(table string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(table)
	for _, p := range s.streams {
		if p.table != t || !p.committed.IsZero() || len(p.rows) == 0 {
			continue
		}
		for len(p.rows) < n {
			p.rows = append(p.rows, p.rows[0])
		}
		p.rows = p.rows[:n]
	}
}
