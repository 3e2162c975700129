package faults

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc/codes"

	"leadsync/transform"
)

// Every line must be whole, and its name one that can be asked for. Catches a
// fault that is named twice, so that one hides the other, and one that nobody
// described.
func TestTableIsWhole(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, f := range Table() {
		if !name.MatchString(f.Name) {
			t.Errorf("%q is no name", f.Name)
		}
		if seen[f.Name] {
			t.Errorf("%s is there twice", f.Name)
		}
		seen[f.Name] = true
		if f.Wrong == "" || f.Does == "" || f.Sees == "" || f.Play == nil {
			t.Errorf("%s is not described", f.Name)
		}
		if f.Sink != "" && f.Sink != "bigquery" && f.Sink != "duckdb" {
			t.Errorf("%s is about the sink %q", f.Name, f.Sink)
		}
		if !slices.ContainsFunc(headings, func(h struct {
			class Class
			title string
		}) bool {
			return h.class == f.Class
		}) {
			t.Errorf("%s is of the class %q", f.Name, f.Class)
		}
	}
}

// The table must name every code with which the services can fail, and every
// reason to die. Catches a code that was forgotten, also one that a newer
// client brings.
func TestTableNamesEveryCode(t *testing.T) {
	var all strings.Builder
	names := map[string]bool{}
	for _, f := range Table() {
		names[f.Name] = true
		all.WriteString(f.Wrong + "\n")
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		for _, way := range []string{"append-", "pull-"} {
			if want := way + slug(codeName(code)); !names[want] {
				t.Errorf("there is no %s for %v", want, code)
			}
		}
	}
	for value, code := range storagepb.StorageError_StorageErrorCode_name {
		if value != 0 && !names["storage-error-"+slug(code)] {
			t.Errorf("no fault is the StorageError %s", code)
		}
	}
	for _, reason := range transform.Reasons {
		if want := "poison-" + strings.ReplaceAll(string(reason), "_", "-"); !names[want] {
			t.Errorf("there is no %s", want)
		}
	}
}

// What to play is chosen by name and length. Catches a --short that plays all,
// and a pattern that is not understood but not refused either.
func TestChoose(t *testing.T) {
	list := []Fault{{Name: "a-one"}, {Name: "a-two", Long: true}, {Name: "b", Sink: "duckdb"}}
	for _, c := range []struct {
		sink, pattern string
		short         bool
		want          string
	}{
		{"duckdb", "", false, "a-one a-two b"},
		{"bigquery", "", false, "a-one a-two"},
		{"duckdb", "", true, "a-one b"},
		{"duckdb", "a-*", false, "a-one a-two"},
		{"duckdb", "a-*", true, "a-one"},
		{"duckdb", "c b *two", false, "a-two b"},
		{"duckdb", "c", false, ""},
	} {
		chosen, err := Choose(For(c.sink, list), strings.Fields(c.pattern), c.short)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range chosen {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
	if _, err := Choose(list, []string{"a-one", "["}, false); err == nil {
		t.Error("a broken pattern was taken")
	}
}

// Copies differ in how they came only; anything else is a conflict. Catches an
// audit that takes a changed row for a copy, or a copy for a changed row.
func TestDistinct(t *testing.T) {
	table := transform.TransitionsLog.Table()
	one := row{"event_id": "e", "dimension": "owner", "sequence": "01/02/03/04", "to_value": "x", "message_id": "m1"}
	with := func(column string, v any) row {
		r := row{}
		for k, v := range one {
			r[k] = v
		}
		r[column] = v
		return r
	}
	for _, c := range []struct {
		name   string
		other  row
		keys   int
		forms  int // of e owner
		copies int
	}{
		{"the same", one, 1, 1, 1},
		{"another message", with("message_id", "m2"), 1, 1, 1},
		{"published later", with("sequence", "01/02/99/04"), 1, 1, 1},
		{"another time", with("sequence", "99/02/03/04"), 1, 2, 1},
		{"another value", with("to_value", "y"), 1, 2, 1},
		{"no value", with("to_value", nil), 1, 2, 1},
		{"another fact", with("dimension", "status"), 2, 1, 0},
	} {
		forms, copies := distinct(table, []row{one, c.other})
		if len(forms) != c.keys || forms["e owner"] != c.forms || copies != c.copies {
			t.Errorf("%s: forms %v, %d copies", c.name, forms, copies)
		}
	}
}
