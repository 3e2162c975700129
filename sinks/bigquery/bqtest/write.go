package bqtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// writeServer serves the write API. Calls that are not here are answered as
// unimplemented.
type writeServer struct {
	storagepb.UnimplementedBigQueryWriteServer
	srv *Server
}

const unspecified = storagepb.StorageError_STORAGE_ERROR_CODE_UNSPECIFIED

// rowsRefused is the service's own message.
const rowsRefused = "Errors found while processing rows. Please refer to the row_errors field for details. " +
	"The list may not be complete because of the size limitations."

// streamName takes both forms of the default stream's name.
var streamName = regexp.MustCompile(`^projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)/(?:streams/)?([^/]+)$`)

var tablePath = regexp.MustCompile(`^projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)$`)

// defaultID is the last part of a default stream's name.
const defaultID = "_default"

// parseStream returns the table of a stream, and the stream's own name.
func parseStream(name string) (tableKey, string, error) {
	m := streamName.FindStringSubmatch(name)
	if m == nil {
		return tableKey{}, "", storageError(codes.InvalidArgument, unspecified, name, "invalid stream name")
	}
	return tableKey{m[1], m[2], m[3]}, m[4], nil
}

func parseTable(name string) (tableKey, error) {
	m := tablePath.FindStringSubmatch(name)
	if m == nil {
		return tableKey{}, storageError(codes.InvalidArgument, unspecified, name, "invalid table name")
	}
	return tableKey{m[1], m[2], m[3]}, nil
}

// GetWriteStream tells of a stream.
func (w *writeServer) GetWriteStream(ctx context.Context, req *storagepb.GetWriteStreamRequest) (*storagepb.WriteStream, error) {
	ref, id, err := parseStream(req.GetName())
	if err != nil {
		return nil, err
	}
	return serve(ctx, w.srv, ref, &Call{Method: "GetWriteStream", Streams: []string{req.GetName()}}, func(*Fault) (*storagepb.WriteStream, error) {
		t, err := w.srv.lookUp(ref, req.GetName())
		if err != nil {
			return nil, err
		}
		if id == defaultID {
			return defaultStream(t, req), nil
		}
		p, err := w.srv.pending(req.GetName(), t)
		if err != nil {
			return nil, err
		}
		return p.answer(req.GetView()), nil
	})
}

func defaultStream(t *table, req *storagepb.GetWriteStreamRequest) *storagepb.WriteStream {
	out := &storagepb.WriteStream{
		Name:      req.GetName(),
		Type:      storagepb.WriteStream_COMMITTED,
		WriteMode: storagepb.WriteStream_INSERT,
		Location:  strings.ToLower(t.meta.Location),
	}
	if req.GetView() == storagepb.WriteStreamView_FULL {
		out.TableSchema = storageSchema(t.meta.Schema.Fields)
	}
	return out
}

// lookUp returns the table of a stream, or why it cannot be written to. The
// caller holds s.mu.
func (s *Server) lookUp(ref tableKey, stream string) (*table, error) {
	if s.down {
		return nil, status.Error(codes.Unavailable, "The service is currently unavailable.")
	}
	if s.switchesOf(ref).denied {
		return nil, status.Errorf(codes.PermissionDenied, "Permission 'TABLES_UPDATE_DATA' denied on resource '%s' (or it may not exist).", tableOf(stream))
	}
	d, ok := s.datasets[ref.project+":"+ref.dataset]
	if !ok || d.tables[ref.table] == nil {
		return nil, tableNotFound(stream)
	}
	t := d.tables[ref.table]
	if t.meta.Type != "TABLE" {
		return nil, storageError(codes.InvalidArgument, unspecified, stream, "only tables can be written to, not "+t.meta.Type)
	}
	return t, nil
}

func tableNotFound(stream string) error {
	return storageError(codes.NotFound, storagepb.StorageError_TABLE_NOT_FOUND, stream, "Requested entity was not found.")
}

func tableOf(stream string) string {
	table, _, _ := strings.Cut(stream, "/streams/")
	return strings.TrimSuffix(table, "/_default")
}

// storageError returns a status as the service words it: the entity closes
// the message, and the details hold the code.
func storageError(code codes.Code, sc storagepb.StorageError_StorageErrorCode, entity, message string) error {
	st := status.New(code, message+" Entity: "+entity)
	detailed, err := st.WithDetails(&storagepb.StorageError{Code: sc, Entity: entity, ErrorMessage: message})
	if err != nil {
		return st.Err() // Only for codes.OK, which is no error.
	}
	return detailed.Err()
}

// errorResponse puts an error into an answer.
func errorResponse(err error) *storagepb.AppendRowsResponse_Error {
	return &storagepb.AppendRowsResponse_Error{Error: status.Convert(err).Proto()}
}

// sentence returns an error's text as the service would begin it.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// status returns the fault's failure.
func (f *Fault) status(entity string) error {
	message := f.Message
	if message == "" {
		message = fmt.Sprintf("Failed on demand of the test (%v).", f.Code)
	}
	if f.Storage == unspecified {
		return status.Error(f.Code, message)
	}
	return storageError(f.Code, f.Storage, entity, message)
}

var errRefused = errors.New("refused on demand of the test")

// refuse adds the rows that the test wants refused to the bad ones.
func (s *Server) refuse(ref tableKey, a *Append, f *Fault, bad map[int]error) map[int]error {
	for _, i := range f.RefuseRows {
		if i >= 0 && i < len(a.Rows) && bad[i] == nil {
			bad[i] = errRefused
		}
	}
	s.mu.Lock()
	refuse := s.switchesOf(ref).refuse
	s.mu.Unlock()
	if refuse == nil {
		return bad
	}
	for i, row := range a.Rows {
		if bad[i] == nil && refuse(row) {
			bad[i] = errRefused
		}
	}
	return bad
}

// listed returns the errors of rows that an answer names.
func (s *Server) listed(ref tableKey, bad map[int]error) []*storagepb.RowError {
	s.mu.Lock()
	n := s.switchesOf(ref).listed
	s.mu.Unlock()
	var list []*storagepb.RowError
	for _, i := range slices.Sorted(maps.Keys(bad)) {
		if n >= 0 && len(list) == n {
			break
		}
		list = append(list, &storagepb.RowError{
			Index:   int64(i),
			Code:    storagepb.RowError_FIELDS_ERROR,
			Message: sentence(bad[i]),
		})
	}
	return list
}

// storageTypes are the names of types in the write API.
var storageTypes = map[string]storagepb.TableFieldSchema_Type{
	"STRING": storagepb.TableFieldSchema_STRING, "JSON": storagepb.TableFieldSchema_JSON,
	"INTEGER": storagepb.TableFieldSchema_INT64, "FLOAT": storagepb.TableFieldSchema_DOUBLE,
	"BOOLEAN": storagepb.TableFieldSchema_BOOL, "BYTES": storagepb.TableFieldSchema_BYTES,
	"TIMESTAMP": storagepb.TableFieldSchema_TIMESTAMP, "DATE": storagepb.TableFieldSchema_DATE,
	"TIME": storagepb.TableFieldSchema_TIME, "DATETIME": storagepb.TableFieldSchema_DATETIME,
	"NUMERIC": storagepb.TableFieldSchema_NUMERIC, "BIGNUMERIC": storagepb.TableFieldSchema_BIGNUMERIC,
	"GEOGRAPHY": storagepb.TableFieldSchema_GEOGRAPHY, "INTERVAL": storagepb.TableFieldSchema_INTERVAL,
	"RANGE": storagepb.TableFieldSchema_RANGE, "RECORD": storagepb.TableFieldSchema_STRUCT,
}

// storageSchema returns columns in the form of the write API.
func storageSchema(columns []*rest.TableFieldSchema) *storagepb.TableSchema {
	var list []*storagepb.TableFieldSchema
	for _, c := range columns {
		list = append(list, &storagepb.TableFieldSchema{
			Name:        c.Name,
			Type:        storageTypes[c.Type],
			Mode:        storagepb.TableFieldSchema_Mode(storagepb.TableFieldSchema_Mode_value[c.Mode]),
			Description: c.Description,
			Fields:      storageSchema(c.Fields).GetFields(),
		})
	}
	return &storagepb.TableSchema{Fields: list}
}
