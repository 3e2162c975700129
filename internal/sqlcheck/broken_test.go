package sqlcheck

import (
	"strings"
	"testing"
)

// TestBroken gives the analyzer statements that BigQuery refuses. It catches
// a catalog or a language that lets anything pass, which would make every
// other test here say nothing.
func TestBroken(t *testing.T) {
	a := newAnalyzer(t)
	a.addViews(t)
	for _, test := range []struct{ sql, want string }{
		// Names.
		{"SELECT nothing FROM events_log", "Unrecognized name: nothing"},
		{"SELECT e.nothing FROM `test-project.jing_leads.events` AS e", "Name nothing not found"},
		{"SELECT * FROM nowhere", "Table not found: nowhere"},
		{"SELECT c.nothing FROM events_log AS e, UNNEST(e.changes) AS c", "Field name nothing does not exist"},
		{"SELECT nothing(owner) FROM events_log", "Function not found: nothing"},
		{"SELECT owner FROM leads JOIN accounts USING (tenant_id)", "ambiguous"},
		{"SELECT owner AS from FROM leads", "Unexpected keyword FROM"},
		{"DELETE FROM events_log WHERE nothing = 1", "Unrecognized name: nothing"},
		{"UPDATE events_log SET nothing = 1 WHERE TRUE", "Unrecognized name: nothing"},
		{"INSERT INTO events_log (event_id, nothing) VALUES ('a', 'b')", "Column nothing is not present"},
		{"ALTER TABLE nowhere ADD COLUMN c STRING", "Table not found: nowhere"},
		{"ALTER TABLE events_log ALTER COLUMN nothing DROP NOT NULL", "Column not found: nothing"},
		{"ALTER TABLE events_log ADD COLUMN owner STRING", "Column already exists: owner"},
		// Types.
		{"SELECT * FROM events_log WHERE occurred_at = 1", "No matching signature for operator ="},
		{"SELECT * FROM events_log WHERE operator_type = 'a'", "No matching signature for operator ="},
		{"SELECT * FROM events_log WHERE occurred_at > DATE '2024-01-01'", "No matching signature for operator >"},
		{"SELECT CASE WHEN TRUE THEN occurred_at ELSE owner END FROM events_log", "No matching signature for operator CASE"},
		{"SELECT owner || operator_type FROM events_log", "No matching signature for operator ||"},
		{"SELECT TIMESTAMP_DIFF(occurred_at, owner, SECOND) FROM events_log", "No matching signature for function TIMESTAMP_DIFF"},
		{"SELECT SUM(owner) FROM events_log", "No matching signature for aggregate function SUM"},
		{"SELECT ARRAY_AGG(ARRAY_AGG(owner)) FROM events_log", "ARRAY_AGG must not be an array type"},
		{"SELECT ARRAY_AGG(members) FROM events_log", "ARRAY_AGG must not be an array type"},
		{"SELECT MAX_BY(owner, extra) FROM events_log", "must support ordering; Type JSON does not"},
		{"SELECT * FROM events_log ORDER BY extra", "ORDER BY does not support expressions of type JSON"},
		{"SELECT DISTINCT extra FROM events_log", "JSON cannot be used in SELECT DISTINCT"},
		{"SELECT * FROM events_log WHERE extra = timeline_data", "Equality is not defined for arguments of type JSON"},
		{"SELECT * FROM events_log WHERE members = ['a']", "Equality is not defined for arguments of type ARRAY<STRING>"},
		{"SELECT owner FROM events_log UNION ALL SELECT operator_type FROM events_log", "has incompatible types"},
		{"UPDATE events_log SET owner = 1 WHERE TRUE", "cannot be assigned to owner"},
		{"INSERT INTO erasures (entity_digest, erased_at) VALUES ('a', 'b')", "Could not cast literal \"b\" to type TIMESTAMP"},
		// Counts.
		{"CREATE VIEW v (a, b) AS SELECT owner FROM events_log", "The number of view column names (2)"},
		{"SELECT owner FROM events_log UNION ALL SELECT owner, notes FROM events_log", "mismatched column count"},
		{"INSERT INTO erasures (entity_digest, erased_at) VALUES ('a')", "Inserted row has wrong column count"},
		{"SELECT COUNT(*), owner FROM events_log", "neither grouped nor aggregated"},
		{"SELECT owner, notes FROM events_log GROUP BY owner", "neither grouped nor aggregated"},
		{"SELECT owner FROM events_log WHERE COUNT(*) > 1", "not allowed in WHERE clause"},
		{"SELECT owner FROM events_log WHERE ROW_NUMBER() OVER () = 1", "not allowed in WHERE clause"},
		{"SELECT ROW_NUMBER() OVER (ORDER BY sequence ROWS 1 PRECEDING) FROM events_log", "Window framing clause is not allowed"},
		{"SELECT ARRAY_AGG(owner ORDER BY sequence LIMIT 1) OVER () FROM events_log", "not supported on analytic functions"},
		// What other databases have.
		{"SELECT COUNT(*) FILTER (WHERE is_follow_up) FROM events_log", "Syntax error"},
		{"SELECT DISTINCT ON (owner) owner FROM events_log", "Syntax error"},
		{"SELECT owner::VARCHAR FROM events_log", "Syntax error"},
		{"SELECT arg_max(owner, sequence) FROM events_log", "Function not found: arg_max"},
		{"SELECT occurred_at - INTERVAL '1 day' FROM events_log", "Syntax error"},
		{"SELECT list_contains(members, 'a') FROM events_log", "Function not found: list_contains"},
		{"SELECT entity_id IN members FROM events_log", "Syntax error"},
		{"SELECT array_min(members) FROM events_log", "not known to be functions of BigQuery: array_min"},
		{"DELETE FROM events_log", "DELETE must have a WHERE clause"},
		{"INSERT INTO erasures (entity_digest) VALUES ('a') ON CONFLICT DO NOTHING", "ON CONFLICT"},
		{"SELECT 1; SELECT 2", "Expected end of input"},
	} {
		_, err := a.analyze(test.sql)
		if err == nil {
			t.Errorf("%s: taken", test.sql)
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s:\ngot  %v\nwant %s", test.sql, err, test.want)
		}
	}
}

// TestDefinition gives what GoogleSQL takes and BigQuery does not. It catches
// rules that let it pass.
func TestDefinition(t *testing.T) {
	a := newAnalyzer(t)
	for _, test := range []struct{ sql, want string }{
		{"CREATE TABLE t (a STRING OPTIONS (description='a')) CLUSTER BY a OPTIONS (description='t')", ""},
		{"CREATE TABLE t (a STRING) OPTIONS (comment='t')", "no option comment STRING of CreateTableStmt"},
		{"CREATE TABLE t (a STRING) OPTIONS (require_partition_filter='true')", "no option require_partition_filter STRING"},
		{"CREATE TABLE t (a STRING OPTIONS (comment='a'))", "no option comment STRING of column"},
		{"CREATE TABLE t (a ARRAY<STRUCT<b STRING OPTIONS (comment='b')>>)", "no option comment STRING of column"},
		{"CREATE VIEW v (a OPTIONS (comment='a')) AS SELECT 1", "no option comment STRING of column"},
		{"CREATE SCHEMA s OPTIONS (region='EU')", "no option region STRING of CreateSchemaStmt"},
		{"ALTER TABLE events_log ALTER COLUMN notes SET OPTIONS (comment='a')", "no option comment STRING of column"},
		{"ALTER TABLE events_log ALTER COLUMN notes SET OPTIONS (description='a')", ""},
		{"ALTER TABLE events_log ADD COLUMN z STRING OPTIONS (comment='a')", "no option comment STRING of column"},
		{"ALTER TABLE events_log SET OPTIONS (comment='a')", "no option comment STRING of AlterTableSetOptionsStmt"},
		{"CREATE TABLE t (a JSON) CLUSTER BY a", "CLUSTER BY expression must be groupable, but type is JSON"},
		{"CREATE TABLE t (a BYTES) CLUSTER BY a", "clustering by a column of type BYTES"},
		{"CREATE TABLE t (a STRING) CLUSTER BY LOWER(a)", "clustering by what is no column"},
		{"CREATE TABLE t (a STRING, b STRING, c STRING, d STRING, e STRING) CLUSTER BY a, b, c, d, e", "5 clustering columns"},
		{"CREATE TABLE t (a STRING OPTIONS (description='" + strings.Repeat("雪", 1024) + "')) OPTIONS (description='" + strings.Repeat("a", 16384) + "')", ""},
		{"CREATE TABLE t (a STRING OPTIONS (description='" + strings.Repeat("a", 1025) + "'))", "more than 1024 characters"},
		{"CREATE VIEW v OPTIONS (description='" + strings.Repeat("a", 16385) + "') AS SELECT 1 AS a", "more than 16384 characters"},
		{"ALTER MATERIALIZED VIEW field_state SET OPTIONS (comment='a')", "no option comment STRING of AlterMaterializedViewStmt"},
		{"CREATE MATERIALIZED VIEW v CLUSTER BY b AS SELECT 1 AS a", "Unrecognized name: b"},
	} {
		var got string
		if s, err := a.analyze(test.sql); err != nil {
			got = err.Error()
		} else {
			got = strings.Join(definition(s), "; ")
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s:\ngot %q, want %q", test.sql, got, test.want)
		}
	}
}
