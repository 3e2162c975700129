package transform

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Values decodes an encoded row of the table into one value per column,
// appended to dst: nil for NULL, string for STRING and JSON, int64, bool,
// []byte, time.Time in UTC for TIMESTAMP, []string for a repeated STRING, and
// for a repeated RECORD [][]any, an inner slice holding the record's columns.
// An empty repeated column is nil. Strings and byte slices are copies.
//
// It is the counterpart of the encoder, for sinks that do not take the wire
// format and for people. The error names the table and column.
func (t *Table) Values(dst []any, row []byte) ([]any, error) {
	dst, err := appendValues(dst, t.Columns, row)
	if err != nil {
		return nil, fmt.Errorf("decode row of %s: %w", t.Name, err)
	}
	return dst, nil
}

func appendValues(dst []any, cols []Column, row []byte) ([]any, error) {
	base := len(dst)
	for range cols {
		dst = append(dst, nil)
	}
	vals := dst[base:]
	for len(row) > 0 {
		num, typ, n := protowire.ConsumeTag(row)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		row = row[n:]
		if int(num) > len(cols) {
			return nil, fmt.Errorf("field %d of %d", num, len(cols))
		}
		c, v := &cols[num-1], &vals[num-1]
		switch {
		case typ == protowire.VarintType && (c.Type == Int64 || c.Type == Bool || c.Type == Timestamp):
			x, n := protowire.ConsumeVarint(row)
			if n < 0 {
				return nil, fmt.Errorf("column %s: %w", c.Name, protowire.ParseError(n))
			}
			row = row[n:]
			switch c.Type {
			case Int64:
				*v = int64(x)
			case Bool:
				*v = protowire.DecodeBool(x)
			default:
				*v = time.UnixMicro(int64(x)).UTC()
			}
		case typ == protowire.BytesType && (c.Type == String || c.Type == JSON || c.Type == Bytes || c.Type == Record):
			x, n := protowire.ConsumeBytes(row)
			if n < 0 {
				return nil, fmt.Errorf("column %s: %w", c.Name, protowire.ParseError(n))
			}
			row = row[n:]
			switch {
			case c.Type == Record:
				rec, err := appendValues(nil, c.Columns, x)
				if err != nil {
					return nil, fmt.Errorf("column %s: %w", c.Name, err)
				}
				list, _ := (*v).([][]any)
				*v = append(list, rec)
			case c.Type == Bytes:
				*v = append([]byte{}, x...)
			case c.Mode == Repeated:
				list, _ := (*v).([]string)
				*v = append(list, string(x))
			default:
				*v = string(x)
			}
		default:
			return nil, fmt.Errorf("column %s: wire type %d for %v", c.Name, typ, c.Type)
		}
	}
	return dst, nil
}
