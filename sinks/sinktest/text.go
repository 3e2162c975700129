package sinktest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"leadsync/transform"
)

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
