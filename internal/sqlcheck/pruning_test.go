package sqlcheck

import (
	"slices"
	"strings"
	"testing"
)

// allTime names the views that no filter makes cheaper: a query of one reads
// every partition of the tables below, and is refused where partition filters
// are required. Each has its reason. All other views let a filter on the
// partition column through, or read stored rows alone.
var allTime = map[string]string{
	"accounts":                "an account is what all its events made of it",
	"completeness_daily":      "its days are dates made of several tables' times; leadsync reconcile reads a range of them",
	"freshness":               "it counts by the day of publishing, the tables are partitioned by other times",
	"funnel_daily":            "a lead's story, and the running total, begin with the first event",
	"lead_pool_transitions":   "as transitions",
	"leads":                   "a lead is what all its events made of it",
	"leads_history":           "a version is what all events up to then made of it",
	"ledger_daily":            "its days are those of the source's time zone, the ledger's partitions those of UTC",
	"life_status_transitions": "as transitions",
	"owner_transitions":       "as transitions",
	"owner_workload":          "it counts leads, which all their events made",
	"pool_flow":               "as funnel_daily",
	"stage_durations":         "as transitions",
	"status_transitions":      "as transitions",
	"transition_gaps":         "as transitions",
	"transitions":             "what a transition is, a gap or a repeat, is decided by those before it, whatever their day",
}

// TestPruning finds the views through which a filter on the partition column
// reaches the tables. It catches a window, a grouping or a function that has
// come between, which nobody would notice until the bill comes, and a view
// that has got rid of one.
func TestPruning(t *testing.T) {
	views := newAnalyzer(t).addViews(t)
	for name, q := range views {
		if q.view.Materialized {
			continue // its rows are stored, and the tables not read
		}
		columns := pushable(q, views)
		pruned := slices.ContainsFunc(columns, func(c string) bool { return strings.HasSuffix(c, "_at") })
		why, listed := allTime[name]
		switch {
		case pruned && listed:
			t.Errorf("view %s: a filter on %v reaches the tables: it is listed for the contrary", name, columns)
		case !pruned && !listed:
			t.Errorf("view %s: no filter reaches the partition column of %v", name, wholeBelow(q, views))
		case listed && why == "":
			t.Errorf("view %s: no reason is given", name)
		}
	}
	for name := range allTime {
		if views[name] == nil {
			t.Errorf("view %s is gone, its reason is not", name)
		}
	}
	for _, name := range []string{"events", "field_changes"} {
		if got := pushable(views[name], views); !slices.Equal(got, []string{"occurred_at"}) {
			t.Errorf("view %s: a filter on %v reaches the tables, want one on occurred_at", name, got)
		}
	}
}

// TestReadWhole judges statements of every kind. It catches a filter that is
// believed to be of use where BigQuery can make none of it, and one that is
// overlooked.
func TestReadWhole(t *testing.T) {
	a := newAnalyzer(t)
	views := a.addViews(t)
	const day = "occurred_at >= TIMESTAMP '2026-11-01' AND occurred_at < TIMESTAMP '2026-11-02'"
	for _, test := range []struct{ sql, want string }{
		{"SELECT * FROM events_log", "events_log"},
		{"SELECT * FROM events_log WHERE " + day, ""},
		{"SELECT * FROM events WHERE " + day, ""},
		{"SELECT * FROM field_changes WHERE field = 'name' AND " + day, ""},
		{"SELECT * FROM transitions WHERE " + day, "transitions_log"},
		// What bounds a column.
		{"SELECT * FROM events_log WHERE occurred_at = '2026-11-01'", ""},
		{"SELECT * FROM events_log WHERE '2026-11-01' < occurred_at", ""},
		{"SELECT * FROM events_log WHERE occurred_at BETWEEN '2026-11-01' AND '2026-11-02'", ""},
		{"SELECT * FROM events_log WHERE occurred_at IN ('2026-11-01')", ""},
		{"SELECT * FROM events_log WHERE occurred_at > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)", ""},
		{"SELECT * FROM events_log WHERE occurred_at > ingested_at", "events_log"},
		{"SELECT * FROM events_log WHERE occurred_at > (SELECT MAX(erased_at) FROM erasures WHERE erased_at > '2026-11-01')", "events_log"},
		{"SELECT * FROM events_log WHERE occurred_at IS NOT NULL", "events_log"},
		{"SELECT * FROM events_log WHERE NOT occurred_at < '2026-11-01'", "events_log"},
		{"SELECT * FROM events_log WHERE EXTRACT(YEAR FROM occurred_at) = 2026", "events_log"},
		{"SELECT * FROM events_log WHERE ingested_at > '2026-11-01'", "events_log"},
		{"SELECT * FROM events_log WHERE occurred_at > '2026-11-01' OR owner = 'a'", "events_log"},
		{"SELECT * FROM events_log WHERE occurred_at < '2020-01-01' OR occurred_at > '2026-11-01'", ""},
		// What a filter passes.
		{"SELECT * FROM (SELECT occurred_at AS t FROM events_log) WHERE t > '2026-11-01'", ""},
		{"SELECT * FROM (SELECT DATE(occurred_at) AS day FROM events_log) WHERE day > '2026-11-01'", "events_log"},
		{"SELECT * FROM (SELECT occurred_at FROM events_log LIMIT 5) WHERE " + day, "events_log"},
		{"SELECT * FROM (SELECT occurred_at FROM events_log ORDER BY sequence) WHERE " + day, ""},
		{"SELECT * FROM (SELECT occurred_at, COUNT(*) FROM events_log GROUP BY occurred_at) WHERE " + day, ""},
		{"SELECT * FROM (SELECT MAX(occurred_at) AS occurred_at FROM events_log) WHERE " + day, "events_log"},
		{"SELECT * FROM (SELECT occurred_at FROM events_log GROUP BY ROLLUP (occurred_at)) WHERE " + day, "events_log"},
		{"SELECT * FROM (SELECT occurred_at, LAG(owner) OVER (PARTITION BY occurred_at ORDER BY sequence) FROM events_log) WHERE " + day, ""},
		{"SELECT * FROM (SELECT occurred_at, LAG(owner) OVER (PARTITION BY entity_id ORDER BY sequence) FROM events_log) WHERE " + day, "events_log"},
		{"SELECT * FROM (SELECT occurred_at, COUNT(*) OVER () FROM events_log) WHERE " + day, "events_log"},
		{"WITH e AS (SELECT occurred_at FROM events_log) SELECT * FROM e WHERE " + day, ""},
		{"WITH e AS (SELECT occurred_at FROM events_log) SELECT * FROM e WHERE " + day + " UNION ALL SELECT * FROM e", "events_log"},
		{"SELECT * FROM (SELECT occurred_at FROM events_log UNION ALL SELECT occurred_at FROM transitions_log) WHERE " + day, ""},
		{"SELECT * FROM (SELECT occurred_at FROM events_log UNION ALL SELECT ingested_at FROM transitions_log) WHERE " + day, "transitions_log"},
		{"SELECT occurred_at FROM events_log AS e, UNNEST(e.changes) WHERE " + day, ""},
		// Joins and subqueries.
		{"SELECT * FROM events_log AS e JOIN transitions_log AS t USING (event_id) WHERE e.occurred_at > '2026-11-01'", "transitions_log"},
		{"SELECT * FROM events_log AS e JOIN transitions_log AS t ON e.event_id = t.event_id AND t.occurred_at > '2026-11-01' AND e.occurred_at > '2026-11-01'", ""},
		{"SELECT * FROM events_log AS e LEFT JOIN transitions_log AS t ON e.event_id = t.event_id AND t.occurred_at > '2026-11-01' WHERE e.occurred_at > '2026-11-01'", ""},
		{"SELECT * FROM events_log AS e LEFT JOIN transitions_log AS t ON e.event_id = t.event_id AND e.occurred_at > '2026-11-01' WHERE t.occurred_at > '2026-11-01'", "events_log, transitions_log"},
		{"SELECT * FROM events_log AS e RIGHT JOIN transitions_log AS t ON e.event_id = t.event_id AND e.occurred_at > '2026-11-01' WHERE t.occurred_at > '2026-11-01'", ""},
		{"SELECT * FROM events_log AS e FULL JOIN transitions_log AS t ON e.event_id = t.event_id WHERE e.occurred_at > '2026-11-01' AND t.occurred_at > '2026-11-01'", "events_log, transitions_log"},
		{"SELECT (SELECT MAX(erased_at) FROM erasures)", "erasures"},
		{"SELECT * FROM events_log WHERE " + day + " AND entity_id IN (SELECT entity_digest FROM erasures)", "erasures"},
		// Statements that change rows.
		{"DELETE FROM events_log WHERE entity_id = 'a'", "events_log"},
		{"DELETE FROM events_log WHERE entity_id = 'a' AND " + day, ""},
		{"DELETE FROM events_log WHERE " + day + " AND event_id IN (SELECT event_id FROM transitions_log)", "transitions_log"},
		{"UPDATE events_log SET notes = 'a' WHERE notes IS NULL", "events_log"},
		{"UPDATE events_log SET notes = 'a' WHERE " + day, ""},
		{"UPDATE events_log SET notes = (SELECT MAX(entity_digest) FROM erasures) WHERE " + day, "erasures"},
		{"UPDATE events_log AS e SET notes = 'a' FROM erasures AS x WHERE x.entity_digest = e.entity_id AND " + day, "erasures"},
		{"INSERT INTO erasures (entity_digest, erased_at) VALUES ('a', CURRENT_TIMESTAMP())", ""},
		{"INSERT INTO erasures (entity_digest, erased_at) SELECT entity_id, occurred_at FROM events_log", "events_log"},
		{"MERGE events_log AS e USING erasures AS x ON x.entity_digest = e.entity_id AND " + day + " WHEN MATCHED THEN DELETE", "erasures"},
		{"MERGE events_log AS e USING erasures AS x ON x.entity_digest = e.entity_id WHEN MATCHED THEN DELETE", "erasures, events_log"},
	} {
		s, err := a.analyze(test.sql)
		if err != nil {
			t.Errorf("%s: %v", test.sql, err)
			continue
		}
		if got := strings.Join(readWhole(s, views), ", "); got != test.want {
			t.Errorf("%s:\nreads whole %q, want %q", test.sql, got, test.want)
		}
	}
}
