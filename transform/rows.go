package transform

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Rows holds encoded rows of every table in the order in which they were
// added. A row is a protocol buffer message in wire format: the column at
// place i of its table is field i+1, a NULL column is left out.
//
// The zero value is empty and ready. It is not safe for concurrent use while
// rows are being added.
type Rows struct {
	tables [NumTables]struct {
		data []byte
		ends []int
	}
}

// Len returns how many rows of the table there are.
func (r *Rows) Len(id TableID) int { return len(r.tables[id].ends) }

// Row returns row i of the table. It shares memory with r and stays valid
// until r is reset.
func (r *Rows) Row(id TableID, i int) []byte {
	t := &r.tables[id]
	start := 0
	if i > 0 {
		start = t.ends[i-1]
	}
	return t.data[start:t.ends[i]:t.ends[i]]
}

// Bytes returns the encoded size of all rows, in bytes.
func (r *Rows) Bytes() int {
	n := 0
	for i := range r.tables {
		n += len(r.tables[i].data)
	}
	return n
}

// Total returns how many rows there are in all tables.
func (r *Rows) Total() int {
	n := 0
	for i := range r.tables {
		n += len(r.tables[i].ends)
	}
	return n
}

// Append adds a copy of a row that is already encoded, for example one of
// another Rows. It is not looked at.
func (r *Rows) Append(id TableID, row []byte) {
	t := &r.tables[id]
	t.data = append(t.data, row...)
	t.ends = append(t.ends, len(t.data))
}

// Reset empties r and keeps its memory for the next rows. Slices that [Rows.Row]
// returned must no longer be in use.
func (r *Rows) Reset() {
	for i := range r.tables {
		r.tables[i].data = r.tables[i].data[:0]
		r.tables[i].ends = r.tables[i].ends[:0]
	}
}

// A Mark is a point in a [Rows] to which it can be cut back: for each table
// the number of rows it had.
type Mark [NumTables]int

// Mark returns the present point.
func (r *Rows) Mark() Mark {
	var m Mark
	for i := range r.tables {
		m[i] = len(r.tables[i].ends)
	}
	return m
}

// Cut removes every row added since the mark was taken.
func (r *Rows) Cut(m Mark) {
	for i := range r.tables {
		t := &r.tables[i]
		t.ends = t.ends[:m[i]]
		size := 0
		if m[i] > 0 {
			size = t.ends[m[i]-1]
		}
		t.data = t.data[:size]
	}
}

// rowWriter appends one row, column after column in the order of the table's
// definition. Each method writes the next column; a column of another type,
// or a row ended too early, is a mistake in this package and panics.
type rowWriter struct {
	rows *Rows
	id   TableID
	cols []Column
	next int
	buf  []byte
}

// begin starts a row of the table. Only one row of a Rows may be open.
func (r *Rows) begin(id TableID) rowWriter {
	return rowWriter{rows: r, id: id, cols: tables[id].Columns, buf: r.tables[id].data}
}

// end closes the row and returns its size in bytes.
func (w *rowWriter) end() int {
	if w.next != len(w.cols) {
		panic(fmt.Sprintf("transform: row of %s ended before column %s", w.id, w.cols[w.next].Name))
	}
	t := &w.rows.tables[w.id]
	size := len(w.buf) - len(t.data)
	t.data = w.buf
	t.ends = append(t.ends, len(t.data))
	return size
}

func (w *rowWriter) field(want Type) protowire.Number {
	if got := w.cols[w.next].Type; got != want && (want != String || got != JSON) {
		w.mistake(want)
	}
	w.next++
	return protowire.Number(w.next)
}

// mistake stands apart so that field can be inlined.
func (w *rowWriter) mistake(got Type) {
	c := &w.cols[w.next]
	panic(fmt.Sprintf("transform: column %s.%s is %v, not %v", w.id, c.Name, c.Type, got))
}

// null leaves the next column NULL.
func (w *rowWriter) null() { w.next++ }

// text writes a STRING or JSON column; nil is NULL.
func (w *rowWriter) text(v []byte) {
	n := w.field(String)
	if v != nil {
		w.buf = appendBytesField(w.buf, n, v)
	}
}

// str writes a STRING or JSON column; "" is NULL.
func (w *rowWriter) str(v string) {
	n := w.field(String)
	if v != "" {
		w.buf = append(appendHead(w.buf, n, len(v)), v...)
	}
}

// json writes a JSON column; empty is NULL.
func (w *rowWriter) json(v []byte) {
	if len(v) == 0 {
		v = nil
	}
	w.text(v)
}

func (w *rowWriter) bytes(v []byte) {
	w.buf = appendBytesField(w.buf, w.field(Bytes), v)
}

func (w *rowWriter) int(v int64) {
	w.buf = appendVarintField(w.buf, w.field(Int64), uint64(v))
}

func (w *rowWriter) bool(v bool) {
	w.buf = appendVarintField(w.buf, w.field(Bool), protowire.EncodeBool(v))
}

func (w *rowWriter) micros(v int64) {
	w.buf = appendVarintField(w.buf, w.field(Timestamp), uint64(v))
}

// time writes a TIMESTAMP column, to the microsecond; the zero time is NULL.
func (w *rowWriter) time(v time.Time) {
	if v.IsZero() {
		w.null()
		return
	}
	w.micros(v.UnixMicro())
}

func appendBytesField(b []byte, n protowire.Number, v []byte) []byte {
	return append(appendHead(b, n, len(v)), v...)
}

// appendHead appends what stands before the bytes of a field: its number, type
// and length. It is protowire's, made short for numbers of two bytes and
// lengths of one, which nearly all are: that is a tenth of an event's time.
func appendHead(b []byte, n protowire.Number, size int) []byte {
	const more = 0x80
	switch {
	case size >= more:
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.BytesType), uint64(size))
	case n < 16:
		return append(b, byte(n)<<3|byte(protowire.BytesType), byte(size))
	default:
		return append(b, byte(n)<<3|byte(protowire.BytesType)|more, byte(n>>4), byte(size))
	}
}

func appendVarintField(b []byte, n protowire.Number, v uint64) []byte {
	b = protowire.AppendTag(b, n, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}
