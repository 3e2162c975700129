package sinktest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"leadsync/sinks"
	"leadsync/transform"
)

// Memory is a sink whose warehouse is the test's memory. It refuses what a
// warehouse refuses, a row without a required column or one that cannot be
// decoded, and reports to its test when the caller breaks the contract: rows
// that change during Write, a Write after Close, a second Close, a Close
// during a Write.
type Memory struct {
	t testing.TB

	mu     sync.Mutex
	tables [transform.NumTables][][]any
	open   int // writes under way
	closed bool
}

// NewMemory returns an empty sink that reports to t.
func NewMemory(t testing.TB) *Memory { return &Memory{t: t} }

// Write keeps a copy of every good row.
func (m *Memory) Write(ctx context.Context, rows *transform.Rows) error {
	m.begin()
	defer m.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	before := snapshot(rows)
	var good [transform.NumTables][][]any
	var refused sinks.RowErrors
	for id := range transform.TableID(transform.NumTables) {
		for i := range rows.Len(id) {
			row, err := values(rows, id, i)
			if err != nil || !complete(id.Table().Columns, row) {
				refused = append(refused, sinks.RowError{Table: id, Row: i, Code: "FIELDS_ERROR"})
				continue
			}
			good[id] = append(good[id], row)
		}
	}
	m.keep(&good)
	reportChange(m.t, before, rows)
	if refused != nil {
		return refused
	}
	return nil
}

func (m *Memory) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	if m.closed {
		m.t.Errorf("sink: Write after Close")
	}
}

func (m *Memory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
}

func (m *Memory) keep(rows *[transform.NumTables][][]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range rows {
		m.tables[id] = append(m.tables[id], rows[id]...)
	}
}

// Ready returns nil.
func (m *Memory) Ready() error { return nil }

// Close ends writing; the rows can still be read.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		m.t.Errorf("sink: Close called twice")
	}
	if m.open > 0 {
		m.t.Errorf("sink: Close while %d writes are under way", m.open)
	}
	m.closed = true
	return nil
}

// Rows returns the rows of the table in the order in which they were written,
// copies included, in the form of [transform.Table.Values]. Do not change them.
func (m *Memory) Rows(id transform.TableID) [][]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.tables[id])
}

// Column returns one column of every row of the table. It panics if the table
// has no such column.
func (m *Memory) Column(id transform.TableID, name string) []any {
	at := place(id, name)
	var column []any
	for _, row := range m.Rows(id) {
		column = append(column, row[at])
	}
	return column
}

// complete reports whether no required column is NULL.
func complete(cols []transform.Column, row []any) bool {
	for i, c := range cols {
		if c.Mode == transform.Required && row[i] == nil {
			return false
		}
		records, _ := row[i].([][]any)
		for _, record := range records {
			if !complete(c.Columns, record) {
				return false
			}
		}
	}
	return true
}

// reportChange tells the test when the caller changed rows during a Write.
func reportChange(t testing.TB, before *copied, rows *transform.Rows) {
	if at := before.differs(rows); at != "" {
		t.Errorf("sink: the caller changed %s during Write", at)
	}
}
