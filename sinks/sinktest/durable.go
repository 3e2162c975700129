package sinktest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"leadsync/transform"
)

func checkNoRows(t *testing.T, h Harness) {
	h.write(t, new(transform.Rows))
	new(expected).check(t, h.Rows, h.Copies)
}

// checkEveryColumn writes rows drawn from the definitions: all types, NULL,
// empty and full lists, texts that are hard to quote.
func checkEveryColumn(t *testing.T, h Harness) {
	var rows transform.Rows
	var want expected
	g := newGenerator("column", 1)
	for id := range transform.TableID(transform.NumTables) {
		for range 150 {
			want.add(&rows, id, g.row(id))
		}
	}
	h.write(t, &rows)
	want.check(t, h.Rows, h.Copies)
}

func checkLean(t *testing.T, h Harness) {
	var rows transform.Rows
	var want expected
	g := newGenerator("lean", 2)
	for id := range transform.TableID(transform.NumTables) {
		want.add(&rows, id, g.lean(id))
	}
	h.write(t, &rows)
	want.check(t, h.Rows, h.Copies)
}

// maxRow is the size of the largest row that may reach a sink, in bytes.
const maxRow = 8 << 20

// checkBigRows writes a row of the largest size that transform lets through
// between small ones, and more than any one request can take.
func checkBigRows(t *testing.T, h Harness) {
	var rows transform.Rows
	var want expected
	g := newGenerator("big", 3)
	want.add(&rows, transform.EventsLog, g.row(transform.EventsLog))
	want.add(&rows, transform.EventsLog, g.sized(transform.EventsLog, "notes", maxRow))
	want.add(&rows, transform.EventsLog, g.row(transform.EventsLog))
	for range 5 {
		row := g.row(transform.DeadLetters)
		row[place(transform.DeadLetters, "payload")] = bytes.Repeat([]byte{0xfe, 0, '\n', '{'}, 1<<20)
		want.add(&rows, transform.DeadLetters, row)
	}
	h.write(t, &rows)
	want.check(t, h.Rows, h.Copies)
}

// sized returns a row whose encoding has just that many bytes, by the length
// of one text column.
func (g *generator) sized(id transform.TableID, column string, size int) []any {
	row := g.lean(id)
	at := place(id, column)
	row[at] = strings.Repeat("x", size)
	over := len(encode(id.Table().Columns, row)) - size
	row[at] = strings.Repeat("x", size-over)
	if n := len(encode(id.Table().Columns, row)); n != size {
		panic(fmt.Sprintf("sinktest: sized row has %d bytes, not %d", n, size))
	}
	return row
}

func place(id transform.TableID, column string) int {
	for i, c := range id.Table().Columns {
		if c.Name == column {
			return i
		}
	}
	panic(fmt.Sprintf("sinktest: %s has no column %s", id, column))
}

// checkManyRows writes more rows than a request takes, of two tables at once.
func checkManyRows(t *testing.T, h Harness) {
	var rows transform.Rows
	var want expected
	g := newGenerator("many", 4)
	for i := range 12_000 {
		want.add(&rows, transform.EventsLog, g.lean(transform.EventsLog))
		if i%4 == 0 {
			want.add(&rows, transform.TransitionsLog, g.lean(transform.TransitionsLog))
		}
	}
	h.write(t, &rows)
	want.check(t, h.Rows, h.Copies)
}

func checkConcurrent(t *testing.T, h Harness) {
	const writers, writes, each = 8, 5, 20
	var all [writers]expected
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			g := newGenerator(fmt.Sprintf("writer%d", w), uint64(w))
			for range writes {
				var rows transform.Rows
				for range each {
					for id := range transform.TableID(transform.NumTables) {
						all[w].add(&rows, id, g.row(id))
					}
				}
				if err := h.try(t, &rows); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
				if err := h.Sink.Ready(); err != nil {
					t.Errorf("not ready while writes go through: %v", err)
				}
			}
		})
	}
	wg.Wait()
	var want expected
	for w := range all {
		want.join(&all[w])
	}
	want.check(t, h.Rows, h.Copies)
}

// checkRowsFree reuses the memory of rows as soon as Write has returned.
func checkRowsFree(t *testing.T, h Harness) {
	var rows transform.Rows
	var want expected
	g := newGenerator("free", 5)
	for range 20 {
		for range 30 {
			want.add(&rows, transform.EventsLog, g.row(transform.EventsLog))
			want.add(&rows, transform.TransitionsLog, g.row(transform.TransitionsLog))
		}
		h.write(t, &rows)
		g.spoil(&rows)
		rows.Reset()
	}
	want.check(t, h.Rows, h.Copies)
}

// spoil changes the key of every row in place, so that a sink that looks at
// the rows too late writes some that no check expects.
func (g *generator) spoil(rows *transform.Rows) {
	for id := range transform.TableID(transform.NumTables) {
		for i := range rows.Len(id) {
			row := rows.Row(id, i)
			row[bytes.Index(row, []byte(g.name+"-"))] = '!'
		}
	}
}
