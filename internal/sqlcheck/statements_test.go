package sqlcheck

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-googlesql"

	"leadsync/sinks"
	"leadsync/transform"
)

// hostile is a text that ends every literal that is not written with care.
const hostile = "it's \"x\" \\ `y` \n-- /* 雪 \u2028"

// data is what a statement is rendered with. A list of several fits a
// statement that takes different forms.
type data = map[string]any

// samples has the data of every statement.
var samples = map[string][]any{
	"backfill_checkpoints": {data{"Selection": hostile}},
	"dlq_find":             {data{"ID": hostile}},
	"dlq_groups":           letters(data{"All": true, "Limit": 10}, data{"All": false, "Limit": 10}),
	"dlq_letters":          letters(data{"Until": late, "After": "", "Limit": 10}, data{"Until": late, "After": early, "AfterID": hostile, "Limit": 10}),
	"dlq_payloads": {
		data{"From": early, "To": late, "IDs": []string{hostile}},
		data{"From": early, "To": late, "IDs": []string{hostile, "b"}},
	},
	"dlq_replays":        {data{"ID": hostile}},
	"erase_dead_letters": {data{"Word": hostile, "Count": true}, data{"Word": hostile, "Count": false}},
	"erase_events":       {data{"ID": hostile, "Count": true}, data{"ID": hostile, "Count": false}},
	"erase_tombstone":    {data{"ID": hostile, "Digest": hostile, "Version": hostile}},
	"erase_transitions":  {data{"ID": hostile, "Count": true}, data{"ID": hostile, "Count": false}},
	"erased":             {nil},
	"erased_at":          {data{"Digest": hostile}},
	"explain_batches": {
		data{"From": early, "To": late, "Copies": []data{copyOfEvent}},
		data{"From": early, "To": late, "Copies": []data{copyOfEvent, copyOfEvent}},
	},
	"explain_copies":       story(nil),
	"explain_dead_letters": {data{"ID": hostile, "Messages": []string(nil)}, data{"ID": hostile, "Messages": []string{"1", hostile}}},
	"explain_events":       story(data{"Columns": eventColumns()}),
	"explain_find":         {data{"ID": hostile, "Entity": ""}, data{"ID": hostile, "Entity": "yes"}},
	"explain_rows":         story(nil),
	"explain_tables":       {nil},
	"explain_transitions":  story(nil),
	"promote_fill": {
		data{"Column": "notes", "Part": "extra_data", "Key": hostile},
		data{"Column": "business_unit", "Part": "envelope", "Key": "key"},
	},
	"reconcile_batches":     {rangeOfDays},
	"reconcile_days":        {rangeOfDays},
	"reconcile_events":      {data{"From": early, "To": late}},
	"reconcile_gaps":        {rangeOfDays},
	"reconcile_letters":     {rangeOfDays},
	"reconcile_payloads":    {nil},
	"reconcile_transitions": {data{"From": early, "To": late}},
}

const early, late = "2026-11-01 00:00:00", "2026-11-02 23:59:59.999999"

var rangeOfDays = data{"Since": early, "Until": late, "From": early}

var copyOfEvent = data{"Source": hostile, "Ingested": early, "Until": late, "Occurred": early}

// letters returns the data of statements about some dead letters, each form
// with every filter and with none.
func letters(forms ...data) (list []any) {
	for _, form := range forms {
		for _, filter := range []data{
			{"Since": "", "Reasons": []string(nil), "Fingerprints": []string(nil), "IDs": []string(nil)},
			{"Since": early, "Reasons": []string{hostile, "b"}, "Fingerprints": []string{hostile}, "IDs": []string{"a", hostile}},
		} {
			maps.Copy(filter, form)
			list = append(list, filter)
		}
	}
	return list
}

// story returns the data of statements about an entity or an event, each form
// with what is common to all.
func story(common data) []any {
	var list []any
	for _, form := range []data{
		{"Object": hostile, "Entity": hostile, "Event": ""},
		{"Object": "", "Entity": "", "Event": hostile},
	} {
		maps.Copy(form, common)
		maps.Copy(form, data{"From": early, "To": late, "Tenant": hostile, "Limit": "100"})
		list = append(list, form)
	}
	return list
}

func eventColumns() []string {
	var list []string
	for _, c := range transform.EventsLog.Table().Columns {
		if c.Name != "event_id" && c.Name != "sequence" {
			list = append(list, c.Name)
		}
	}
	return list
}

// readsAll names the statements that read every partition of tables without
// a filter, the tables, and why. They are refused where partition filters are
// required.
var readsAll = map[string]struct{ tables, why string }{
	"explain_transitions": {"transitions_log", "what came before an event decides what it is"},
	"reconcile_gaps":      {"transitions_log", "as explain_transitions"},
}

// TestStatements resolves every statement that the commands run. It catches a
// wrong one, one that no sample is given of here, and one that a warehouse
// that requires partition filters would refuse.
func TestStatements(t *testing.T) {
	a := newAnalyzer(t)
	views := a.addViews(t)
	names := sinks.StatementNames()
	for name := range samples {
		if !slices.Contains(names, name) {
			t.Errorf("statement %s is gone, its sample is not", name)
		}
	}
	for _, name := range names {
		if len(samples[name]) == 0 {
			t.Errorf("statement %s: no sample data", name)
		}
		for _, data := range samples[name] {
			sql := sinks.Statement(sinks.BigQuery(project, dataset, zone), name, data)
			s, err := a.analyze(sql)
			if err != nil {
				t.Errorf("statement %s: %v\n%s", name, err, sql)
				continue
			}
			whole := strings.Join(readWhole(s, views), ", ")
			if known := readsAll[name]; whole != known.tables {
				t.Errorf("statement %s: reads whole %q, known of %q\n%s", name, whole, known.tables, sql)
			}
		}
	}
}

// TestText reads back the literals that texts are written as. It catches a
// text that would end its literal early, or come back as another one.
func TestText(t *testing.T) {
	a := newAnalyzer(t)
	d := sinks.BigQuery(project, dataset, zone)
	texts := []string{"", hostile, "a\x00b", "\x01\x1f\x7f", "\u00a0é\u0301", "😀", `\u0041\x41\101`, "{{.}} ? @p $1 %s", "\r\n\t\v\a\b\f"}
	for _, text := range texts {
		s, err := a.analyze("SELECT " + d.Text(text) + " AS text")
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got string
		walk(s, func(n googlesql.ResolvedNode) {
			if e, ok := n.(googlesql.ResolvedExprNode); ok {
				got, _ = textOf(e)
			}
		})
		if got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
}
