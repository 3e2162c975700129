package sinktest

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"leadsync/transform"
)

// Append encodes one row and adds it to rows. values has one element per
// column of the table, in the form of [transform.Table.Values]; nil is NULL,
// also for a required column, which makes a row that no warehouse takes. A
// value that its column cannot hold panics.
func Append(rows *transform.Rows, id transform.TableID, values []any) {
	rows.Append(id, encode(id.Table().Columns, values))
}

func encode(cols []transform.Column, values []any) []byte {
	if len(values) != len(cols) {
		panic(fmt.Sprintf("sinktest: %d values for %d columns", len(values), len(cols)))
	}
	var b []byte
	for i := range cols {
		if values[i] != nil {
			b = encodeColumn(b, protowire.Number(i+1), &cols[i], values[i])
		}
	}
	return b
}

func encodeColumn(b []byte, n protowire.Number, c *transform.Column, value any) []byte {
	switch v := value.(type) {
	case string:
		expect(c, v, transform.String, transform.JSON)
		return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), v)
	case []byte:
		expect(c, v, transform.Bytes)
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	case int64:
		expect(c, v, transform.Int64)
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
	case bool:
		expect(c, v, transform.Bool)
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), protowire.EncodeBool(v))
	case time.Time:
		expect(c, v, transform.Timestamp)
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v.UnixMicro()))
	case []string:
		expect(c, v, transform.String)
		for _, s := range v {
			b = protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
		}
		return b
	case [][]any:
		expect(c, v, transform.Record)
		for _, record := range v {
			b = protowire.AppendTag(b, n, protowire.BytesType)
			b = protowire.AppendBytes(b, encode(c.Columns, record))
		}
		return b
	default:
		panic(fmt.Sprintf("sinktest: column %s cannot hold a %T", c.Name, value))
	}
}

// expect panics unless the column has one of the types and is repeated exactly
// if the value is a list.
func expect(c *transform.Column, value any, types ...transform.Type) {
	kind := reflect.TypeOf(value)
	list := kind.Kind() == reflect.Slice && c.Type != transform.Bytes
	for _, t := range types {
		if c.Type == t && list == (c.Mode == transform.Repeated) {
			return
		}
	}
	panic(fmt.Sprintf("sinktest: %v %v column %s cannot hold a %v", c.Mode, c.Type, c.Name, kind))
}

// values decodes row i of the table.
func values(rows *transform.Rows, id transform.TableID, i int) ([]any, error) {
	return id.Table().Values(nil, rows.Row(id, i))
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
