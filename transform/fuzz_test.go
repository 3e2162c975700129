package transform_test

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leadsync/transform"
)

var delivered = transform.Delivery{
	MessageID: "7", PublishedAt: now.Add(-time.Second), IngestedAt: now, Source: "pubsub",
}

// checkTransform is the property of FuzzTransform: whatever the bytes, an
// event gives one row and nothing of it is lost, or it is rejected and gives
// none; and either is what the reference says.
func checkTransform(t failer, tr *transform.Transformer, payload []byte) {
	t.Helper()
	var rows transform.Rows
	got := run(t, tr, &rows, payload, delivered)
	if got.rejection == nil {
		checkLossless(t, payload, got.rows[0].columns)
	}
	compare(t, got, payload, delivered, shanghai())
}

// checkLossless fails unless every key and every value of the event that is
// not empty can be found in its row: in the column made for the key, or under
// its own name in extra. It knows of the data model only which column a key
// has, so that it cannot share a mistake with the reference.
func checkLossless(t failer, payload []byte, columns map[string]any) {
	t.Helper()
	root, err := parse(payload)
	if err != nil {
		t.Fatalf("accepted what is no JSON: %v\n%q", err, payload)
	}
	extra := &node{kind: object}
	if s, ok := columns["extra"].(string); ok {
		if extra, err = parse([]byte(s)); err != nil {
			t.Fatalf("extra: %v", err)
		}
	}
	check := func(path string, o, extra *node) {
		t.Helper()
		for i, key := range o.keys {
			if path == "" && key == "extra_data" {
				continue
			}
			v := o.elems[i]
			if kept := extra.get(key); kept != nil {
				if kept.String() != v.storable().String() {
					t.Fatalf("extra has another value for %s%s\n%s", path, key, payload)
				}
				continue
			}
			column := columnOf(path, key)
			if column == nil {
				t.Fatalf("key %s%s is in no column and not in extra\n%s", path, key, payload)
			}
			if !v.empty() && !tells(column, columns[column.Name], v) {
				t.Fatalf("value of %s%s is lost: column %s has %v\n%s", path, key, column.Name, columns[column.Name], payload)
			}
		}
	}
	check("", root, extra.get("envelope"))
	if data := root.get("extra_data"); data != nil {
		check("extra_data.", data, extra.get("extra_data"))
	}
}

// columnOf returns the column made for a key; path is "extra_data." or "". It
// is nil if there is none, as for a key without a letter, or one that only
// looks like a path.
func columnOf(path, key string) *transform.Column {
	columns := transform.EventsLog.Table().Columns
	i := slices.IndexFunc(columns, func(c transform.Column) bool {
		return c.Source != "" && c.Source == path+key && !strings.Contains(key, ".")
	})
	if i < 0 {
		return nil
	}
	return &columns[i]
}

// tells reports whether a column's value lets one know the value it was made
// from.
func tells(c *transform.Column, got any, v *node) bool {
	switch {
	case c.Mode == transform.Repeated:
		list, _ := got.([]string)
		if v.kind == array {
			rest := slices.DeleteFunc(slices.Clone(v.elems), (*node).empty)
			return slices.EqualFunc(rest, list, func(n *node, s string) bool { return n.text == s })
		}
		without := strings.NewReplacer(",", "", " ", "", "\t", "", "\n", "", "\r", "")
		return without.Replace(v.text) == without.Replace(strings.Join(list, ""))
	case c.Type == transform.JSON:
		return got == v.storable().String()
	case c.Type == transform.Timestamp:
		at, ok := got.(time.Time)
		seconds, isInteger := new(big.Int).SetString(v.text, 10)
		return ok && (!isInteger || seconds.IsInt64() && seconds.Int64() == at.Unix())
	case c.Type == transform.Int64:
		i, ok := got.(int64)
		sent, isInteger := new(big.Int).SetString(v.text, 10)
		return ok && isInteger && sent.Cmp(big.NewInt(i)) == 0
	case c.Type == transform.Bool:
		b, ok := got.(bool)
		return ok && (v.text == "1" || v.text == "true") == b && strings.Contains("0 1 true false", v.text)
	default:
		return got == v.text
	}
}

// FuzzTransform feeds arbitrary bytes. It would catch a panic, a rejected
// event that leaves rows, a value or key that disappears, and any difference
// to the reference.
func FuzzTransform(f *testing.F) {
	for _, payload := range corpus() {
		f.Add(payload)
	}
	tr := transform.New(transform.Options{})
	f.Fuzz(func(t *testing.T, payload []byte) { checkTransform(t, tr, payload) })
}

// TestTransformKeepsEverything is FuzzTransform on generated events, so that
// every run of the tests exercises it.
func TestTransformKeepsEverything(t *testing.T) {
	tr := transform.New(transform.Options{})
	for seed := range uint64(2_000) {
		checkTransform(t, tr, fromSeed(1e6+seed).payload())
	}
}

// checkIdentity is the property of FuzzIdentity: an event told in another
// order of keys, with other white space and escapes, has the same event_id;
// one with another value, or another key, has not.
func checkIdentity(t failer, tr *transform.Transformer, payload []byte, p picker) {
	t.Helper()
	var rows transform.Rows
	first := run(t, tr, &rows, payload, delivered)
	if first.rejection != nil {
		return
	}
	root, err := parse(payload)
	if err != nil {
		t.Fatalf("accepted what is no JSON: %v\n%q", err, payload)
	}
	told := []byte(spell(p, reordered(p, root), true))
	again := run(t, tr, &rows, told, delivered)
	if again.rejection != nil || again.event.ID != first.event.ID || !again.event.OccurredAt.Equal(first.event.OccurredAt) {
		t.Fatalf("the same event told differently: %x became %x (rejection %v)\n%s\n%s",
			first.event.ID, again.event.ID, again.rejection, payload, told)
	}
	changed := root.altered(p)
	if changed == nil {
		return
	}
	told = []byte(spell(p, changed, false))
	other := run(t, tr, &rows, told, delivered)
	if other.rejection == nil && other.event.ID == first.event.ID {
		t.Fatalf("two events have the identity %x\n%s\n%s", first.event.ID, payload, told)
	}
}

// reordered returns a copy with the keys of every object in another order.
func reordered(p picker, n *node) *node {
	out := &node{kind: n.kind, text: n.text, keys: slices.Clone(n.keys)}
	for _, e := range n.elems {
		out.elems = append(out.elems, reordered(p, e))
	}
	if out.kind == object {
		shuffle(p, out)
	}
	return out
}

// altered returns a copy in which one value, or one key, is another; nil if
// there is nothing to change.
func (n *node) altered(p picker) *node {
	out := reordered(p, n)
	var places []*node
	var collect func(*node)
	collect = func(n *node) {
		places = append(places, n)
		for _, e := range n.elems {
			collect(e)
		}
	}
	collect(out)
	v := places[p.pick(len(places))]
	switch v.kind {
	case null:
		*v = node{kind: boolean, text: "false"}
	case boolean:
		*v = node{kind: null}
	case text:
		v.text += "x"
	case array:
		v.elems = append(v.elems, nothing())
	case object:
		if len(v.keys) == 0 {
			*v = node{kind: array}
			break
		}
		i := p.pick(len(v.keys))
		key := v.keys[i]
		for v.get(key) != nil {
			key += "x"
		}
		v.keys[i] = key
	case number:
		if i, ok := new(big.Int).SetString(v.text, 10); ok {
			v.text = i.Add(i, big.NewInt(1)).String()
		} else {
			*v = node{kind: text, text: v.text}
		}
	}
	return out
}

// FuzzIdentity tells events again in other words. It would catch an identity
// that depends on how an event is written, and one that misses a value.
func FuzzIdentity(f *testing.F) {
	for i, payload := range corpus() {
		f.Add(payload, uint64(i))
	}
	tr := transform.New(transform.Options{})
	f.Fuzz(func(t *testing.T, payload []byte, seed uint64) {
		checkIdentity(t, tr, payload, seeded{rand.New(rand.NewPCG(seed, 1))})
	})
}

// TestIdentityOfGenerated is FuzzIdentity on generated events.
func TestIdentityOfGenerated(t *testing.T) {
	tr := transform.New(transform.Options{})
	for seed := range uint64(2_000) {
		g := fromSeed(2e6 + seed)
		checkIdentity(t, tr, g.payload(), g)
	}
	events := rapidEvents()
	rapid.Check(t, func(t *rapid.T) {
		checkIdentity(t, tr, events.Draw(t, "event"), drawn{t})
	})
}
