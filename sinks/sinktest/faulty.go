package sinktest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"leadsync/sinks"
	"leadsync/transform"
)

// A Fault is what goes wrong in one Write. The zero Fault is a Write that goes
// through. Its parts may be combined.
type Fault struct {
	// Before runs first. Its error ends the Write: nothing is written.
	Before func(ctx context.Context) error

	// Lose reports rows that are not written although nothing says so,
	// for a Write that ends in an error halfway.
	Lose func(table transform.TableID, row []any) bool

	// Refuse returns the code with which the warehouse refuses a row for
	// good, "" for a good row. Values are as in [transform.Table.Values].
	Refuse func(table transform.TableID, row []any) string

	// After runs when the rows are written. Its error is the Write's: failed,
	// but written anyway.
	After func(ctx context.Context) error
}

// Fail is the fault of a Write that fails with nothing written.
func Fail(err error) Fault {
	return Fault{Before: func(context.Context) error { return err }}
}

// FailWritten is the fault of a Write that fails although everything was written.
func FailWritten(err error) Fault {
	return Fault{After: func(context.Context) error { return err }}
}

// FailHalf is the fault of a Write that fails when only the rows of the given
// tables are written.
func FailHalf(err error, written ...transform.TableID) Fault {
	f := FailWritten(err)
	f.Lose = func(table transform.TableID, _ []any) bool {
		for _, id := range written {
			if id == table {
				return false
			}
		}
		return true
	}
	return f
}

// Hold is the fault of a Write that waits until release is closed and then
// goes through, or until its context ends and then fails with nothing written.
func Hold(release <-chan struct{}) Fault {
	return Fault{Before: func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// HoldWritten is Hold after the rows have been written: a context that ends
// fails a Write whose rows are durable.
func HoldWritten(release <-chan struct{}) Fault {
	return Fault{After: Hold(release).Before}
}

// Refuse is the fault of a warehouse that refuses the rows for which code is
// not "".
func Refuse(code func(table transform.TableID, row []any) string) Fault {
	return Fault{Refuse: code}
}

// RefuseWhere refuses the table's rows whose column equals value.
func RefuseWhere(table transform.TableID, column string, value any) Fault {
	at := place(table, column)
	return Refuse(func(id transform.TableID, row []any) string {
		if id == table && row[at] == value {
			return "REFUSED"
		}
		return ""
	})
}

// A Call is one Write that has returned.
type Call struct {
	Rows [transform.NumTables]int // how many of each table the caller gave
	Err  error
}

// Faulty puts faults before a sink: the first Write gets the first one of the
// script, and so on; after the script every Write gets [Faulty.Else]. It
// reports rows that change during a Write to its test.
type Faulty struct {
	sinks.Sink
	// Else is the fault of every Write after the script. Set it before use.
	Else Fault

	t  testing.TB
	mu sync.Mutex

	script  []Fault
	begun   int
	calls   []Call
	unready error
}

// NewFaulty puts the script before next.
func NewFaulty(t testing.TB, next sinks.Sink, script ...Fault) *Faulty {
	return &Faulty{Sink: next, t: t, script: script}
}

// Write goes the way of the next fault.
func (f *Faulty) Write(ctx context.Context, rows *transform.Rows) error {
	fault := f.next()
	before := snapshot(rows)
	err := f.write(ctx, fault, rows)
	reportChange(f.t, before, rows)

	call := Call{Err: err}
	for id := range call.Rows {
		call.Rows[id] = rows.Len(transform.TableID(id))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	return err
}

func (f *Faulty) next() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun++
	if f.begun <= len(f.script) {
		return f.script[f.begun-1]
	}
	return f.Else
}

func (f *Faulty) write(ctx context.Context, fault Fault, rows *transform.Rows) error {
	if fault.Before != nil {
		if err := fault.Before(ctx); err != nil {
			return err
		}
	}
	pass, places, refused := fault.split(rows)
	err := f.Sink.Write(ctx, pass)
	var more sinks.RowErrors
	if errors.As(err, &more) {
		for _, e := range more {
			e.Row = places[e.Table][e.Row]
			refused = append(refused, e)
		}
	} else if err != nil {
		return err
	}
	if fault.After != nil {
		if err := fault.After(ctx); err != nil {
			return err
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

// split returns the rows that are to be written, with their places in rows,
// and those that are refused. What cannot be decoded is left to the sink.
func (f Fault) split(rows *transform.Rows) (pass *transform.Rows, places [transform.NumTables][]int, refused sinks.RowErrors) {
	pass = new(transform.Rows)
	for id := range transform.TableID(transform.NumTables) {
		for i := range rows.Len(id) {
			row, err := values(rows, id, i)
			if err == nil && f.Refuse != nil {
				if code := f.Refuse(id, row); code != "" {
					refused = append(refused, sinks.RowError{Table: id, Row: i, Code: code})
					continue
				}
			}
			if err == nil && f.Lose != nil && f.Lose(id, row) {
				continue
			}
			pass.Append(id, rows.Row(id, i))
			places[id] = append(places[id], i)
		}
	}
	return pass, places, refused
}

// SetReady sets what Ready returns; nil asks the sink behind again.
func (f *Faulty) SetReady(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unready = err
}

// Ready returns what SetReady was given, else what the sink behind says.
func (f *Faulty) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unready != nil {
		return f.unready
	}
	return f.Sink.Ready()
}

// Begun returns how many writes have begun.
func (f *Faulty) Begun() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun
}

// Calls returns the writes that have returned, in the order in which they did.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}
