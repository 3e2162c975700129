package transform

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// AppendJSON appends an encoded row of the table as one JSON object on one
// line, without a line feed, in the forms that BigQuery's loader reads without
// loss: TIMESTAMP as RFC 3339 in UTC with up to six digits of a second, BYTES
// in base64, INT64 as a number or, past 2^53, as a string of its digits, JSON
// as the value itself and not as a string of it. NULL columns and empty
// repeated ones are left out. JSON null is the one value that does not survive:
// the loader makes it NULL, as this package does.
//
// It takes only what a table can take, so that no row spoils the load of
// others: the columns' own wire types in their order, no required column
// missing, text that is UTF-8 (events are, but the name of a file need not be),
// times of the years 1 to 9999. Text of a JSON column must be one JSON value,
// which is not looked at again. On error dst comes back as it was; the error
// names the table and column, and holds no value.
func (t *Table) AppendJSON(dst, row []byte) ([]byte, error) {
	out, err := appendObject(dst, t.Columns, row)
	if err != nil {
		return dst, fmt.Errorf("row of %s as JSON: %w", t.Name, err)
	}
	return out, nil
}

func appendObject(dst []byte, cols []Column, row []byte) ([]byte, error) {
	dst = append(dst, '{')
	last := 0 // number of the field before
	for len(row) > 0 {
		tag, typ, n := protowire.ConsumeTag(row)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		num := int(tag)
		if num > len(cols) {
			return nil, fmt.Errorf("field %d of %d", num, len(cols))
		}
		row = row[n:]
		c := &cols[num-1]
		if num == last && c.Mode == Repeated {
			dst = append(dst, ',')
		} else {
			if num <= last {
				return nil, fmt.Errorf("column %s: out of order", c.Name)
			}
			if err := nullable(cols[last : num-1]); err != nil {
				return nil, err
			}
			dst = beginField(endField(dst, cols, last), c, last > 0)
			last = num
		}
		var err error
		if dst, n, err = appendJSONValue(dst, c, typ, row); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		row = row[n:]
	}
	if err := nullable(cols[last:]); err != nil {
		return nil, err
	}
	return append(endField(dst, cols, last), '}'), nil
}

// nullable returns an error unless all the columns may be absent.
func nullable(cols []Column) error {
	for i := range cols {
		if cols[i].Mode == Required {
			return fmt.Errorf("column %s: required, but NULL", cols[i].Name)
		}
	}
	return nil
}

// endField ends what field num began.
func endField(dst []byte, cols []Column, num int) []byte {
	if num > 0 && cols[num-1].Mode == Repeated {
		return append(dst, ']')
	}
	return dst
}

// beginField appends the column's key, and what its value begins with.
func beginField(dst []byte, c *Column, more bool) []byte {
	if more {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, c.Name...)
	dst = append(dst, '"', ':')
	if c.Mode == Repeated {
		dst = append(dst, '[')
	}
	return dst
}

// appendJSONValue appends the value at the start of row and returns how many
// bytes of row it took.
func appendJSONValue(dst []byte, c *Column, typ protowire.Type, row []byte) ([]byte, int, error) {
	switch c.Type {
	case Int64, Bool, Timestamp:
		if typ != protowire.VarintType {
			return nil, 0, fmt.Errorf("wire type %d for %v", typ, c.Type)
		}
		v, n := protowire.ConsumeVarint(row)
		if n < 0 {
			return nil, 0, protowire.ParseError(n)
		}
		dst, err := appendNumber(dst, c.Type, v)
		return dst, n, err
	default:
		if typ != protowire.BytesType {
			return nil, 0, fmt.Errorf("wire type %d for %v", typ, c.Type)
		}
		v, n := protowire.ConsumeBytes(row)
		if n < 0 {
			return nil, 0, protowire.ParseError(n)
		}
		dst, err := appendBytesValue(dst, c, v)
		return dst, n, err
	}
}

// exactInt is the largest integer up to which every one is a FLOAT64, too.
const exactInt = 1<<53 - 1

func appendNumber(dst []byte, typ Type, v uint64) ([]byte, error) {
	switch {
	case typ == Bool:
		return strconv.AppendBool(dst, protowire.DecodeBool(v)), nil
	case typ == Timestamp:
		return appendTimestamp(dst, int64(v))
	case int64(v) > exactInt || int64(v) < -exactInt:
		dst = append(dst, '"')
		dst = strconv.AppendInt(dst, int64(v), 10)
		return append(dst, '"'), nil
	default:
		return strconv.AppendInt(dst, int64(v), 10), nil
	}
}

func appendBytesValue(dst []byte, c *Column, v []byte) ([]byte, error) {
	switch c.Type {
	case Record:
		return appendObject(dst, c.Columns, v)
	case Bytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"'), nil
	}
	switch {
	case !utf8.Valid(v):
		return nil, errors.New("not UTF-8")
	case c.Type == String:
		return appendPlain(dst, v), nil
	case len(v) == 0:
		return nil, errors.New("no JSON")
	default:
		return appendLine(dst, v), nil
	}
}

// appendLine appends JSON text on one line: outside its strings a line feed is
// white space, and inside there is none.
func appendLine(dst, v []byte) []byte {
	start := len(dst)
	dst = append(dst, v...)
	if bytes.IndexByte(v, '\n') >= 0 || bytes.IndexByte(v, '\r') >= 0 {
		for i, b := range dst[start:] {
			if b == '\n' || b == '\r' {
				dst[start+i] = ' '
			}
		}
	}
	return dst
}

// appendTimestamp appends an instant, as time.RFC3339Nano would have it.
func appendTimestamp(dst []byte, micros int64) ([]byte, error) {
	t := time.UnixMicro(micros).UTC()
	year, month, day := t.Date()
	if year < 1 || year > 9999 {
		return nil, errors.New("time out of range")
	}
	hour, minute, second := t.Clock()
	dst = append(dst, '"')
	dst = appendPair(appendPair(dst, year/100), year%100)
	dst = appendPair(append(dst, '-'), int(month))
	dst = appendPair(append(dst, '-'), day)
	dst = appendPair(append(dst, 'T'), hour)
	dst = appendPair(append(dst, ':'), minute)
	dst = appendPair(append(dst, ':'), second)
	if f := t.Nanosecond() / 1000; f > 0 {
		dst = appendPair(appendPair(appendPair(append(dst, '.'), f/10_000), f/100%100), f%100)
	}
	return append(dst, 'Z', '"'), nil
}

// appendPair appends two digits.
func appendPair(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// appendPlain appends v, which is UTF-8, as a JSON string. Most text needs no
// escapes, so what does is looked for eight bytes at a time.
func appendPlain(dst, v []byte) []byte {
	dst = append(dst, '"')
	for {
		n := plainLen(v)
		dst = append(dst, v[:n]...)
		if n == len(v) {
			return append(dst, '"')
		}
		dst = appendEscaped(dst, v[n])
		v = v[n+1:]
	}
}

// plainLen returns how many bytes from the start need no escape.
func plainLen(v []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(v); i += 8 {
		w := binary.LittleEndian.Uint64(v[i:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// The highest bit of each byte that is below 0x20, a quote or a
		// backslash; borrows may also set it in bytes after such a one.
		if m := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & high; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(v); i++ {
		if b := v[i]; b < 0x20 || b == '"' || b == '\\' {
			break
		}
	}
	return i
}

func appendEscaped(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
	}
}
