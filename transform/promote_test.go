package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// restore puts the definition back at the end of the test, as it was before
// fields were promoted. A test that needs it must not be parallel.
func restore(t *testing.T) {
	t.Helper()
	columns, plan, known := tables[EventsLog].Columns, eventColumns, keys
	envelope, extraData := maps.Clone(envelopeColumns), maps.Clone(extraDataColumns)
	t.Cleanup(func() {
		tables[EventsLog].Columns, eventColumns = columns, plan
		envelopeColumns, extraDataColumns, keys = envelope, extraData, known
	})
}

func promote(t *testing.T, fields ...string) {
	t.Helper()
	restore(t)
	if err := Promote(fields...); err != nil {
		t.Fatal(err)
	}
}

// eventOf returns the columns of an event that are promoted, and extra; NULL
// is left out.
func eventOf(t *testing.T, tr *Transformer, src string) map[string]any {
	t.Helper()
	var rows Rows
	if _, err := tr.Transform(&rows, []byte(src), Delivery{IngestedAt: now, Source: "pubsub"}); err != nil {
		t.Fatal(err)
	}
	values, err := EventsLog.Table().Values(nil, rows.Row(EventsLog, 0))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for i, c := range EventsLog.Table().Columns {
		if v := values[i]; v != nil && (i >= numEventColumns || c.Name == "extra") {
			got[c.Name] = v
		}
	}
	return got
}

// Each case is a value and what becomes of it. Catches a value that is lost,
// kept twice, or told otherwise than by its text.
func TestPromotedValues(t *testing.T) {
	promote(t, "foo", "envelope.bar", `a.b"c/~'`, "extra_data.线x")
	tr := New(Options{})
	for _, test := range []struct {
		value string
		want  any // in the column; nil: NULL
		kept  bool
	}{
		{`"text"`, "text", false},
		{`"\u7ebf\"\n"`, "线\"\n", false},
		{`12`, "12", false},
		{`-12.50`, "-12.50", false},
		{`1e3`, "1e3", false},
		{`123456789012345678901234567890`, "123456789012345678901234567890", false},
		{`true`, "true", false},
		{`false`, "false", false},
		{`null`, nil, false},
		{`""`, nil, false},
		{`"-"`, "-", false},
		{`{"a":1}`, nil, true},
		{`[1,"a"]`, nil, true},
	} {
		src := fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d,"bar":%[2]s,"foo":"other part","extra_data":`+
			`{"foo":%[2]s,"bar":"other part","a.b\"c/~'":%[2]s,"线x":%[2]s}}`, now.Unix(), test.value)
		want := map[string]any{"extra": `{"envelope":{"foo":"other part"},"extra_data":{"bar":"other part"}}`}
		if test.kept {
			want["extra"] = fmt.Sprintf(`{"envelope":{"bar":%[1]s,"foo":"other part"},"extra_data":`+
				`{"foo":%[1]s,"bar":"other part","a.b\"c/~'":%[1]s,"线x":%[1]s}}`, test.value)
		}
		if test.want != nil {
			for _, column := range []string{"foo", "bar", "a_b_c___", "_x"} {
				want[column] = test.want
			}
		}
		if diff := gocmp.Diff(want, eventOf(t, tr, src)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.value, diff)
		}
	}
	src := fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d}`, now.Unix())
	if got := eventOf(t, tr, src); len(got) > 0 {
		t.Errorf("an event without the fields, after one with them, has %v", got)
	}
}

// Catches a field that must not have a column, or an error after which half of
// the fields have one.
func TestPromoteRefuses(t *testing.T) {
	restore(t)
	tooMany := make([]string, MaxPromoted+1)
	for i := range tooMany {
		tooMany[i] = fmt.Sprint("f", i)
	}
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{[]string{""}, "no key"},
		{[]string{"envelope."}, "no key"},
		{[]string{strings.Repeat("a", maxKey+1)}, "above 256 bytes"},
		{[]string{"a\x00b"}, "control characters"},
		{[]string{"a\nb"}, "control characters"},
		{[]string{"a\xff"}, "UTF-8"},
		{[]string{"a,b"}, "comma"},
		{[]string{"envelope. a"}, "space"},
		{[]string{"线索"}, "no letter"},
		{[]string{"_partition_id"}, "_partition"},
		{[]string{"envelope._TABLE_x"}, "_table_"},
		{[]string{"/file_x"}, "_file_"},
		{[]string{"owner"}, "column owner holds it"},
		{[]string{"created_timestamp"}, "column entity_created_at holds it"},
		{[]string{"envelope.mid"}, "column tenant_id holds it"},
		{[]string{"envelope.create_time"}, "made of"},
		{[]string{"envelope.extra_data"}, "made of"},
		{[]string{"OWNER"}, "has a column owner"},
		{[]string{"envelope.extra"}, "has a column extra"},
		{[]string{"ingested-at"}, "has a column ingested_at"},
		{[]string{"Foo", "f", "foo"}, "has a column Foo"},
		{[]string{"foo", "extra_data.foo"}, "has a column foo"},
		{[]string{"foo", "envelope.foo"}, "has a column foo"},
		{[]string{"a.b", "a-b"}, "has a column a_b"},
		{tooMany, "at most 64"},
	} {
		err := Promote(test.fields...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80q: %v, want %q", test.fields, err, test.want)
		}
		if n := len(EventsLog.Table().Columns); n != numEventColumns {
			t.Fatalf("%.80q: %d columns after an error", test.fields, n)
		}
		if extraDataColumns["foo"] != 0 || extraDataColumns["f0"] != 0 {
			t.Fatalf("%.80q: an error left a field with a column", test.fields)
		}
	}
}

// As many fields as can be promoted, in two calls. Catches a bound that is too
// small, and columns of one call that push aside those of another.
func TestPromoteMany(t *testing.T) {
	restore(t)
	var src strings.Builder
	fmt.Fprintf(&src, `{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"last":1`, now.Unix())
	var fields []string
	want := map[string]any{"extra": `{"extra_data":{"last":1}}`}
	for i := range MaxPromoted {
		name := fmt.Sprint("f", i)
		fmt.Fprintf(&src, `,"%s":%d`, name, i)
		fields = append(fields, name)
		want[name] = fmt.Sprint(i)
	}
	src.WriteString("}}")
	if err := Promote(fields[:10]...); err != nil {
		t.Fatal(err)
	}
	if err := Promote(fields[10:]...); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, eventOf(t, New(Options{}), src.String())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := Promote("one_more"); err == nil {
		t.Error("one more than can be was promoted")
	}
	for _, c := range EventsLog.Table().Columns[numEventColumns:] {
		if c.Type != String || c.Mode != Nullable || c.Source != "extra_data."+c.Name || c.Description == "" || c.Delivery {
			t.Errorf("column %+v", c)
		}
	}
}

// Catches names that people could not foresee, and words of SQL among them.
func TestColumnNames(t *testing.T) {
	for field, want := range map[string]string{
		"foo": "foo", "Foo_Bar9": "Foo_Bar9", "a b.c-d": "a_b_c_d", "é1": "_1", "9a": "_9a", "envelope.9": "_9",
		"group": "group_", "ORDER": "ORDER_", "current_date": "current_date_", "extra_data.to": "to_", "_a": "_a",
		"extra_data.extra_data.x": "extra_data_x", "extra_data.envelope.x": "envelope_x", "other.x": "other_x",
	} {
		f, err := ParseField(field)
		if err != nil || f.Column() != want {
			t.Errorf("%s: column %q, %v, want %q", field, f.Column(), err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "field")
		f, err := ParseField(s)
		if err != nil {
			return
		}
		name := f.Column()
		odd := strings.ContainsFunc(name, func(r rune) bool { return !inName(r) })
		if odd || name[0] >= '0' && name[0] <= '9' || slices.Contains(reservedWords, strings.ToLower(name)) || len(name) > 300 {
			t.Fatalf("%q: column %q", s, name)
		}
		if again, err := ParseField(f.String()); again != f || err != nil {
			t.Fatalf("%q is %v, and %q is %v, %v", s, f, f.String(), again, err)
		}
	})
}
