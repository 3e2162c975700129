package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"leadsync/transform"
)

// Warehouse serves BigQuery's Storage Write API for default streams: it
// answers every append at once and keeps nothing but counts.
type Warehouse struct {
	storagepb.UnimplementedBigQueryWriteServer

	mu       sync.Mutex
	rows     [transform.NumTables]int
	bytes    [transform.NumTables]int
	requests [transform.NumTables]int
	events   map[[16]byte]struct{} // that have a row in events_log
	received int64                 // what the ledger says was received
}

// NewWarehouse returns an empty warehouse with room for so many events.
func NewWarehouse(events int) *Warehouse {
	return &Warehouse{events: make(map[[16]byte]struct{}, events)}
}

// GetWriteStream tells that a table's default stream exists.
func (w *Warehouse) GetWriteStream(_ context.Context, r *storagepb.GetWriteStreamRequest) (*storagepb.WriteStream, error) {
	if _, err := tableOf(r.GetName()); err != nil {
		return nil, err
	}
	return &storagepb.WriteStream{Name: r.GetName(), Type: storagepb.WriteStream_COMMITTED, Location: "us"}, nil
}

// tableOf returns the table of projects/P/datasets/D/tables/T/streams/_default.
func tableOf(stream string) (transform.TableID, error) {
	_, rest, _ := strings.Cut(stream, "/tables/")
	name, _, _ := strings.Cut(rest, "/")
	for _, t := range transform.Tables() {
		if t.Name == name {
			return t.ID, nil
		}
	}
	return 0, status.Errorf(codes.NotFound, "no table in stream name %q", stream)
}

// AppendRows counts the rows of each request and answers it.
func (w *Warehouse) AppendRows(server storagepb.BigQueryWrite_AppendRowsServer) error {
	var stream string
	var id transform.TableID
	for {
		r, err := server.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if name := r.GetWriteStream(); name != "" && name != stream {
			if id, err = tableOf(name); err != nil {
				return err
			}
			stream = name
		}
		if stream == "" {
			return status.Error(codes.InvalidArgument, "the first request names no stream")
		}
		if err := w.count(id, r.GetProtoRows().GetRows().GetSerializedRows()); err != nil {
			return err
		}
		answer := &storagepb.AppendRowsResponse{
			Response:    &storagepb.AppendRowsResponse_AppendResult_{AppendResult: &storagepb.AppendRowsResponse_AppendResult{}},
			WriteStream: stream,
		}
		if err := server.Send(answer); err != nil {
			return err
		}
	}
}

func (w *Warehouse) count(id transform.TableID, rows [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[id]++
	w.rows[id] += len(rows)
	for _, row := range rows {
		w.bytes[id] += len(row)
		var err error
		switch id {
		case transform.EventsLog:
			err = w.countEvent(row)
		case transform.SyncBatches:
			err = w.countBatch(row)
		}
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
	}
	return nil
}

// countEvent notes the event_id, which is the first column.
func (w *Warehouse) countEvent(row []byte) error {
	number, kind, n := protowire.ConsumeTag(row)
	if n < 0 || number != 1 || kind != protowire.BytesType {
		return errors.New("a row of events_log does not begin with its event_id")
	}
	text, n := protowire.ConsumeBytes(row[n:])
	var id [16]byte
	if n < 0 || len(text) != hex.EncodedLen(len(id)) {
		return errors.New("an event_id of another length than 32")
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return fmt.Errorf("event_id: %w", err)
	}
	w.events[id] = struct{}{}
	return nil
}

func (w *Warehouse) countBatch(row []byte) error {
	table := transform.SyncBatches.Table()
	values, err := table.Values(nil, row)
	if err != nil {
		return err
	}
	for i, c := range table.Columns {
		if received, ok := values[i].(int64); ok && c.Name == "received" {
			w.received += received
		}
	}
	return nil
}

// Stored is what a warehouse was given.
type Stored struct {
	Events   int   // different events with a row
	Received int64 // messages that the ledger accounts for
	Rows     [transform.NumTables]int
	Bytes    [transform.NumTables]int
	Requests [transform.NumTables]int
}

// Stored returns the state of things.
func (w *Warehouse) Stored() Stored {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Stored{len(w.events), w.received, w.rows, w.bytes, w.requests}
}

// Err says what is wrong with the count: every one of n events has to have a
// row, just one as nothing failed, and the ledger has to account for all.
func (s Stored) Err(n int) error {
	if s.Events != n || s.Rows[transform.EventsLog] != n || s.Rows[transform.DeadLetters] != 0 {
		return fmt.Errorf("of %d events %d have a row; events_log has %d rows, dead_letters %d",
			n, s.Events, s.Rows[transform.EventsLog], s.Rows[transform.DeadLetters])
	}
	if s.Received != int64(n) {
		return fmt.Errorf("the ledger accounts for %d of %d messages", s.Received, n)
	}
	return nil
}
