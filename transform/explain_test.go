package transform_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/transform"
)

// explain explains one event and checks what holds for every event: the rows
// are those of Transform, by another Transformer, and the explanation tells of
// exactly these and of every key that was sent.
func explain(t failer, tr, other *transform.Transformer, payload []byte) {
	t.Helper()
	var rows, told transform.Rows
	_, err := other.Transform(&rows, payload, delivered)
	e, toldErr := tr.Explain(&told, payload, delivered)
	if fmt.Sprint(err) != fmt.Sprint(toldErr) || (e == nil) != (err != nil) {
		t.Fatalf("Explain gives %v, Transform %v\n%s", toldErr, err, payload)
	}
	want, _ := decodeRows(&rows, transform.Mark{})
	got, err := decodeRows(&told, transform.Mark{})
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); err != nil || diff != "" {
		t.Fatalf("rows of Explain (-Transform +Explain), %v:\n%s\n%s", err, diff, payload)
	}
	if e == nil {
		return
	}
	root, err := parse(payload)
	if err != nil {
		t.Fatalf("accepted what is no JSON: %v\n%q", err, payload)
	}
	size := 0
	for _, r := range e.Rows {
		size += r.Bytes
	}
	if len(e.Rows) != told.Total() || size != told.Bytes() {
		t.Fatalf("tells of %d rows of %d bytes, not %d of %d\n%s", len(e.Rows), size, told.Total(), told.Bytes(), payload)
	}
	c := explained{t, payload, root, e, want[0].columns, want[1:]}
	c.keys()
	c.fields()
	c.dimensions()
	c.labels()
}

// explained is an explanation with what it is of.
type explained struct {
	failer
	payload     []byte
	root        *node
	e           *transform.Explanation
	event       map[string]any
	transitions []row
}

func (c *explained) data() *node { return c.root.get("extra_data") }

func (c *explained) check(ok bool, format string, args ...any) {
	c.Helper()
	if !ok {
		c.Fatalf("%s\n%s", fmt.Sprintf(format, args...), c.payload)
	}
}

// keys checks that every key is accounted for exactly once, and that what is
// said of it is so.
func (c *explained) keys() {
	c.Helper()
	sent := slices.Clone(c.root.keys)
	if data := c.data(); data != nil && data.kind == object {
		sent = append(sent, data.keys...)
	}
	extra := &node{kind: object}
	if s, ok := c.event["extra"].(string); ok {
		extra, _ = parse([]byte(s))
	}
	told, kept, held := []string{}, 0, map[string]bool{"occurred_at": true}
	for _, k := range c.e.Keys {
		told = append(told, k.Name)
		inExtra := extra.get(k.Part.String()).get(k.Name) != nil
		c.check(inExtra == (k.Fate == transform.Refused || k.Fate == transform.Unknown), "%+v, in extra: %t", k, inExtra)
		c.check(!strings.Contains(k.Why, canary), "a value in %+v", k)
		path := ""
		if k.Part == transform.ExtraData {
			path = "extra_data."
		}
		column := ""
		if of := columnOf(path, k.Name); of != nil {
			column = of.Name
		}
		c.check(column == k.Column, "%+v, the column is %s", k, column)
		_, present := c.event[column]
		switch k.Fate {
		case transform.Held:
			held[column] = true
			c.check(present, "%+v, yet the column is NULL", k)
			c.check(!strings.HasPrefix(column, "login_") || !c.data().get(k.Name).empty(), "%+v, yet it is empty", k)
		case transform.Empty:
			c.check(!present || strings.HasPrefix(column, "login_"), "%+v, yet the column holds something", k)
		case transform.Refused:
			kept++
			c.check(k.Why != "", "no cause for %+v", k)
		case transform.Unknown:
			kept++
			c.check(column == "", "%+v, yet it has a column", k)
		case transform.Opened:
			c.check(path+k.Name == "extra_data", "%+v", k)
		default:
			c.check(false, "no fate for %+v", k)
		}
		if rest, ok := strings.CutPrefix(k.Why, "it fills "); ok {
			for _, name := range strings.Split(rest, ", ") {
				held[name] = true
				c.check(c.event[name] == c.data().get("timeline_data").get(name).text, "%+v, but %s is %v", k, name, c.event[name])
			}
		}
	}
	c.check(slices.Equal(sent, told), "keys %q, told of %q", sent, told)
	c.check(kept == len(extra.get("envelope").names())+len(extra.get("extra_data").names()), "tells of %d keys in extra", kept)
	for _, col := range transform.EventsLog.Table().Columns {
		_, present := c.event[col.Name]
		c.check(!present || col.Source == "" || held[col.Name], "nobody tells where %s comes from", col.Name)
	}
}

func (n *node) names() []string {
	if n == nil {
		return nil
	}
	return n.keys
}

// fields checks that there is a field for every key of mapping_data and a
// change for every record of changes.
func (c *explained) fields() {
	c.Helper()
	var names []string
	if mapping := c.data().get("mapping_data"); mapping != nil && mapping.kind == object {
		names = slices.Sorted(slices.Values(mapping.keys))
	}
	var told []string
	var changes [][]any
	for _, f := range c.e.Fields {
		told = append(told, f.Name)
		c.check(f.Why != "", "nothing is said about %+v", f)
		if f.Change != nil {
			changes = append(changes, []any{f.Name, value(f.Change.BeforeValue), value(f.Change.AfterValue), value(f.Change.BeforeLabel), value(f.Change.AfterLabel)})
		}
	}
	c.check(slices.Equal(names, told), "fields %q, told of %q", names, told)
	want, _ := c.event["changes"].([][]any)
	c.check(cmp.Equal(want, changes), "changes (-row +told):\n%s", cmp.Diff(want, changes))
}

func value(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

var sources = regexp.MustCompile(`^(?:the event made for it: (\S+) →|created with) (\S+)$`)

// dimensions checks that all four are told of, that those with a row have what
// is in it, and that the rule names where it comes from.
func (c *explained) dimensions() {
	c.Helper()
	rows := c.transitions
	for i, d := range c.e.Dimensions {
		c.check(d.Name == dimensions[i].name && d.Why != "", "dimension %d: %+v", i, d)
		var in map[string]any
		if len(rows) > 0 && rows[0].columns["dimension"] == d.Name {
			in, rows = rows[0].columns, rows[1:]
		}
		c.check((in != nil) == (d.Transition != nil), "%+v, row %v", d, in)
		if in == nil {
			c.noTransition(i, d)
			continue
		}
		tr := d.Transition
		got := []any{value(tr.From), value(tr.To), value(tr.FromLabel), value(tr.ToLabel), tr.Origin}
		want := []any{in["from_value"], in["to_value"], in["from_label"], in["to_label"], in["origin"]}
		c.check(cmp.Equal(want, got) && d.Expected, "%s (-row +told):\n%s", d.Name, cmp.Diff(want, got))
		if named := sources.FindStringSubmatch(d.Why); named != nil {
			before, _ := c.source(i, named[1])
			_, after := c.source(i, named[2])
			c.check(before == in["from_value"] && after == in["to_value"], "%s: %s, but from %v, to %v", d.Name, d.Why, in["from_value"], in["to_value"])
			continue
		}
		c.check(tr.Origin == "field_change" && strings.Contains(d.Why, "mapping_data."+dimensions[i].field), "%+v", d)
		c.check(strings.Contains(d.Why, "unknown") == (tr.From == nil), "%+v", d)
	}
	c.check(len(c.e.Dimensions) == 4 && len(rows) == 0, "rows that nobody tells of: %v", rows)
}

// source returns what the named source of a dimension says.
func (c *explained) source(i int, name string) (before, after any) {
	switch name {
	case "", "nothing":
		return nil, nil
	case "mapping_data." + dimensions[i].field:
		b, a := pair(c.data().get("mapping_data").get(dimensions[i].field))
		return nullable(b), nullable(a)
	default:
		s, _ := asText(c.data().get(strings.TrimPrefix(name, "extra_data.")))
		return nullable(s), nullable(s)
	}
}

// noTransition checks the reasons why there is none.
func (c *explained) noTransition(i int, d transform.ExplainedDimension) {
	c.Helper()
	dim := dimensions[i]
	field := c.data().get("mapping_data").get(dim.field)
	c.check((d.Why == "there is no entity_id") == (c.event["entity_id"] == nil), "%+v", d)
	c.check(!strings.Contains(d.Why, "mapping_data has no "+dim.field) || field == nil, "%+v", d)
	c.check(!strings.Contains(d.Why, "in mapping_data is empty") || field != nil, "%+v", d)
	c.check(!strings.Contains(d.Why, "not of its type") || c.event["event_type"] != dim.event, "%+v", d)
	if d.Why == "from and to are equal" {
		before, after := pair(field)
		if c.event["event_type"] == dim.event {
			if v := stringOf(c.event[dim.from]); v != "" {
				before = v
			}
			if v := stringOf(c.event[dim.to]); v != "" {
				after = v
			}
		}
		c.check(before != "" && before == after, "%+v", d)
	}
}

// labels checks that every label is either used by a row or told to be unused.
func (c *explained) labels() {
	c.Helper()
	used := map[string]bool{}
	for _, f := range c.e.Fields {
		used[f.Name] = f.Change != nil
	}
	for i, d := range c.e.Dimensions {
		if d.Transition != nil {
			used[dimensions[i].field] = true
		}
	}
	var want, told []string
	if text := c.data().get("mapping_data_text"); text != nil && text.kind == object {
		for _, name := range slices.Sorted(slices.Values(text.keys)) {
			if !used[name] {
				want = append(want, name)
			}
		}
	}
	for _, l := range c.e.Labels {
		told = append(told, l.Field)
		c.check(l.Why != "", "%+v", l)
	}
	c.check(slices.Equal(want, told), "unused labels %q, told of %q", want, told)
}

// Catches an explanation whose rows, keys, fields, transitions or reasons are
// not those of the rules.
func TestExplain(t *testing.T) {
	tr, other := transform.New(transform.Options{}), transform.New(transform.Options{})
	for _, payload := range corpus() {
		explain(t, tr, other, payload)
	}
	for seed := range uint64(3_000) {
		explain(t, tr, other, fromSeed(4e6+seed).payload())
	}
	events := rapidEvents()
	rapid.Check(t, func(t *rapid.T) { explain(t, tr, other, events.Draw(t, "event")) })
}

// FuzzExplain is TestExplain on arbitrary bytes.
func FuzzExplain(f *testing.F) {
	for _, payload := range corpus() {
		f.Add(payload)
	}
	tr, other := transform.New(transform.Options{}), transform.New(transform.Options{})
	f.Fuzz(func(t *testing.T, payload []byte) { explain(t, tr, other, payload) })
}

// Catches a rule that names what did not count: a creation's mapping_data
// without a value after.
func TestExplainSource(t *testing.T) {
	payload := []byte(`{"mid":"1","event_type":"object_create","create_time":1776962253,"extra_data":{"entity_id":"E","owner":"u",
		"mapping_data":{"owner":["x",null]}}}`)
	tr, other := transform.New(transform.Options{}), transform.New(transform.Options{})
	explain(t, tr, other, payload)
	var rows transform.Rows
	e, err := tr.Explain(&rows, payload, delivered)
	if err != nil || e.Dimensions[0].Why != "created with extra_data.owner" {
		t.Errorf("%+v, %v", e.Dimensions[0], err)
	}
}

// Catches a value that the field policy hides and an explanation shows, and a
// key that the policy drops and nobody tells of.
func TestExplainUnderPolicy(t *testing.T) {
	policy, err := transform.NewPolicy([]transform.Rule{
		{Field: "owner", Action: transform.Hash}, {Field: "name", Action: transform.Mask}, {Field: "notes", Action: transform.Drop}, {Field: "lead_pool", Action: transform.Drop},
	}, []transform.Key{{ID: "k1", Secret: bytes.Repeat([]byte{7}, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"mid":"1","event_type":"object_create","create_time":1776962253,"extra_data":{"entity_id":"E","notes":"hidden",
		"mapping_data":{"owner":["hidden"],"name":["hidden"],"lead_pool":["hidden"],"email":["shown"]}}}`)
	tr, other := transform.New(transform.Options{Policy: policy}), transform.New(transform.Options{Policy: policy})
	var rows, told transform.Rows
	if _, err := other.Transform(&rows, payload, delivered); err != nil {
		t.Fatal(err)
	}
	e, err := tr.Explain(&told, payload, delivered)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := decodeRows(&rows, transform.Mark{})
	if rows, err := decodeRows(&told, transform.Mark{}); err != nil || !cmp.Equal(want, rows, cmp.AllowUnexported(row{})) {
		t.Errorf("the rows are not those of Transform, %v", err)
	}
	var got []string
	for _, k := range e.Keys {
		if k.Policy != "" {
			got = append(got, fmt.Sprint(k.Name, " ", k.Fate, " ", k.Policy))
		}
	}
	for _, f := range e.Fields {
		got = append(got, fmt.Sprint(f.Name, " ", f.Policy, " ", f.Change != nil))
		if c := f.Change; c != nil && strings.Contains(fmt.Sprint(value(c.AfterValue)), "hidden") {
			t.Errorf("field %s shows %s", f.Name, *c.AfterValue)
		}
	}
	for _, d := range e.Dimensions {
		got = append(got, fmt.Sprint(d.Name, ": ", d.Why))
		if d.Transition != nil && strings.Contains(*d.Transition.To, "hidden") {
			t.Errorf("dimension %s shows %s", d.Name, *d.Transition.To)
		}
	}
	words := []string{
		"notes dropped drop",
		"email  true", "lead_pool drop false", "name mask true", "owner hash true",
		"owner: created with mapping_data.owner",
		"life_status: mapping_data has no life_status, and life_status in extra_data is empty",
		"lead_pool: the field policy drops lead_pool in mapping_data",
		"status: mapping_data has no leads_status",
	}
	if diff := cmp.Diff(words, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// Catches an erased entity of which something is told.
func TestExplainErased(t *testing.T) {
	var erased transform.Erased
	erased.Set([]transform.EntityDigest{transform.DigestEntity("E")})
	tr := transform.New(transform.Options{Erased: &erased})
	var rows transform.Rows
	e, err := tr.Explain(&rows, []byte(`{"mid":"1","event_type":"x","create_time":1776962253,"extra_data":{"entity_id":"E"}}`), delivered)
	if err != nil || !e.Event.Erased || len(e.Keys) > 0 || rows.Total() > 0 {
		t.Errorf("explanation %+v, %d rows, %v", e, rows.Total(), err)
	}
}

// Catches a reason without advice.
func TestMend(t *testing.T) {
	for _, reason := range transform.Reasons {
		if reason.Mend() == "" {
			t.Errorf("nothing to do about %s", reason)
		}
	}
}
