package main

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"leadsync/transform"
)

// appendRow appends the row's values as a JSON object: columns in their order,
// NULL columns, the delivery's columns and bytes left out.
func appendRow(dst []byte, columns []transform.Column, values []any) []byte {
	dst = append(dst, '{')
	first := true
	for i := range columns {
		c := &columns[i]
		if values[i] == nil || c.Delivery || c.Type == transform.Bytes {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendQuoted(dst, c.Name)
		dst = append(dst, ':')
		dst = appendValue(dst, c, values[i])
	}
	return append(dst, '}')
}

// appendValue appends a value as [transform.Table.Values] gives it.
func appendValue(dst []byte, c *transform.Column, v any) []byte {
	switch v := v.(type) {
	case string:
		if c.Type == transform.JSON {
			return appendCompact(dst, v)
		}
		return appendQuoted(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case bool:
		return strconv.AppendBool(dst, v)
	case time.Time:
		return appendInstant(dst, v)
	case []string:
		return appendList(dst, v, appendQuoted)
	case [][]any:
		return appendList(dst, v, func(dst []byte, record []any) []byte { return appendRow(dst, c.Columns, record) })
	default:
		return append(dst, "null"...) // no column has another type
	}
}

func appendList[T any](dst []byte, list []T, add func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = add(dst, v)
	}
	return append(dst, ']')
}

// appendInstant appends an RFC 3339 time in UTC, with a fraction if there is one.
func appendInstant(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendQuoted appends a JSON string, what is not UTF-8 replaced.
func appendQuoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the error says that something was replaced
	return dst
}

// appendCompact appends a JSON text on one line.
func appendCompact(dst []byte, text string) []byte {
	v := jsontext.Value(text)
	if err := v.Compact(); err != nil {
		return appendQuoted(dst, text)
	}
	return append(dst, v...)
}

// printable returns text without what a terminal would act on: control
// characters, line feeds among them, and bytes that are not UTF-8.
func printable(s string) string {
	clean := true
	for _, r := range s {
		clean = clean && strconv.IsPrint(r) && r != utf8.RuneError
	}
	if clean {
		return s
	}
	var b []byte
	for _, r := range s {
		if strconv.IsPrint(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		quoted := strconv.AppendQuoteRune(nil, r)
		b = append(b, quoted[1:len(quoted)-1]...)
	}
	return string(b)
}
