package exports_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"leadsync/sync/exports"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

// A cell is a column of a row of events_log and its value.
type cell struct {
	*transform.Column
	value any
}

// cells returns what is in the only row of events_log.
func cells(t testing.TB, rows *transform.Rows) []cell {
	t.Helper()
	table := transform.EventsLog.Table()
	values, err := table.Values(nil, rows.Row(transform.EventsLog, 0))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]cell, len(values))
	for i := range values {
		list[i] = cell{&table.Columns[i], values[i]}
	}
	return list
}

// rowForms write a row as warehouses do, columns in one order or another.
var rowForms = map[string]func(row []cell, order int) string{
	"bq extract": func(row []cell, order int) string {
		return write(row, order, style{nulls: false, text: true, at: "2006-01-02 15:04:05.999999 UTC"})
	},
	"bq query": func(row []cell, order int) string {
		return write(row, order, style{nulls: true, text: true, bools: true, at: time.DateTime + ".999999"})
	},
	"BigQuery's API": func(row []cell, order int) string {
		return write(row, order, style{nulls: true, text: true, bools: true})
	},
	"RFC 3339": func(row []cell, order int) string { return write(row, order, style{at: time.RFC3339Nano}) },
	"DuckDB": func(row []cell, order int) string {
		return write(row, order, style{at: "2006-01-02 15:04:05.999999-07"})
	},
}

// A style is how a warehouse writes values.
type style struct {
	nulls bool   // NULL is written
	text  bool   // JSON and INT64 are strings
	bools bool   // and BOOL too
	at    string // layout of instants; "": seconds with an exponent
}

func write(row []cell, order int, s style) string {
	var members [][2]string
	for _, c := range row {
		if c.value != nil || s.nulls {
			members = append(members, [2]string{c.Name, s.value(c)})
		}
	}
	return object(members, order)
}

func (s style) value(c cell) string {
	switch v := c.value.(type) {
	case nil:
		if c.Mode == transform.Repeated {
			return "[]"
		}
		return "null"
	case string:
		if c.Type == transform.JSON && !s.text {
			return v
		}
		return quote(v)
	case int64:
		if s.text {
			return quote(strconv.FormatInt(v, 10))
		}
		return strconv.FormatInt(v, 10)
	case bool:
		if s.bools {
			return quote(strconv.FormatBool(v))
		}
		return strconv.FormatBool(v)
	case time.Time:
		if s.at == "" {
			return quote(exponent(v))
		}
		return quote(v.Format(s.at))
	case []string:
		b, _ := json.Marshal(v)
		return string(b)
	case [][]any: // changes, of which nothing is taken
		b, _ := json.Marshal(v)
		return string(b)
	default:
		panic(fmt.Sprintf("%T", v))
	}
}

// exponent writes an instant as BigQuery's API does.
func exponent(at time.Time) string {
	digits := strconv.FormatInt(at.UnixMicro(), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	return fmt.Sprintf("%s%s.%sE%d", sign, digits[:1], digits[1:], len(digits)-7)
}

// Every event that has rows, exported in every form and read again. Catches a
// row that differs by a byte from the original's, the delivery's columns left
// out, of which the message id and the publish time are kept too.
func TestUnwrapRows(t *testing.T) {
	for name, form := range rowForms {
		t.Run(name, func(t *testing.T) {
			n := 0
			for i, m := range corpus(t) {
				want, ok := made(t, exports.Event{Data: m.payload, MessageID: m.id, PublishedAt: m.publishedAt})
				if !ok {
					continue
				}
				n++
				src := form(cells(t, want), i)
				e := exports.Unwrap([]byte(src))
				if e.EventID == [16]byte{} {
					t.Fatalf("not taken for a row:\n%s", src)
				}
				got, ok := made(t, e)
				if !ok {
					t.Fatalf("no event:\n%s\n%s", src, e.Data)
				}
				sameRows(t, want, got, fmt.Sprintf("%s\n%s\n%s", m.payload, src, e.Data))
			}
			if n < 1400 {
				t.Errorf("%d events have rows", n)
			}
		})
	}
}

// Catches a row that is made an event of although something of it would be
// lost, or is not what its column can have.
func TestUnwrapBrokenRows(t *testing.T) {
	whole := [][2]string{
		{"event_id", `"00112233445566778899aabbccddeeff"`}, {"sequence", `"s"`}, {"occurred_at", `"2026-01-01 00:00:00 UTC"`},
		{"tenant_id", `"1"`}, {"event_type", `"object_update"`}, {"extra", `"{\"envelope\":{\"a\":1}}"`}, {"operator_type", `"1"`},
		{"members", `["a"]`}, {"is_follow_up", `"true"`}, {"mapping_data", `"{}"`}, {"later_column", `null`}, {"notes", `"n"`},
	}
	if e := exports.Unwrap([]byte(object(whole, 0))); e.EventID[15] != 0xff {
		t.Fatalf("the row is not taken for one: %s", e.Data)
	}
	for _, broken := range [][2]string{
		{"event_id", `"0011"`}, {"event_id", `"x0112233445566778899aabbccddeeff"`}, {"event_id", `null`}, {"event_id", `7`}, {"event_id", ""},
		{"sequence", ""}, {"occurred_at", ""}, {"occurred_at", "null"}, {"occurred_at", `"soon"`}, {"tenant_id", ""}, {"tenant_id", `""`}, {"event_type", ""},
		{"extra", `"{\"envelope\":"`}, {"extra", `"[]"`}, {"extra", `[]`}, {"extra", `"text"`}, {"operator_type", `"x"`}, {"operator_type", `1.5`}, {"operator_type", `{}`},
		{"members", `"a"`}, {"members", `[null]`}, {"members", `[1]`}, {"is_follow_up", `"yes"`}, {"is_follow_up", "1"}, {"mapping_data", `"{"`}, {"mapping_data", `"{}}"`},
		{"later_column", `"x"`}, {"notes", `1`}, {"notes", `{}`},
	} {
		row := slices.Clone(whole)
		i := slices.IndexFunc(row, func(m [2]string) bool { return m[0] == broken[0] })
		if row[i] = broken; broken[1] == "" {
			row = slices.Delete(row, i, i+1)
		}
		for order := range 3 {
			plain(t, []byte(object(row, order)))
		}
	}
	// A row of transitions_log has all of that too.
	plain(t, []byte(strings.Replace(object(whole, 0), "{", `{"dimension":"owner","origin":"event",`, 1)))
}

// simulate1000 yields payloads of a simulated tenant.
func simulate1000() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for d := range simulate.New(simulate.Options{Seed: 1, Events: 1000, Now: now, Clean: true}).Deliveries() {
			if !yield(d.Payload) {
				return
			}
		}
	}
}
