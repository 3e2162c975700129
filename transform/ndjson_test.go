package transform_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// TestAppendJSON draws rows of all tables and reads their JSON back with
// another decoder. It catches a column, an element or a digit that is lost, a
// wrong escape and a row on more than one line.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := transform.TableID(rapid.IntRange(0, transform.NumTables-1).Draw(t, "table"))
		table := id.Table()
		var rows transform.Rows
		sinktest.Append(&rows, id, drawRow(t, table.Columns))
		line, err := table.AppendJSON([]byte("before"), rows.Row(id, 0))
		if err != nil {
			t.Fatal(err)
		}
		line, ok := bytes.CutPrefix(line, []byte("before"))
		if !ok || bytes.ContainsAny(line, "\n\r") || !utf8.Valid(line) {
			t.Fatalf("not a line behind what was there: %q", line)
		}
		want, err := table.Values(nil, rows.Row(id, 0))
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var object map[string]any
		if err := d.Decode(&object); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if diff := cmp.Diff(want, readRow(t, table.Columns, object)); diff != "" {
			t.Fatalf("(-row +JSON):\n%s%s", diff, line)
		}
	})
}

var times = []time.Time{
	time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.UnixMicro(-1).UTC(), time.Unix(0, 0).UTC(),
	time.Date(1990, 2, 3, 4, 5, 6, 120_000_000, time.UTC), time.Date(2050, 12, 31, 23, 59, 59, 1000, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
}

func drawRow(t *rapid.T, cols []transform.Column) []any {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\x00-\x1f"\\/\x7f\x{2028}a-z张]{0,30}`))
	row := make([]any, len(cols))
	for i, c := range cols {
		if c.Mode == transform.Nullable && rapid.Bool().Draw(t, "null") {
			continue
		}
		switch {
		case c.Type == transform.Record:
			var list [][]any
			for range rapid.IntRange(0, 3).Draw(t, "records") {
				list = append(list, drawRow(t, c.Columns))
			}
			if list != nil {
				row[i] = list
			}
		case c.Mode == transform.Repeated:
			if list := rapid.SliceOfN(text, 0, 3).Draw(t, c.Name); len(list) > 0 {
				row[i] = list
			}
		case c.Type == transform.String:
			row[i] = text.Draw(t, c.Name)
		case c.Type == transform.JSON:
			row[i] = rapid.SampledFrom([]string{`{"a":[1,null,"\n"]}`, "{\n\"a\" :\r1}", `"x"`, `18446744073709551615`}).Draw(t, c.Name)
		case c.Type == transform.Int64:
			row[i] = rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 1<<53 - 1, 1 << 53, -1 << 53})).Draw(t, c.Name)
		case c.Type == transform.Bool:
			row[i] = rapid.Bool().Draw(t, c.Name)
		case c.Type == transform.Timestamp:
			micros := rapid.Int64Range(times[0].UnixMicro(), times[len(times)-1].UnixMicro()).Draw(t, c.Name)
			row[i] = rapid.SampledFrom(append(times, time.UnixMicro(micros).UTC())).Draw(t, c.Name)
		case c.Type == transform.Bytes:
			row[i] = rapid.SliceOf(rapid.Byte()).Draw(t, c.Name)
		default:
			t.Fatalf("no values for %v", c.Type)
		}
	}
	return row
}

// readRow turns a JSON object into the form of [transform.Table.Values], and
// fails at a key that no column has.
func readRow(t *rapid.T, cols []transform.Column, object map[string]any) []any {
	row := make([]any, len(cols))
	known := 0
	for i := range cols {
		v, ok := object[cols[i].Name]
		if !ok {
			continue
		}
		known++
		list, _ := v.([]any)
		switch {
		case cols[i].Type == transform.Record:
			var records [][]any
			for _, r := range list {
				records = append(records, readRow(t, cols[i].Columns, r.(map[string]any)))
			}
			row[i] = records
		case cols[i].Mode == transform.Repeated:
			var texts []string
			for _, s := range list {
				texts = append(texts, s.(string))
			}
			row[i] = texts
		default:
			row[i] = readValue(t, cols[i].Type, v)
		}
	}
	if known != len(object) {
		t.Fatalf("%d keys are columns, of %d", known, len(object))
	}
	return row
}

func readValue(t *rapid.T, typ transform.Type, v any) any {
	var out any
	var err error
	switch typ {
	case transform.Int64:
		n, isNumber := v.(json.Number)
		if f, _ := strconv.ParseFloat(n.String(), 64); isNumber && math.Abs(f) > 1<<53-1 {
			t.Fatalf("%s is a number", n)
		}
		if !isNumber {
			n = json.Number(v.(string))
		}
		out, err = n.Int64()
	case transform.Timestamp:
		out, err = time.Parse(time.RFC3339Nano, v.(string))
	case transform.Bytes:
		out, err = base64.StdEncoding.DecodeString(v.(string))
	case transform.JSON:
		return jsonText(v)
	default:
		out = v
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// jsonText returns the drawn text of a JSON column for its value.
func jsonText(v any) string {
	b, _ := json.Marshal(v)
	if string(b) == `{"a":1}` {
		return "{\n\"a\" :\r1}"
	}
	return string(b)
}

// TestAppendJSONRefuses gives rows that no table takes. It catches one that
// gets through and would fail the load of all others, and an error that holds
// a value.
func TestAppendJSONRefuses(t *testing.T) {
	good := func() []any {
		row := make([]any, len(transform.EventsLog.Table().Columns))
		for i, c := range transform.EventsLog.Table().Columns {
			switch {
			case c.Mode != transform.Required:
			case c.Type == transform.Timestamp:
				row[i] = time.Unix(0, 0)
			default:
				row[i] = "secret"
			}
		}
		return row
	}
	at := func(name string) int {
		for i, c := range transform.EventsLog.Table().Columns {
			if c.Name == name {
				return i
			}
		}
		t.Fatalf("no column %s", name)
		return 0
	}
	encode := func(row []any) []byte {
		var rows transform.Rows
		sinktest.Append(&rows, transform.EventsLog, row)
		return rows.Row(transform.EventsLog, 0)
	}
	with := func(name string, v any) []byte {
		row := good()
		row[at(name)] = v
		return encode(row)
	}
	for _, test := range []struct {
		name, want string
		row        []byte
	}{
		{"a good row", "", encode(good())},
		{"required first", "event_id: required", with("event_id", nil)},
		{"required in between", "event_type: required", with("event_type", nil)},
		{"required at the end", "sequence: required", []byte("\x0a\x06secret")},
		{"no columns", "event_id: required", nil},
		{"no UTF-8", "notes: not UTF-8", with("notes", "secret\xff")},
		{"no UTF-8 in JSON", "extra: not UTF-8", with("extra", "\"\xc3\"")},
		{"empty JSON", "extra: no JSON", with("extra", "")},
		{"year 0", "occurred_at: time out of range", with("occurred_at", time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC))},
		{"year 10000", "occurred_at: time out of range", with("occurred_at", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))},
		{"twice", "event_id: out of order", append(encode(good()), encode(good())...)},
		{"cut off", "unexpected EOF", encode(good())[:10]},
		{"unknown field", "field 1000 of", []byte{0xc0, 0x3e, 1}},
		{"another wire type", "event_id: wire type 0 for STRING", []byte{0x08, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			line, err := transform.EventsLog.Table().AppendJSON([]byte("x"), test.row)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want == "":
			case err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret"):
				t.Errorf("error %v, want %q", err, test.want)
			case string(line) != "x":
				t.Errorf("dst has become %q", line)
			}
		})
	}
}

// FuzzAppendJSON gives anything. It catches a panic, and what is no JSON on
// one line; JSON columns are taken on trust and left out.
func FuzzAppendJSON(f *testing.F) {
	table := *transform.SyncBatches.Table()
	f.Add([]byte("\x0a\x01b"))
	f.Fuzz(func(t *testing.T, row []byte) {
		line, err := table.AppendJSON(nil, row)
		if err == nil && (!json.Valid(line) || bytes.ContainsAny(line, "\n\r")) {
			t.Errorf("%x: %q", row, line)
		}
	})
}

// BenchmarkAppendJSON measures it on a row of an ordinary event.
func BenchmarkAppendJSON(b *testing.B) {
	payload := []byte(`{"mid":"941","event_type":"object_update","create_time":1763800000,"extra_data":{"entity_id":"8f5b52a2-1111-4a2b-9f7e-7d0b1c2d3e4f","entity_type":"leads","operator_id":"u-123","mapping_data":{"remark":["很长的备注","新的 \"备注\""],"phone":["13800000000","13900000000"]},"mapping_data_text":{"remark":"备注","phone":"手机"}}}`)
	var rows transform.Rows
	now := time.Now()
	d := transform.Delivery{MessageID: "1234567890", PublishedAt: now, IngestedAt: now, Source: "pubsub"}
	if _, err := transform.New(transform.Options{}).Transform(&rows, payload, d); err != nil {
		b.Fatal(err)
	}
	row := rows.Row(transform.EventsLog, 0)
	table := transform.EventsLog.Table()
	var dst []byte
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = table.AppendJSON(dst[:0], row); err != nil {
			b.Fatal(err)
		}
	}
}
