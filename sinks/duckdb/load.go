//go:build cgo && !noduckdb

package duckdb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	duck "github.com/duckdb/duckdb-go/v2"

	"leadsync/sinks"
	"leadsync/transform"
)

// An item is a row of a Write, decoded.
type item struct {
	table transform.TableID
	row   int
	args  []driver.Value
}

// A loader puts rows into one table. It is not safe for concurrent use.
type loader struct {
	table  *transform.Table
	insert string
	types  []duck.TypeInfo
	names  []string

	values []any          // of one row
	args   []driver.Value // of all rows of a Write
}

func newLoader(id transform.TableID) (*loader, error) {
	l := &loader{table: id.Table()}
	for i := range l.table.Columns {
		c := &l.table.Columns[i]
		info, err := typeInfo(c)
		if err != nil {
			return nil, fmt.Errorf("type of %s.%s: %w", l.table.Name, c.Name, err)
		}
		l.types = append(l.types, info)
		l.names = append(l.names, c.Name)
	}
	list := strings.Join(l.names, ", ")
	l.insert = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM appended_data", l.table.Name, list, list)
	return l, nil
}

// decode appends the table's rows to items, and to refused those that DuckDB
// would not take, or would take for something else.
func (l *loader) decode(items []item, refused sinks.RowErrors, rows *transform.Rows) ([]item, sinks.RowErrors) {
	n := len(l.table.Columns)
	l.args = slices.Grow(l.args[:0], n*rows.Len(l.table.ID))
	for i := range rows.Len(l.table.ID) {
		code := ""
		var err error
		if l.values, err = l.table.Values(l.values[:0], rows.Row(l.table.ID, i)); err != nil {
			code = "MALFORMED"
		}
		at := len(l.args)
		for c := 0; c < n && code == ""; c++ {
			var arg any
			arg, code = argument(&l.table.Columns[c], l.values[c])
			l.args = append(l.args, arg)
		}
		if code != "" {
			refused = append(refused, sinks.RowError{Table: l.table.ID, Row: i, Code: code})
			l.args = l.args[:at]
			continue
		}
		items = append(items, item{l.table.ID, i, l.args[at:]})
	}
	return items, refused
}

// forget lets go of the values of the last Write.
func (l *loader) forget() {
	clear(l.values[:cap(l.values)])
	clear(l.args[:cap(l.args)])
}

// argument turns a decoded value into what the appender takes. A code says
// why it is no value for the column.
func argument(c *transform.Column, value any) (arg any, code string) {
	switch v := value.(type) {
	case nil:
		if c.Mode == transform.Required {
			return nil, "REQUIRED"
		}
	case string:
		// DuckDB would make it NULL.
		if !utf8.ValidString(v) {
			return nil, "INVALID_UTF8"
		}
	case []string:
		for _, s := range v {
			if !utf8.ValidString(s) {
				return nil, "INVALID_UTF8"
			}
		}
	case [][]any:
		list := make([]any, len(v))
		for i, record := range v {
			fields := make(map[string]any, len(record))
			for j := range record {
				nested := &c.Columns[j]
				if fields[nested.Name], code = argument(nested, record[j]); code != "" {
					return nil, code
				}
			}
			list[i] = fields
		}
		return list, ""
	}
	return value, ""
}

// load appends items, all of its table, within the transaction that the
// connection has open.
func (l *loader) load(conn driver.Conn, items []item) error {
	for chunk := range slices.Chunk(items, capacity) {
		if err := l.loadChunk(conn, chunk); err != nil {
			return fmt.Errorf("append to %s: %w", l.table.Name, appendError(err.Error()))
		}
	}
	return nil
}

// capacity is how many rows go through one appender: as many as it holds
// before it flushes, so that what DuckDB refuses comes out of Close.
var capacity = duck.GetDataChunkCapacity()

// loadChunk goes by an INSERT from the appended rows and not straight into
// the table: that takes JSON as text, letter by letter, and does not mind a
// column that this version does not know.
func (l *loader) loadChunk(conn driver.Conn, items []item) error {
	a, err := duck.NewQueryAppender(conn, l.insert, "", l.types, l.names)
	if err != nil {
		return err
	}
	for _, it := range items {
		if a.AppendRow(it.args...) != nil {
			_ = a.Close() // the transaction will be rolled back
			return errNoValue
		}
	}
	return a.Close()
}

// errNoValue stands for the appender's error about a value, which repeats it.
var errNoValue = errors.New("a value is no value for its column")

// typeInfo returns the type in which a column's values are appended.
func typeInfo(c *transform.Column) (duck.TypeInfo, error) {
	var info duck.TypeInfo
	var err error
	switch c.Type {
	case transform.String, transform.JSON:
		info, err = duck.NewTypeInfo(duck.TYPE_VARCHAR)
	case transform.Int64:
		info, err = duck.NewTypeInfo(duck.TYPE_BIGINT)
	case transform.Bool:
		info, err = duck.NewTypeInfo(duck.TYPE_BOOLEAN)
	case transform.Timestamp:
		info, err = duck.NewTypeInfo(duck.TYPE_TIMESTAMP_TZ)
	case transform.Bytes:
		info, err = duck.NewTypeInfo(duck.TYPE_BLOB)
	case transform.Record:
		info, err = structInfo(c.Columns)
	default:
		err = fmt.Errorf("no type for %v", c.Type)
	}
	if err == nil && c.Mode == transform.Repeated {
		info, err = duck.NewListInfo(info)
	}
	return info, err
}

func structInfo(cols []transform.Column) (duck.TypeInfo, error) {
	entries := make([]duck.StructEntry, len(cols))
	for i := range cols {
		info, err := typeInfo(&cols[i])
		if err != nil {
			return nil, err
		}
		if entries[i], err = duck.NewStructEntry(info, cols[i].Name); err != nil {
			return nil, err
		}
	}
	return duck.NewStructInfo(entries[0], entries[1:]...)
}
