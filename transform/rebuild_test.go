package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/transform"
)

// checkRebuild is the property of Rebuild: the event that it makes of a row
// becomes the same rows, but for the identity.
func checkRebuild(t failer, tr *transform.Transformer, payload []byte) {
	t.Helper()
	if root, err := parse(payload); err == nil {
		payload = []byte(root.storable().String()) // JSON columns have their numbers like this
	}
	var rows transform.Rows
	want := run(t, tr, &rows, payload, delivered)
	if want.rejection != nil {
		return
	}
	event := want.rows[0].columns
	again, err := transform.Rebuild(func(column string) any { return event[column] })
	if err != nil {
		t.Fatalf("%v\n%s", err, payload)
	}
	got := run(t, tr, &rows, again, delivered)
	if got.rejection != nil {
		t.Fatalf("%v\n%s\n%s", got.rejection, payload, again)
	}
	for _, list := range [][]row{want.rows, got.rows} {
		for _, r := range list {
			delete(r.columns, "event_id")
			delete(r.columns, "sequence")
		}
	}
	if diff := cmp.Diff(want.rows, got.rows, cmp.AllowUnexported(row{})); diff != "" {
		t.Fatalf("rows of the event (-sent +rebuilt):\n%s\n%s\n%s", diff, payload, again)
	}
}

// Catches a column that is put under a wrong key, and one that is lost.
func TestRebuild(t *testing.T) {
	tr := transform.New(transform.Options{})
	for _, payload := range corpus() {
		checkRebuild(t, tr, payload)
	}
	for seed := range uint64(3_000) {
		checkRebuild(t, tr, fromSeed(5e6+seed).payload())
	}
	events := rapidEvents()
	rapid.Check(t, func(t *rapid.T) { checkRebuild(t, tr, events.Draw(t, "event")) })
}

// FuzzRebuild is TestRebuild on arbitrary bytes.
func FuzzRebuild(f *testing.F) {
	for _, payload := range corpus() {
		f.Add(payload)
	}
	tr := transform.New(transform.Options{})
	f.Fuzz(func(t *testing.T, payload []byte) { checkRebuild(t, tr, payload) })
}
