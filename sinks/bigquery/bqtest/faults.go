package bqtest

import (
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/grpc/codes"
)

// An Append is one request to append rows, as it reached the server.
type Append struct {
	Project, Dataset, Table string

	Stream string // full name of the stream, as the connection gave it
	Offset int64  // that the request asked for, -1 if for none

	N          int // number of this request among all to its table, from 1
	Connection int // number of the connection that brought it, unique in the server
	Bytes      int // size of the request

	// Rows are the decoded rows; nil in the place of one that is refused by
	// itself. Do not change them.
	Rows []map[string]any
}

// A Fault is what goes wrong with one append. The zero Fault is none.
type Fault struct {
	// Delay is the time from receiving the request to answering it. What is
	// written is written at once. Later requests are taken meanwhile, and
	// answered in order.
	Delay time.Duration

	// Code is the status of the failure, with Message and, if it is set,
	// Storage in the details. It comes as an answer, which leaves the
	// connection open, unless Reset is set.
	Code    codes.Code
	Message string
	Storage storagepb.StorageError_StorageErrorCode

	// Reset ends the connection with Code; the client sees io.EOF if that is
	// codes.OK. Requests that are already on their way are lost.
	Reset bool

	// Stuck never answers this append, nor any later one of its connection.
	Stuck bool

	// Written makes a failed append durable all the same, if its rows are
	// good.
	Written bool

	// Late, with Reset, makes the append durable that much later, when its
	// connection has long ended, if its rows are good and its offset still
	// fits: a request that lingered on its way.
	Late time.Duration

	// StreamErrors, if set, is the code that a commit tells of each of its
	// streams; it commits none of them, and does not fail.
	StreamErrors storagepb.StorageError_StorageErrorCode

	// RefuseRows are the places of rows that are refused as if they were bad.
	RefuseRows []int
}

// Fault lets a test decide about every append: f returns nil, or what goes
// wrong with it. Calls of f never overlap, so that it may count, and it may
// call the server's other methods. It is not asked about appends that are
// refused as a whole: for their table, their schema, their size or their
// offset, or because the server is down. A nil f removes it.
func (s *Server) Fault(f func(a *Append) *Fault) {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	s.script = f
}

// Next queues faults for the next appends to a table, one each; a nil is an
// append that goes through. It goes before [Server.Fault].
//
// Here and below a table is named "table" or "dataset.table", and need not
// exist yet.
func (s *Server) Next(table string, faults ...*Fault) {
	s.set(table, func(w *switches) { w.queue = append(w.queue, faults...) })
}

// Refuse refuses every row of the table for which bad returns true, as if the
// service found it faulty. bad must be safe for concurrent use and must not
// change the row; nil lets all through again.
func (s *Server) Refuse(table string, bad func(row map[string]any) bool) {
	s.set(table, func(w *switches) { w.refuse = bad })
}

// ListRowErrors makes answers name at most n of an append's bad rows, as the
// service does with long lists; 0 names none, a negative n all.
func (s *Server) ListRowErrors(table string, n int) {
	s.set(table, func(w *switches) { w.listed = n })
}

// Deny takes the permission to write to the table away, or gives it back.
func (s *Server) Deny(table string, denied bool) {
	s.set(table, func(w *switches) { w.denied = denied })
}

// Lag says how appends learn of columns that the table gains from now on. For
// n above 0, the next n appends after the change still see the old columns;
// for n below 0, connections opened before the change see them until they
// end; for 0 all see the new ones at once.
func (s *Server) Lag(table string, n int) {
	s.set(table, func(w *switches) { w.lag = n })
}

// Down makes the write API unavailable, until it is lifted: every append and
// every look-up of a stream fails, open connections at their next append.
// REST goes on.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Disconnect cuts all open connections of the write API, on the level of the
// network.
func (s *Server) Disconnect() { s.conns.cut() }

// Drop deletes a table with its rows.
func (s *Server) Drop(table string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(table)
	if t == nil {
		return fmt.Errorf("drop table %s: no such table", table)
	}
	key := keyOf(t.meta)
	delete(s.datasets[key.project+":"+key.dataset].tables, key.table)
	return nil
}

// DropColumn makes a table as if it never had the column, which nothing but a
// new table could do to a real one. Rows that are there keep their values.
func (s *Server) DropColumn(table, column string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(table)
	if t == nil {
		return fmt.Errorf("drop column %s: no table %s", column, table)
	}
	fields := t.meta.Schema.Fields
	i := slices.IndexFunc(fields, func(f *rest.TableFieldSchema) bool { return f.Name == column })
	if i < 0 {
		return fmt.Errorf("drop column %s: table %s has none", column, table)
	}
	meta, schema := *t.meta, *t.meta.Schema
	schema.Fields = slices.Delete(slices.Clone(fields), i, i+1)
	meta.Schema, meta.Etag = &schema, s.etag()
	t.meta = &meta
	return nil
}

// switches are what a test has set for the tables of one name.
type switches struct {
	queue  []*Fault
	refuse func(map[string]any) bool
	listed int
	denied bool
	lag    int
}

// set changes the switches of a name.
func (s *Server) set(table string, f func(*switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.switches[table]
	if !ok {
		w = &switches{listed: -1}
		s.switches[table] = w
	}
	f(w)
}

// switchesOf returns those of a table, the more closely named first. The
// caller holds s.mu.
func (s *Server) switchesOf(ref tableKey) *switches {
	if w, ok := s.switches[ref.dataset+"."+ref.table]; ok {
		return w
	}
	if w, ok := s.switches[ref.table]; ok {
		return w
	}
	return &switches{listed: -1}
}

// fault returns what goes wrong with an append.
func (s *Server) fault(ref tableKey, a *Append) *Fault {
	s.mu.Lock()
	w := s.switchesOf(ref)
	queued := len(w.queue) > 0
	var f *Fault
	if queued {
		f, w.queue = w.queue[0], w.queue[1:]
	}
	s.mu.Unlock()
	if !queued {
		s.scriptMu.Lock()
		if s.script != nil {
			f = s.script(a)
		}
		s.scriptMu.Unlock()
	}
	if f == nil {
		return &Fault{}
	}
	return f
}

// failed reports whether the fault keeps a good append from a good answer.
func (f *Fault) failed() bool { return f.Code != codes.OK || f.Reset || f.Stuck }
