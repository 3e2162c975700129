package sinktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

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

// appendRow appends a row as text, one line a column that is not NULL, with
// one form for values that mean the same: JSON layout, times, an empty list
// and none.
func appendRow(b []byte, cols []transform.Column, row []any) []byte {
	if len(row) != len(cols) {
		b = fmt.Appendf(b, "%d values for %d columns\n", len(row), len(cols))
	}
	for i := range min(len(row), len(cols)) {
		if row[i] == nil {
			continue
		}
		start := len(b)
		b = append(append(b, cols[i].Name...), ": "...)
		head := len(b)
		if b = appendValue(b, &cols[i], row[i]); len(b) == head {
			b = b[:start]
			continue
		}
		b = append(b, '\n')
	}
	return b
}

// appendValue appends nothing for an empty list.
func appendValue(b []byte, c *transform.Column, value any) []byte {
	switch v := value.(type) {
	case time.Time:
		return v.UTC().AppendFormat(b, time.RFC3339Nano)
	case string:
		switch {
		case c.Type == transform.JSON:
			return append(b, normalJSON(v)...)
		case len(v) > 4<<10:
			return digest(b, []byte(v))
		default:
			return appendText(b, v)
		}
	case []byte:
		return digest(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case []string:
		for _, s := range v {
			b = append(appendText(b, s), ' ')
		}
		return b
	case [][]any:
		for _, record := range v {
			b = append(appendRow(append(b, "{\n"...), c.Columns, record), '}')
		}
		return b
	default:
		return fmt.Appendf(b, "%T %v", value, value)
	}
}

// appendText appends the length, too, so that no two lists of texts look alike.
func appendText(b []byte, s string) []byte {
	return append(append(strconv.AppendInt(b, int64(len(s)), 10), '|'), s...)
}

// digest stands for bytes, which may be too many to show.
func digest(b, v []byte) []byte {
	return fmt.Appendf(b, "%d bytes, SHA-256 %x", len(v), sha256.Sum256(v))
}

// normalJSON returns JSON text in one layout, with every digit of its numbers.
func normalJSON(text string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return "not JSON: " + text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "not JSON: " + text
	}
	return string(b)
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

// copied is what a Rows held at one moment.
type copied [transform.NumTables][][]byte

func snapshot(rows *transform.Rows) *copied {
	var c copied
	for i := range c {
		id := transform.TableID(i)
		for k := range rows.Len(id) {
			c[i] = append(c[i], bytes.Clone(rows.Row(id, k)))
		}
	}
	return &c
}

// differs names a place where rows is no longer what it was, "" if there is none.
func (c *copied) differs(rows *transform.Rows) string {
	for i := range c {
		id := transform.TableID(i)
		if rows.Len(id) != len(c[i]) {
			return fmt.Sprintf("the number of rows of %s from %d to %d", id, len(c[i]), rows.Len(id))
		}
		for k, row := range c[i] {
			if !bytes.Equal(row, rows.Row(id, k)) {
				return fmt.Sprintf("row %d of %s", k, id)
			}
		}
	}
	return ""
}
