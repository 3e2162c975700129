package main

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tableBlock is how many rows a table's columns are aligned over: a result of
// any size is printed in bounded memory, and later rows only make columns wider.
const tableBlock = 1000

// tablePrinter prints aligned columns. Numbers stand to the right.
type tablePrinter struct {
	w      io.Writer
	names  []string
	rows   [][]string
	right  []bool // a column of numbers so far
	widths []int
	opened bool // the header was printed
}

func (t *tablePrinter) columns(names []string) error {
	t.names = make([]string, len(names))
	t.right = make([]bool, len(names))
	t.widths = make([]int, len(names))
	for i, name := range names {
		t.names[i] = printable(name)
		t.widths[i] = printWidth(t.names[i])
	}
	return nil
}

func (t *tablePrinter) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = "NULL"
		if v != nil {
			cells[i] = printable(valueText(v))
		}
		t.widths[i] = max(t.widths[i], printWidth(cells[i]))
		if !t.opened {
			t.align(i, v)
		}
	}
	t.rows = append(t.rows, cells)
	if len(t.rows) == tableBlock {
		return t.flush()
	}
	return nil
}

// align lets the column stand to the right if all its values are numbers.
func (t *tablePrinter) align(i int, v any) {
	switch v.(type) {
	case int64, float64:
		t.right[i] = t.right[i] || len(t.rows) == 0
	case nil:
		t.right[i] = t.right[i] || len(t.rows) == 0
	default:
		t.right[i] = false
	}
}

func (t *tablePrinter) end() error { return t.flush() }

func (t *tablePrinter) flush() error {
	if !t.opened && t.names != nil {
		t.opened = true
		rule := make([]string, len(t.names))
		for i, width := range t.widths {
			rule[i] = strings.Repeat("-", width)
		}
		t.rows = slices.Insert(t.rows, 0, t.names, rule)
	}
	for _, cells := range t.rows {
		var b strings.Builder
		for i, cell := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			fill := strings.Repeat(" ", t.widths[i]-printWidth(cell))
			if t.right[i] {
				b.WriteString(fill + cell)
			} else {
				b.WriteString(cell + fill)
			}
		}
		if _, err := fmt.Fprintln(t.w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	t.rows = t.rows[:0]
	return nil
}

// jsonPrinter prints an object a line, its keys in the order of the columns.
type jsonPrinter struct {
	w     io.Writer
	names []string
	line  []byte
}

func (j *jsonPrinter) columns(names []string) error {
	j.names = slices.Clone(names)
	return nil
}

func (j *jsonPrinter) row(values []any) error {
	j.line = append(j.line[:0], '{')
	for i, v := range values {
		if i > 0 {
			j.line = append(j.line, ',')
		}
		j.line = appendQuoted(j.line, j.names[i])
		j.line = append(j.line, ':')
		j.line = appendAny(j.line, v)
	}
	j.line = append(j.line, '}', '\n')
	_, err := j.w.Write(j.line)
	return err
}

func (j *jsonPrinter) end() error { return nil }

// csvPrinter prints comma-separated values with a header; NULL is empty.
type csvPrinter struct {
	w     *csv.Writer
	cells []string
}

func newCSVPrinter(w io.Writer) *csvPrinter { return &csvPrinter{w: csv.NewWriter(w)} }

func (c *csvPrinter) columns(names []string) error { return c.w.Write(names) }

func (c *csvPrinter) row(values []any) error {
	c.cells = c.cells[:0]
	for _, v := range values {
		c.cells = append(c.cells, valueText(v))
	}
	return c.w.Write(c.cells)
}

func (c *csvPrinter) end() error {
	c.w.Flush()
	return c.w.Error()
}

// valueText returns a value of a query's result as text, "" for NULL.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	default:
		return string(appendAny(nil, v))
	}
}

// appendAny appends a value of a query's result as JSON.
func appendAny(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendQuoted(dst, v)
	case []byte:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"')
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case bool:
		return strconv.AppendBool(dst, v)
	case time.Time:
		return appendInstant(dst, v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return appendQuoted(dst, strconv.FormatFloat(v, 'g', -1, 64))
		}
		number, _ := json.Marshal(v) // cannot fail for a finite number
		return append(dst, number...)
	case []any:
		return appendList(dst, v, appendAny)
	case map[string]any:
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, key)
			dst = append(dst, ':')
			dst = appendAny(dst, v[key])
		}
		return append(dst, '}')
	default:
		return appendQuoted(dst, fmt.Sprint(v))
	}
}
