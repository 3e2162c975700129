//go:build cgo && !noduckdb

package duckdb_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// promotedVariable names the fields that this process promotes before its
// first test: a definition cannot be put back. pathVariable names a database
// that its tests share with those of the process that started it.
const (
	promotedVariable = "DUCKDB_TEST_PROMOTED"
	pathVariable     = "DUCKDB_TEST_PATH"
)

func init() {
	if fields := os.Getenv(promotedVariable); fields != "" {
		if err := transform.Promote(strings.Split(fields, ",")...); err != nil {
			panic(err)
		}
	}
}

// newer runs tests in a process whose definition has columns for the fields.
func newer(t *testing.T, fields []string, path, tests string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", tests, "-test.count=1")
	cmd.Env = append(os.Environ(), promotedVariable+"="+strings.Join(fields, ","), pathVariable+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "no tests to run") {
		t.Errorf("with columns for %.200s: %v\n%s", fields, err, out)
	}
}

// older skips the test unless it runs in a process that newer has started. It
// returns the database's path.
func older(t *testing.T) string {
	path := os.Getenv(pathVariable)
	if path == "" {
		t.Skip("runs in a process of its own, which another test starts")
	}
	return path
}

// scored appends the rows of an event that has a field which is promoted.
func scored(t testing.TB, rows *transform.Rows, entity, score string) {
	t.Helper()
	payload := fmt.Appendf(nil, `{"mid":"1","event_type":"object_update","create_time":%d,"extra_data":{"entity_id":%q,"lead_score":%s}}`,
		start.Unix(), entity, score)
	if _, err := transform.New(transform.Options{}).Transform(rows, payload, transform.Delivery{IngestedAt: start, Source: "pubsub"}); err != nil {
		t.Fatal(err)
	}
}

func writeScored(t testing.TB, db *duckdb.DB, entity, score string) {
	t.Helper()
	var rows transform.Rows
	scored(t, &rows, entity, score)
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
}

// column returns the values of events_log in a column, by entity.
func column(t testing.TB, db *duckdb.DB, relation, name string) map[string]any {
	t.Helper()
	values := make(map[string]any)
	_, rows := query(t, db, fmt.Sprintf("SELECT entity_id, %s FROM %s", name, relation))
	for _, row := range rows {
		values[row[0].(string)] = row[1]
	}
	return values
}

func fillSQL(field string) string {
	f, err := transform.ParseField(field)
	if err != nil {
		panic(err)
	}
	return sinks.Statement(sinks.DuckDB("Asia/Shanghai"), "promote_fill", map[string]string{
		"Column": f.Column(), "Part": f.Part.String(), "Key": f.Key,
	})
}

// A file goes from an older definition to a newer one, back, and on again, as
// it does when the setting is there for some workers only. Catches rows that
// are lost or refused on the way, an old row that has a value, a column that
// the older definition drops or trips over, and rows that are filled twice.
func TestDefinitionsInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, duckdb.Config{Path: path})
	writeScored(t, db, "old", `"1"`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	newer(t, []string{"lead_score"}, path, "^TestNewerDefinition$")
	db = open(t, duckdb.Config{Path: path}) // and it says that view events differs
	if diff := gocmp.Diff([]string(nil), actions(plan(t, db))); diff != "" {
		t.Errorf("plan of the older definition after Open (-want +got):\n%s", diff)
	}
	writeScored(t, db, "again", "3")
	want := map[string]any{"old": "1", "new": "2", "again": nil}
	if diff := gocmp.Diff(want, column(t, db, "events_log", "lead_score")); diff != "" {
		t.Errorf("column after the older definition wrote (-want +got):\n%s", diff)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	newer(t, []string{"lead_score"}, path, "^TestNewerDefinitionAgain$")
}

func TestNewerDefinition(t *testing.T) {
	path := older(t)
	old := open(t, duckdb.Config{Path: path, ReadOnly: true})
	if diff := gocmp.Diff([]string{"table events_log: add column lead_score", "view events: replace"}, actions(plan(t, old))); diff != "" {
		t.Errorf("plan for the older file (-want +got):\n%s", diff)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, duckdb.Config{Path: path})
	defer db.Close()
	writeScored(t, db, "new", "2")
	if diff := gocmp.Diff(map[string]any{"old": nil, "new": "2"}, column(t, db, "events", "lead_score")); diff != "" {
		t.Errorf("before it is filled (-want +got):\n%s", diff)
	}
	for _, want := range []int64{1, 0} {
		if n, err := db.Execute(t.Context(), fillSQL("lead_score")); err != nil || n[0] != want {
			t.Errorf("filled %v rows, %v, want %d", n, err, want)
		}
	}
	extra := map[string]any{"old": `{"extra_data":{"lead_score":"1"}}`, "new": nil}
	if diff := gocmp.Diff(extra, column(t, db, "events", "extra")); diff != "" {
		t.Errorf("extra (-want +got):\n%s", diff)
	}
}

func TestNewerDefinitionAgain(t *testing.T) {
	db := open(t, duckdb.Config{Path: older(t)})
	defer db.Close()
	if n, err := db.Execute(t.Context(), fillSQL("lead_score")); err != nil || n[0] != 1 {
		t.Errorf("filled %v rows, %v, want the one that the older definition wrote", n, err)
	}
	if diff := gocmp.Diff(map[string]any{"old": "1", "new": "2", "again": "3"}, column(t, db, "events", "lead_score")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fillKeys are keys that JSON paths, pointers and literals could trip over.
var fillKeys = []string{
	"plain", "a.b", `quo"te`, `it's`, "sl/ash", "til~1de", `back\slash`, "$x", "*1", "7", "[0]", "线索1", "envelope.top", "sp ace", "{{x}}",
}

// Catches a column that depends on when its row was written, and a key that
// names another value or none.
func TestFillIsAsLive(t *testing.T) {
	newer(t, nil, filepath.Join(t.TempDir(), "w.duckdb"), "^TestFilled$")
}

// Each value under each key is written by the older and by the newer
// definition, then the older rows are filled.
func TestFilled(t *testing.T) {
	path := older(t)
	values := []string{
		`"text"`, `"-"`, `" "`, `"线索\n\"'\\"`, `"12"`, `"true"`, `"null"`, `"{}"`, `"\u00e9\ud83d\ude00"`, `""`, `null`, `true`, `false`,
		`0`, `-12`, `18446744073709551615`, `-9223372036854775808`, `123456789012345678901234567890`,
		`12.50`, `-0.1`, `1e3`, `1E-7`, `0.1000000000000000055511151231257827`, `[]`, `[1]`, `{}`, `{"a":1}`,
	}
	var rows transform.Rows
	for i, v := range values {
		appendFields(t, &rows, fmt.Sprint("old ", i), v)
	}
	if err := transform.Promote(fillKeys...); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		appendFields(t, &rows, fmt.Sprint("live ", i), v)
	}
	db := open(t, duckdb.Config{Path: path})
	defer db.Close()
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	for _, key := range fillKeys {
		f, err := transform.ParseField(key)
		if err != nil {
			t.Fatal(err)
		}
		live := column(t, db, "events_log", f.Column())
		if _, err := db.Execute(t.Context(), fillSQL(key)); err != nil {
			t.Fatal(err)
		}
		filled := column(t, db, "events_log", f.Column())
		for i, v := range values {
			old, now := filled[fmt.Sprint("old ", i)], filled[fmt.Sprint("live ", i)]
			if want := live[fmt.Sprint("live ", i)]; !sameText(old, want) || now != want {
				t.Errorf("key %s, value %s: live %v; filled %v, and of what was live %v", key, v, want, old, now)
			}
		}
		if live["live 0"] != "text" {
			t.Errorf("key %s: live text is %v", key, live["live 0"])
		}
	}
}

// appendFields appends the rows of an event in which all keys have the value.
func appendFields(t testing.TB, rows *transform.Rows, entity, value string) {
	t.Helper()
	parts := map[transform.Part]string{}
	for _, key := range fillKeys {
		f, err := transform.ParseField(key)
		if err != nil {
			t.Fatal(err)
		}
		name, err := json.Marshal(f.Key)
		if err != nil {
			t.Fatal(err)
		}
		parts[f.Part] += "," + string(name) + ":" + value
	}
	payload := fmt.Sprintf(`{"mid":"1","event_type":"x","create_time":%d%s,"extra_data":{"entity_id":%q%s}}`,
		start.Unix(), parts[transform.Envelope], entity, parts[transform.ExtraData])
	if _, err := transform.New(transform.Options{}).Transform(rows, []byte(payload), transform.Delivery{IngestedAt: start, Source: "pubsub"}); err != nil {
		t.Fatal(err)
	}
}

// sameText tells whether two values are the same text, or the same number that
// is no integer: the warehouse writes it in its own way.
func sameText(a, b any) bool {
	if a == b {
		return true
	}
	s, ok1 := a.(string)
	u, ok2 := b.(string)
	if !ok1 || !ok2 || !strings.ContainsAny(u, ".eE") {
		return false
	}
	x, _, err1 := big.ParseFloat(s, 10, 200, big.ToNearestEven)
	y, _, err2 := big.ParseFloat(u, 10, 200, big.ToNearestEven)
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
}

// The views must be what they are whatever columns the tables have besides
// those defined. Here they have one for every word in the views' SQL. Catches
// an alias in a view that a promoted column hides, or that has become
// ambiguous by it: rename the alias.
func TestViewsBesidePromoted(t *testing.T) {
	files, err := filepath.Glob("../views/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	word := regexp.MustCompile(`\b[a-z_][a-z0-9_]*\b`)
	seen := make(map[string]bool)
	var fields []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "-- ") {
				continue
			}
			for _, w := range word.FindAllString(line, -1) {
				f, err := transform.ParseField(w)
				if err == nil && !seen[f.Column()] && transform.EventsLog.Table().Column(f.Column()) == nil {
					fields = append(fields, w)
					seen[f.Column()] = true
				}
			}
		}
	}
	slices.Sort(fields)
	path := filepath.Join(t.TempDir(), "unused")
	for chunk := range slices.Chunk(fields, transform.MaxPromoted) {
		newer(t, chunk, path, "^(TestViewColumns|TestLeads)$")
	}
}

// Catches a keyword that a column is named with although SQL without quotes
// takes it for something else.
func TestKeywordsAsColumns(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	_, rows := query(t, db, "SELECT keyword_name FROM duckdb_keywords() UNION SELECT function_name FROM duckdb_functions()")
	var names, types, values, updates []string
	for _, row := range rows {
		f, err := transform.ParseField(row[0].(string))
		if name := f.Column(); err == nil && !slices.Contains(names, name) {
			names, types, values = append(names, name), append(types, name+" VARCHAR"), append(values, "'value'")
			updates = append(updates, fmt.Sprintf("%[1]s = CASE WHEN %[1]s IS NOT NULL THEN %[1]s END", name))
		}
	}
	if len(names) < 500 {
		t.Fatalf("%d keywords and functions", len(names))
	}
	list := strings.Join(names, ",\n  ")
	if _, err := db.Execute(t.Context(),
		"CREATE TABLE t ("+strings.Join(types, ", ")+")",
		"INSERT INTO t ("+list+") VALUES ("+strings.Join(values, ", ")+")",
		"UPDATE t SET "+strings.Join(updates, ", "),
	); err != nil {
		t.Fatal(err)
	}
	_, rows = query(t, db, "SELECT\n  "+list+"\nFROM t")
	for i, v := range rows[0] {
		if v != "value" {
			t.Errorf("%s reads as %v", names[i], v)
		}
	}
}
