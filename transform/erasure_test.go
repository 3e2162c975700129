package transform

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func erased(ids ...string) *Erased {
	e := &Erased{}
	e.Set(digests(ids...))
	return e
}

func digests(ids ...string) (list []EntityDigest) {
	for _, id := range ids {
		list = append(list, DigestEntity(id))
	}
	return list
}

const erasedLead = "B3hJubdf4GR3fNhSyx5npA"

// Catches an event about an erased entity that still gives rows, one about
// another that gives none, and a transformer that forgets the set.
func TestTransformErased(t *testing.T) {
	event := func(extra string) []byte {
		return fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":{%s,"to_leads_status":"b"}}`, now.Unix(), extra)
	}
	set := erased(erasedLead, "42")
	tr := New(Options{Erased: set})
	transform := func(payload []byte) (Event, Rows) {
		var rows Rows
		e, err := tr.Transform(&rows, payload, Delivery{IngestedAt: now, Source: "pubsub"})
		if err != nil {
			t.Fatalf("%v\n%s", err, payload)
		}
		return e, rows
	}
	// An extraordinary event makes the transformer let go of its memory.
	_, _ = transform(event(`"notes":"` + strings.Repeat("n", 65*keep) + `"`))
	for name, test := range map[string]struct {
		extra  string
		erased bool
	}{
		"its own":                     {`"entity_id":"B3hJubdf4GR3fNhSyx5npA"`, true},
		"its own, escaped":            {`"entity_id":"\u0042\u0033hJubdf4GR3fNhSyx5npA"`, true},
		"a number":                    {`"entity_id":42`, true},
		"of its user, with no entity": {`"lead_omni_user_uuid":"B3hJubdf4GR3fNhSyx5npA","entity_id":""`, true},
		"of its user, another lead":   {`"lead_omni_user_uuid":"B3hJubdf4GR3fNhSyx5npA","entity_id":"other"`, false},
		"associated with it":          {`"entity_id":"other","target_entity_id":"B3hJubdf4GR3fNhSyx5npA"`, true},
		"without entity":              {`"notes":"x"`, false},
		"empty":                       {`"entity_id":""`, false},
		"another":                     {`"entity_id":"other"`, false},
		"another case":                {`"entity_id":"b3hjubdf4gr3fnhsyx5npa"`, false},
		"part of it":                  {`"entity_id":"B3hJubdf4GR3fNhSyx5np"`, false},
		"names it elsewhere":          {`"entity_id":"other","notes":"B3hJubdf4GR3fNhSyx5npA"`, false},
	} {
		e, rows := transform(event(test.extra))
		if e.Erased != test.erased || (rows.Total() == 0) != test.erased {
			t.Errorf("%s: erased is %t, with %d rows", name, e.Erased, rows.Total())
		}
		if e.OccurredAt.Unix() != now.Unix() || e.ID == [16]byte{} {
			t.Errorf("%s: event %v", name, e)
		}
	}
	set.Set(digests("other"))
	if e, _ := transform(event(`"entity_id":"other"`)); !e.Erased {
		t.Error("the set was replaced, and an event about a new member gives rows")
	}
	if e, _ := transform(event(`"entity_id":42`)); e.Erased {
		t.Error("the set was replaced, and an event about an old member gives none")
	}
}

// Catches a set that leaks a digest, keeps the caller's memory, or counts twice.
func TestErasedSet(t *testing.T) {
	var none *Erased
	if none.Len() != 0 || none.Has([]byte("a")) || none.Mentions([]byte("a")) || new(Erased).Has([]byte("a")) {
		t.Error("a set that is nil or new has a member")
	}
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprint("id", i))
	}
	list := append(digests(ids...), digests(ids...)...)
	e := &Erased{}
	e.Set(list)
	slices.Reverse(list)
	clear(list)
	if e.Len() != len(ids) {
		t.Errorf("%d members, want %d", e.Len(), len(ids))
	}
	for _, id := range ids {
		if !e.Has([]byte(id)) {
			t.Fatalf("%s is lost", id)
		}
	}
	if e.Has([]byte("id1000")) || e.Has(nil) {
		t.Error("a member that was never set")
	}
	e.Set(nil)
	if e.Len() != 0 || e.Has([]byte("id1")) {
		t.Error("an empty list leaves members")
	}
}

// Catches a digest that is not what other programs compute of an id, and a
// text that is read as a digest without being one.
func TestEntityDigest(t *testing.T) {
	const text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of "abc", from FIPS 180-2
	if got := DigestEntity("abc").String(); got != text {
		t.Errorf("digest of abc: %s", got)
	}
	if d, err := ParseEntityDigest(text); err != nil || d != DigestEntity("abc") {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", text[1:], text + "00", "x" + text[1:]} {
		if _, err := ParseEntityDigest(bad); err == nil {
			t.Errorf("%q is read as a digest", bad)
		}
	}
}

// Catches ids that erasing could not find again, and one of the source's that
// is refused.
func TestCheckEntityID(t *testing.T) {
	for _, good := range []string{erasedLead, "1", "lead-7", strings.Repeat("a", 256)} {
		if err := CheckEntityID(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", " ", "a b", "a\n", "a\"b", "a'b", `a\b`, "线索", "a\x00", strings.Repeat("a", 257)} {
		if CheckEntityID(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Catches a dead letter that would keep an erased lead's data, and one of
// somebody else that is thrown away.
func TestMentions(t *testing.T) {
	e := erased(erasedLead, "lead-7")
	for name, test := range map[string]struct {
		payload string
		want    bool
	}{
		"nothing":                 {``, false},
		"the id alone":            {erasedLead, true},
		"a string":                {`{"entity_id":"B3hJubdf4GR3fNhSyx5npA"}`, true},
		"broken JSON":             {`{"entity_id":"B3hJubdf4GR3fNhSyx5npA`, true},
		"a key":                   {`{"B3hJubdf4GR3fNhSyx5npA":1}`, true},
		"within text":             {`{"notes":"see B3hJubdf4GR3fNhSyx5npA."}`, true},
		"between Chinese letters": {`{"notes":"线索B3hJubdf4GR3fNhSyx5npA的"}`, true},
		"invalid UTF-8":           {"\xffB3hJubdf4GR3fNhSyx5npA\xff", true},
		"JSON within JSON":        {`{"data":"{\"entity_id\":\"B3hJubdf4GR3fNhSyx5npA\"}"}`, true},
		"behind an escape":        {`{"notes":"a\nB3hJubdf4GR3fNhSyx5npA"}`, true},
		"escaped itself":          {`{"entity_id":"\u00423hJubdf4GR3fNhSyx5npA"}`, true},
		"behind a bad escape":     {`{"notes":"\x \nB3hJubdf4GR3fNhSyx5npA"}`, true},
		"behind half an escape":   {`\u12B3hJubdf4GR3fNhSyx5npA`, false},
		"escaped in broken JSON":  {`{"entity_id":"\u00423hJubdf4GR3fNhSyx5npA","x":"\`, true},
		"an id with a sign":       {`{"entity_id":"lead-7"}`, true},
		"the same, escaped":       {`{"entity_id":"lead\u002d7"}`, true},
		"longer":                  {`{"entity_id":"B3hJubdf4GR3fNhSyx5npA1"}`, false},
		"longer at its front":     {`{"entity_id":"xB3hJubdf4GR3fNhSyx5npA"}`, false},
		"shorter":                 {`{"entity_id":"B3hJubdf4GR3fNhSyx5np"}`, false},
		"other letters":           {`{"entity_id":"b3hjubdf4gr3fnhsyx5npa"}`, false},
		"another with a sign":     {`{"entity_id":"lead-77"}`, false},
		"its digest":              {DigestEntity(erasedLead).String(), false},
	} {
		if got := e.Mentions([]byte(test.payload)); got != test.want {
			t.Errorf("%s: %t, want %t: %s", name, got, test.want, test.payload)
		}
		if new(Erased).Mentions([]byte(test.payload)) {
			t.Errorf("%s: the empty set is mentioned", name)
		}
	}
}

// Whatever stands around it, an id is found exactly where no letter or digit
// touches it.
func TestMentionsAnywhere(t *testing.T) {
	e := erased(erasedLead)
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "before")
		after := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "after")
		payload := bytes.Join([][]byte{before, []byte(erasedLead), after}, nil)
		whole := (len(before) == 0 || !isAlphanumeric(before[len(before)-1])) && (len(after) == 0 || !isAlphanumeric(after[0]))
		if bytes.IndexByte(before, '\\') >= 0 && !whole {
			return // with escapes undone it may stand alone
		}
		if got := e.Mentions(payload); got != whole {
			t.Fatalf("%t, want %t: %q", got, whole, payload)
		}
	})
}

// Catches a set that makes every event cost memory, empty or not.
func TestErasedTakesNoMemory(t *testing.T) {
	src, err := os.ReadFile("../testdata/samples/lead.object_create.json")
	if err != nil {
		t.Fatal(err)
	}
	allocs := func(set *Erased) float64 {
		tr := New(Options{Erased: set})
		var rows Rows
		return testing.AllocsPerRun(100, func() {
			rows.Reset()
			if e, err := tr.Transform(&rows, src, Delivery{IngestedAt: now, Source: "pubsub"}); err != nil || e.Erased {
				t.Fatal(e, err)
			}
		})
	}
	want := allocs(nil)
	if empty, others := allocs(&Erased{}), allocs(erased("a", "b")); empty > want || others > want {
		t.Errorf("%v allocations an event with an empty set, %v with one of others, %v without", empty, others, want)
	}
}

// BenchmarkTransformErased is BenchmarkTransform beside 100,000 tombstones.
func BenchmarkTransformErased(b *testing.B) {
	list := make([]EntityDigest, 100_000)
	for i := range list {
		list[i] = DigestEntity(fmt.Sprint(i))
	}
	set := &Erased{}
	set.Set(list)
	benchTransform(b, benchEvent(b), Options{Erased: set})
}

// BenchmarkMentions is the worst poison: as many words as there can be.
func BenchmarkMentions(b *testing.B) {
	payload := bytes.Repeat([]byte("a "), MaxPayload/2)
	set := erased(erasedLead)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if set.Mentions(payload) {
			b.Fatal("found")
		}
	}
}
