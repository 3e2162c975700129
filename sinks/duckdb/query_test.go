//go:build cgo && !noduckdb

package duckdb_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks/duckdb"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// Catches a value that comes in another form than the contract names, or
// loses digits.
func TestQueryValues(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	at := time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC)
	for expr, want := range map[string]any{
		"NULL":                          nil,
		"'线索'":                          "线索",
		"1::TINYINT":                    int64(1),
		"65535::USMALLINT":              int64(65535),
		"sum(9007199254740993::BIGINT)": int64(9007199254740993),
		"18446744073709551615::UBIGINT": "18446744073709551615",
		"170141183460469231731687303715884105727::HUGEINT": "170141183460469231731687303715884105727",
		"0.5::FLOAT":                                   0.5,
		"'NaN'::DOUBLE = 'NaN'::DOUBLE":                true,
		"1.50::DECIMAL(9,2)":                           "1.5",
		"TIMESTAMPTZ '2024-02-29 09:02:03.000004+08'":  at,
		"TIMESTAMP '2024-02-29 01:02:03.000004'":       at,
		"DATE '2024-02-29'":                            "2024-02-29",
		"TIME '01:02:03.5'":                            "01:02:03.5",
		`'\x00\xFF'::BLOB`:                             []byte{0, 0xff},
		"[1, NULL]":                                    []any{int64(1), nil},
		"{'a': 1, 'b': [{'c': 'd'}]}":                  map[string]any{"a": int64(1), "b": []any{map[string]any{"c": "d"}}},
		"MAP {'k': 1}":                                 map[string]any{"k": int64(1)},
		"'6b1f5cf2-6a43-4c1b-a2c6-6e3d0f0d7a10'::UUID": "6b1f5cf2-6a43-4c1b-a2c6-6e3d0f0d7a10",
		"INTERVAL 1 DAY":                               "0 months 1 days 0s",
		`'{"b":  12345678901234567890,"a":1}'::JSON`:   `{"b":  12345678901234567890,"a":1}`,
		"'null'::JSON":                                 "null",
		"NULL::JSON":                                   nil,
		"'infinity'::DOUBLE":                           math.Inf(1),
	} {
		_, rows := query(t, db, "SELECT "+expr)
		if diff := gocmp.Diff([][]any{{want}}, rows); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expr, diff)
		}
	}
}

// Catches names or order changed on the way, also where JSON columns are cast.
func TestQueryShape(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	for _, test := range []struct {
		sql   string
		names []string
		rows  [][]any
	}{
		{`SELECT 1 AS x, 2 AS x, '[]'::JSON AS x, 3 AS "a""b" -- end; `, []string{"x", "x", "x", `a"b`}, [][]any{{int64(1), int64(2), "[]", int64(3)}}},
		{"FROM (VALUES (2, '2'::JSON), (3, '3'::JSON), (1, '1'::JSON)) AS v(n, j) ORDER BY n DESC;\n", []string{"n", "j"},
			[][]any{{int64(3), "3"}, {int64(2), "2"}, {int64(1), "1"}}},
		{"WITH a AS (SELECT 1 AS one) SELECT * FROM a WHERE FALSE", []string{"one"}, nil},
		{"SELECT column_name FROM (DESCRIBE dead_letters) LIMIT 1", []string{"column_name"}, [][]any{{"dead_letter_id"}}},
	} {
		names, rows := query(t, db, test.sql)
		if diff := gocmp.Diff(test.names, names); diff != "" {
			t.Errorf("%s: names (-want +got):\n%s", test.sql, diff)
		}
		if diff := gocmp.Diff(test.rows, rows); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", test.sql, diff)
		}
	}
	for _, sql := range []string{"DESCRIBE leads", "SHOW TABLES", "SUMMARIZE sync_batches", "VALUES (1)", "FROM leads", "/* a */ -- b\n (SELECT 1)", "TABLE leads"} {
		query(t, db, sql)
	}
}

// Catches a statement that changes something: the database, the session, the
// file system; alone, behind another, or within EXPLAIN.
func TestQueryOnlyReads(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	defer db.Close()
	var rows transform.Rows
	sinktest.Append(&rows, transform.EventsLog, eventRow("1", nil))
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"DELETE FROM events_log", "UPDATE events_log SET notes = ''", "INSERT INTO events_log SELECT * FROM events_log",
		"DROP TABLE events_log", "CREATE TABLE x (a INTEGER)", "CREATE TEMP TABLE x (a INTEGER)", "ALTER TABLE events_log DROP COLUMN notes",
		"SELECT 1; DELETE FROM events_log", "DELETE FROM events_log; SELECT 1", "COMMIT; DELETE FROM events_log", "COMMIT", "ROLLBACK",
		"EXPLAIN ANALYZE DELETE FROM events_log", "EXPLAIN ANALYZE COPY events_log TO '" + dir + "/out.csv'",
		"COPY events_log TO '" + dir + "/out.csv'", "EXPORT DATABASE '" + dir + "/out'", "ATTACH '" + dir + "/other.duckdb'",
		"SET TimeZone = 'Asia/Shanghai'", "PRAGMA threads = 1", "CHECKPOINT", "INSTALL httpfs", "LOAD httpfs", "VACUUM", "USE memory",
		"TRUNCATE events_log", "PREPARE p AS DELETE FROM events_log", "CALL pragma_version()",
		"WITH d AS (DELETE FROM events_log RETURNING *) SELECT * FROM d", "EXPLAIN SELECT 1", "/* SELECT */ DROP VIEW leads", "-- SELECT\nDROP VIEW leads", "", ";", "-- nothing", "SELEC 1",
	} {
		err := db.Query(t.Context(), sql, func([]string) error { return nil }, func([]any) error { return nil })
		if err == nil {
			t.Errorf("%q was run", sql)
		} else if !strings.HasPrefix(err.Error(), "query: ") {
			t.Errorf("%q: error %q", sql, err)
		}
	}
	if _, got := query(t, db, "SELECT count(*), any_value(notes), current_setting('TimeZone') FROM events_log"); !gocmp.Equal(got, [][]any{{int64(1), nil, "UTC"}}) {
		t.Errorf("left behind %v", got)
	}
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f, path) {
			t.Errorf("a query made %s", f)
		}
	}
}

// Catches a query that goes on after nobody waits for it, and connections
// that are lost with it.
func TestQueryEnds(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	for range 6 { // more often than there are connections
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		began := time.Now()
		err := db.Query(ctx, "SELECT sum(a.range * b.range % 7) FROM range(10000000) AS a, range(10000000) AS b",
			func([]string) error { return nil }, func([]any) error { return nil })
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 20*time.Second {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
	}
	stop := errors.New("stop")
	for range 6 {
		n := 0
		err := db.Query(t.Context(), "FROM range(100000)", func([]string) error { return nil }, func([]any) error {
			if n++; n == 3 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || n != 3 {
			t.Fatalf("after %d rows: %v", n, err)
		}
		if err := db.Query(t.Context(), "SELECT 1", func([]string) error { return stop }, nil); !errors.Is(err, stop) {
			t.Fatalf("columns: %v", err)
		}
	}
	query(t, db, "SELECT 1")
}
