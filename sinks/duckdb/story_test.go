//go:build cgo && !noduckdb

package duckdb_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// A step is one row of transitions_log, and in want what the view says of it.
// Empty values are NULL.
type step struct {
	second   int    // of occurred_at
	rank     int    // place among the rows of that second by sequence
	from, to string // values
	origin   string // empty means event
}

// start is second 0 of every story.
var start = time.Date(2024, 2, 28, 23, 59, 50, 0, time.UTC)

// row returns the step's row of transitions_log for an entity.
func (s step) row(entity string) []any {
	id := fmt.Sprintf("%s-%03d-%03d", entity, s.second, s.rank)
	at := start.Add(time.Duration(s.second) * time.Second)
	return tableRow(transform.TransitionsLog, map[string]any{
		"event_id": id, "sequence": fmt.Sprintf("%016x/%02d/%s", at.Unix(), s.rank, id), "occurred_at": at,
		"tenant_id": "941", "object_name": "lead", "entity_id": entity, "dimension": "life_status",
		"from_value": nullable(s.from), "to_value": nullable(s.to), "origin": cmp.Or(s.origin, "event"),
		"event_type": "object_update_life_cycle", "ingested_at": at, "ingest_source": "pubsub",
	})
}

// tableRow returns a row with these columns.
func tableRow(id transform.TableID, columns map[string]any) []any {
	row := make([]any, len(id.Table().Columns))
	for i, c := range id.Table().Columns {
		row[i] = columns[c.Name]
	}
	return row
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// told returns the entity's story as the view tells it, one line a row.
func told(t testing.TB, db *duckdb.DB, entity string) []string {
	_, rows := query(t, db, `SELECT concat_ws(' ', date_diff('second', TIMESTAMPTZ '`+start.Format(time.RFC3339)+`', entered_at),
		concat(COALESCE(from_value, '-'), '>', COALESCE(to_value, '-')), concat('after:', COALESCE(previous_to_value, '-')),
		CASE WHEN is_repeat THEN 'repeat' END, CASE WHEN is_gap THEN 'gap' END, CASE WHEN is_current THEN 'current' END,
		concat('stayed:', dwell_seconds), CASE WHEN exited_at IS DISTINCT FROM entered_at + to_seconds(dwell_seconds) THEN 'WRONG EXIT' END)
		FROM transitions WHERE entity_id = '`+entity+`' ORDER BY occurred_at, is_current, event_id`)
	var lines []string
	for _, row := range rows {
		lines = append(lines, row[0].(string))
	}
	return lines
}

// Catches a wrong reading of the rules of the view transitions. The stories
// are worked out by hand from the contract.
func TestTransitionsTold(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	for name, test := range map[string]struct {
		steps []step
		want  []string
	}{
		"creation then changes": {
			[]step{{0, 1, "", "a", "creation"}, {5, 3, "a", "b", ""}, {7, 3, "b", "c", ""}},
			[]string{"0 ->a after:- stayed:5", "5 a>b after:a stayed:2", "7 b>c after:b current stayed:"},
		},
		"gap": {
			[]step{{0, 3, "a", "b", ""}, {4, 3, "c", "d", ""}},
			[]string{"0 a>b after:- stayed:4", "4 c>d after:b gap current stayed:"},
		},
		"a gap that ends where it began": {
			[]step{{0, 3, "a", "b", ""}, {4, 3, "c", "b", ""}},
			[]string{"0 a>b after:- stayed:4", "4 c>b after:b gap current stayed:"},
		},
		"the first row is no gap": {
			[]step{{0, 3, "x", "b", ""}},
			[]string{"0 x>b after:- current stayed:"},
		},
		"an unknown from is no gap": {
			[]step{{0, 3, "a", "b", ""}, {4, 3, "", "d", "field_change"}},
			[]string{"0 a>b after:- stayed:4", "4 ->d after:b current stayed:"},
		},
		"a known nothing is a gap": {
			[]step{{0, 3, "a", "b", ""}, {4, 3, "", "d", ""}},
			[]string{"0 a>b after:- stayed:4", "4 ->d after:b gap current stayed:"},
		},
		"told again, also with an unknown from": {
			[]step{{0, 3, "a", "b", ""}, {1, 3, "a", "b", "field_change"}, {2, 3, "", "b", "field_change"}, {9, 3, "b", "c", ""}},
			[]string{
				"0 a>b after:- stayed:9", "1 a>b after:b repeat stayed:", "2 ->b after:b repeat stayed:",
				"9 b>c after:b current stayed:",
			},
		},
		"a repeat at the end": {
			[]step{{0, 3, "a", "b", ""}, {1, 3, "a", "b", "field_change"}},
			[]string{"0 a>b after:- current stayed:", "1 a>b after:b repeat stayed:"},
		},
		"a repeat after a gap": { // its from is compared with the run's first
			[]step{{0, 3, "a", "b", ""}, {1, 3, "c", "b", ""}, {2, 3, "a", "b", ""}},
			[]string{"0 a>b after:- stayed:1", "1 c>b after:b gap current stayed:", "2 a>b after:b repeat stayed:"},
		},
		"change back": {
			[]step{{0, 3, "a", "b", ""}, {3, 3, "b", "a", ""}, {6, 3, "a", "b", ""}},
			[]string{"0 a>b after:- stayed:3", "3 b>a after:b stayed:3", "6 a>b after:a current stayed:"},
		},
		"taken away and given": {
			[]step{{0, 1, "", "a", "creation"}, {3, 3, "a", "", ""}, {8, 3, "", "b", ""}},
			[]string{"0 ->a after:- stayed:3", "3 a>- after:a stayed:5", "8 ->b after:- current stayed:"},
		},
		"taken away twice": {
			[]step{{0, 3, "a", "", ""}, {3, 3, "a", "", "field_change"}},
			[]string{"0 a>- after:- current stayed:", "3 a>- after:- repeat stayed:"},
		},
		"a chain in one second against the sequence": {
			[]step{{0, 4, "a", "b", ""}, {0, 3, "b", "c", ""}},
			[]string{"0 a>b after:- stayed:0", "0 b>c after:b current stayed:"},
		},
		"a chain by nothing in one second": { // NULL meets NULL, since the from is known
			[]step{{0, 4, "a", "", ""}, {0, 3, "", "c", ""}},
			[]string{"0 a>- after:- stayed:0", "0 ->c after:- current stayed:"},
		},
		"an unknown from chains with nothing": { // creation stays first although a row of its second ends in NULL
			[]step{{0, 1, "", "a", "creation"}, {0, 3, "a", "", ""}},
			[]string{"0 ->a after:- stayed:0", "0 a>- after:a current stayed:"},
		},
		"creation and its own event in one second": {
			[]step{{0, 1, "", "a", "creation"}, {0, 3, "", "a", ""}, {5, 3, "a", "b", ""}},
			[]string{"0 ->a after:- stayed:5", "0 ->a after:a repeat stayed:", "5 a>b after:a current stayed:"},
		},
		"there and back in one second": { // both are chained: the sequence decides
			[]step{{0, 3, "a", "b", ""}, {0, 4, "b", "a", ""}},
			[]string{"0 a>b after:- stayed:0", "0 b>a after:b current stayed:"},
		},
		"the next second chains with nothing": {
			[]step{{0, 3, "b", "c", ""}, {1, 3, "a", "b", ""}},
			[]string{"0 b>c after:- stayed:1", "1 a>b after:c gap current stayed:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			entity := strings.ReplaceAll(name, " ", "_")
			var rows transform.Rows
			for _, s := range test.steps {
				sinktest.Append(&rows, transform.TransitionsLog, s.row(entity))
			}
			if err := db.Write(t.Context(), &rows); err != nil {
				t.Fatal(err)
			}
			got := told(t, db, entity)
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("story (-want +got):\n%s", diff)
			}
		})
	}
}

// tell is the contract of the view transitions, spelled out step by step.
func tell(steps []step) []string {
	ordered := slices.Clone(steps)
	known := func(s step) bool { return s.from != "" || s.origin == "" }
	chained := func(s step) int {
		for _, other := range steps {
			if other.second == s.second && known(s) && other.to == s.from {
				return 1
			}
		}
		return 0
	}
	slices.SortFunc(ordered, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(chained(a), chained(b)), cmp.Compare(a.rank, b.rank))
	})
	repeat := make([]bool, len(ordered))
	first := 0 // of the run
	for i, s := range ordered {
		if i > 0 && s.to == ordered[i-1].to {
			repeat[i] = s.from == ordered[first].from || !known(s)
		} else {
			first = i
		}
	}
	dash := func(s string) string { return cmp.Or(s, "-") }
	var lines []string
	for i, s := range ordered {
		line := fmt.Sprintf("%d %s>%s after:", s.second, dash(s.from), dash(s.to))
		if i == 0 {
			line += "-"
		} else {
			line += dash(ordered[i-1].to)
		}
		next := slices.IndexFunc(repeat[i+1:], func(r bool) bool { return !r })
		if repeat[i] {
			lines = append(lines, line+" repeat stayed:")
			continue
		}
		if i > 0 && known(s) && s.from != ordered[i-1].to {
			line += " gap"
		}
		if next < 0 {
			line += " current stayed:"
		} else {
			line += fmt.Sprintf(" stayed:%d", ordered[i+1+next].second-s.second)
		}
		lines = append(lines, line)
	}
	return lines
}

// Catches stories that the cases above did not think of: the view against the
// contract spelled out in Go, for any steps, each arriving several times and
// in any order.
func TestTransitionsAsSpecified(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		entity := fmt.Sprintf("e%05d", n)
		value := rapid.SampledFrom([]string{"", "a", "b", "c"})
		var steps []step
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			s := step{
				second: rapid.IntRange(0, 4).Draw(rt, "second"), rank: i, from: value.Draw(rt, "from"), to: value.Draw(rt, "to"),
				origin: rapid.SampledFrom([]string{"", "", "creation", "field_change"}).Draw(rt, "origin"),
			}
			if s.from != s.to { // such a row is never made
				steps = append(steps, s)
			}
		}
		var rows transform.Rows
		for range rapid.IntRange(1, 3).Draw(rt, "copies") {
			for _, i := range rapid.Permutation(indices(len(steps))).Draw(rt, "order") {
				sinktest.Append(&rows, transform.TransitionsLog, steps[i].row(entity))
			}
		}
		if err := db.Write(t.Context(), &rows); err != nil {
			rt.Fatal(err)
		}
		want, got := tell(steps), told(t, db, entity)
		slices.Sort(want)
		slices.Sort(got)
		if diff := gocmp.Diff(want, got); diff != "" {
			rt.Errorf("story of %+v (-specified +view):\n%s", steps, diff)
		}
	})
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
