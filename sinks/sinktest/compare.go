package sinktest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadsync/transform"
)

// expected collects the rows that tables must hold.
type expected [transform.NumTables][][]any

// add appends a row to rows and expects it in its table.
func (e *expected) add(rows *transform.Rows, id transform.TableID, row []any) {
	Append(rows, id, row)
	e[id] = append(e[id], row)
}

// join expects what other expects, too.
func (e *expected) join(other *expected) {
	for id := range e {
		e[id] = append(e[id], other[id]...)
	}
}

// A reader reads a table of the warehouse back, as [Harness.Rows].
type reader func(testing.TB, transform.TableID) [][]any

// contents are the rows of every table, equal ones grouped.
type contents [transform.NumTables]map[string]counted

func (read reader) contents(t *testing.T) *contents {
	t.Helper()
	var c contents
	for i := range c {
		id := transform.TableID(i)
		c[i] = count(id, read(t, id))
	}
	return &c
}

// check reports rows that are missing, altered, there without having been
// written or, unless copies may be, there too often.
func (e *expected) check(t *testing.T, read reader, copies bool) {
	t.Helper()
	got := read.contents(t)
	e.checkPresent(t, got)
	e.checkForeign(t, got)
	if copies {
		return
	}
	for i := range e {
		id := transform.TableID(i)
		want := count(id, e[i])
		for key, g := range got[i] {
			if w := want[key]; w.n > 0 && g.n > w.n {
				t.Errorf("%s: row %v is there %d times, want %d", id, keyOf(id, g.row), g.n, w.n)
				break
			}
		}
	}
}

// checkPresent reports rows that are not there as they were written.
func (e *expected) checkPresent(t *testing.T, got *contents) {
	t.Helper()
	for i := range e {
		id := transform.TableID(i)
		missing, text := 0, ""
		var example []any
		for key, w := range count(id, e[i]) {
			if got[i][key].n < w.n {
				missing++
				text, example = key, w.row
			}
		}
		if missing > 0 {
			t.Errorf("%s: %d of %d rows are not there as they were written; one of them (-written +nearest):\n%s",
				id, missing, len(e[i]), clip(cmp.Diff(text, nearest(id, got[i], keyOf(id, example)))))
		}
	}
}

// checkForeign reports rows that are there and never were written.
func (e *expected) checkForeign(t *testing.T, got *contents) {
	t.Helper()
	for i := range e {
		id := transform.TableID(i)
		want := count(id, e[i])
		for key, g := range got[i] {
			if want[key].n == 0 {
				t.Errorf("%s: holds a row that was never written, key %q", id, keyOf(id, g.row))
				break
			}
		}
	}
}

type counted struct {
	n   int
	row []any
}

// count groups rows that say the same.
func count(id transform.TableID, rows [][]any) map[string]counted {
	groups := make(map[string]counted, len(rows))
	var text []byte
	for _, row := range rows {
		text = appendRow(text[:0], id.Table().Columns, row)
		g := groups[string(text)]
		groups[string(text)] = counted{g.n + 1, row}
	}
	return groups
}

// nearest returns the text of the row with the same key, "" if there is none.
func nearest(id transform.TableID, rows map[string]counted, key []any) string {
	for text, r := range rows {
		if fmt.Sprint(keyOf(id, r.row)) == fmt.Sprint(key) {
			return text
		}
	}
	return ""
}

func keyOf(id transform.TableID, row []any) []any {
	var key []any
	for _, name := range id.Table().Key {
		if at := place(id, name); at < len(row) {
			key = append(key, row[at])
		}
	}
	return key
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "…"
	}
	return s
}
