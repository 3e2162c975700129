//go:build cgo && !noduckdb

package duckdb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// past is a lead's life in the order in which it arrives: the changes of
// second 10 in the wrong order, and one of second 25 at the end.
var past = []event{
	{0, "object_create", "L1", m{
		"owner": "o1", "life_status": "baby_lead", "business_type": "bt1", "business_type_name": "Eins",
		"created_timestamp": "2024-02-29 07:59:45",
		"mapping_data":      m{"owner": []any{"o1"}, "life_status": []any{"baby_lead"}, "email": []any{"a@example.test"}, "name": []any{"张三"}},
		"mapping_data_text": m{"owner": "李四", "life_status": "初始线索"},
	}, ""},
	{10, "object_update_life_cycle", "L1", m{"from_life_status": "mql", "to_life_status": "sql"}, ""},
	{10, "object_update_life_cycle", "L1", m{"from_life_status": "baby_lead", "to_life_status": "mql"}, ""},
	{10, "object_update", "L1", m{"mapping_data": m{"title": []any{nil, "CTO"}}, "mapping_data_text": m{"title": []any{"-", "Chief"}}}, ""},
	{15, "object_update_life_cycle", "L1", m{"from_life_status": "mql", "to_life_status": "sql"}, ""}, // told again
	{20, "object_change_owner", "L1", m{"owner": nil, "former_owner": "o1", "scene_type": 5}, ""},
	{30, "object_update", "L1", m{"mapping_data": m{"email": []any{"b@example.test", nil}}}, ""},
	{40, "object_voids", "L1", m{}, ""},
	{45, "object_add_notes", "L1", m{"notes": "called", "owner": "o9"}, ""}, // what it carries counts for nothing
	{50, "object_restore", "L1", m{}, ""},
	{25, "object_update", "L1", m{"mapping_data": m{"email": []any{"a@example.test", "b@example.test"}}}, ""},
	{60, "object_update", "L1", m{"mapping_data": m{"name": []any{"张三", "Account"}}}, "account"},
}

// Catches a version that begins or ends wrongly, one without a change, one
// for each change of a second, a value or label of another time, and a
// change that arrives late and is not put into its place.
func TestHistory(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	tr := transform.New(transform.Options{})
	for copies := range 2 {
		var rows transform.Rows
		for i, e := range past {
			e.send(t, tr, &rows, "941", copies*len(past)+i)
		}
		if err := db.Write(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
	}
	_, got := query(t, db, fmt.Sprintf(`
		SELECT epoch_ms(_fivetran_start) - %[1]d, epoch_ms(_fivetran_end) - %[1]d, _fivetran_active,
			owner, owner_label, life_status, life_status_label, email, title, title_label, is_deleted
		FROM leads_history WHERE id = 'L1' ORDER BY _fivetran_start`, start.UnixMilli()))
	const a, b = "a@example.test", "b@example.test"
	forever := int64(253_402_300_799_999) - start.UnixMilli()
	want := [][]any{
		{int64(0), int64(9_999), false, "o1", "李四", "baby_lead", "初始线索", a, nil, nil, false},
		{int64(10_000), int64(19_999), false, "o1", "李四", "sql", nil, a, "CTO", "Chief", false},
		{int64(20_000), int64(24_999), false, nil, nil, "sql", nil, a, "CTO", "Chief", false},
		{int64(25_000), int64(29_999), false, nil, nil, "sql", nil, b, "CTO", "Chief", false},
		{int64(30_000), int64(39_999), false, nil, nil, "sql", nil, nil, "CTO", "Chief", false},
		{int64(40_000), int64(49_999), false, nil, nil, "sql", nil, nil, "CTO", "Chief", true},
		{int64(50_000), forever, true, nil, nil, "sql", nil, nil, "CTO", "Chief", false},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	_, got = query(t, db, fmt.Sprintf(`
		SELECT DISTINCT tenant_id, business_type, business_type_label, name, epoch_ms(created_at) - %[1]d, epoch_ms(_fivetran_synced) - %[1]d
		FROM leads_history`, start.UnixMilli()))
	// The copy of second 25 came in last: one minute for each that came before.
	last := int64(25+60*(2*len(past)-2)) * 1000
	if diff := gocmp.Diff([][]any{{"941", "bt1", "Eins", "张三", int64(-5000), last}}, got); diff != "" {
		t.Errorf("what no version changes (-want +got):\n%s", diff)
	}
}

// lastSecond is the last in which an event of drawPast happens; 0 is the first.
const lastSecond = 4

// pasts returns a database with many leads' lives, each a tenant of its own,
// up to a second.
func pasts(t *testing.T, second int) *duckdb.DB {
	t.Helper()
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	tr := transform.New(transform.Options{})
	var rows transform.Rows
	for seed := range 300 {
		for i, e := range drawPast.Example(seed) {
			if e.second <= second {
				e.send(t, tr, &rows, fmt.Sprint(seed), i)
			}
		}
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	return db
}

// shared returns the columns that leads and leads_history have both.
func shared(t *testing.T) []string {
	t.Helper()
	columns := make(map[string][]string)
	for _, v := range sinks.Views(sinks.DuckDB("")) {
		for _, c := range v.Columns {
			columns[v.Name] = append(columns[v.Name], c.Name)
		}
	}
	both := slices.DeleteFunc(columns["leads_history"], func(name string) bool { return !slices.Contains(columns["leads"], name) })
	if len(both) != 1+2*(4+9)+1 { // tenant_id, the values and their labels, created_at
		t.Fatalf("%d columns are shared: %v", len(both), both)
	}
	return both
}

// Catches a history whose last version is not the lead as it is, for any
// lives: the two are made in different ways.
func TestHistoryEndsInLeads(t *testing.T) {
	db := pasts(t, lastSecond)
	defer db.Close()
	columns := strings.Join(shared(t), ", ")
	leads := texts(t, db, "SELECT entity_id AS id, is_voided AS is_deleted, "+columns+" FROM leads")
	active := texts(t, db, "SELECT id, is_deleted, "+columns+" FROM leads_history WHERE _fivetran_active")
	if diff := gocmp.Diff(leads, active); diff != "" {
		t.Errorf("(-leads +leads_history):\n%.3000s", diff)
	}
	if len(leads) < 300 {
		t.Errorf("%d leads are too few to tell", len(leads))
	}
}

// texts returns a query's rows as texts, sorted.
func texts(t *testing.T, db *duckdb.DB, sql string) []string {
	t.Helper()
	var lines []string
	names, rows := query(t, db, sql)
	for _, row := range rows {
		var line strings.Builder
		for i, name := range names {
			fmt.Fprintf(&line, "%s=%v ", name, row[i])
		}
		lines = append(lines, line.String())
	}
	slices.Sort(lines)
	return lines
}

// Catches a version that differs from what leads would have shown at the
// time. Labels of transitions are left out: those that came later count too.
func TestHistoryIsLeadsAtTheTime(t *testing.T) {
	columns := strings.Join(slices.DeleteFunc(shared(t), func(name string) bool {
		return slices.Contains([]string{"created_at", "owner_label", "life_status_label", "lead_pool_label", "status_label"}, name)
	}), ", ")
	whole := pasts(t, lastSecond)
	defer whole.Close()
	for second := range lastSecond {
		part := pasts(t, second)
		then := texts(t, part, "SELECT entity_id AS id, is_voided AS is_deleted, "+columns+" FROM leads")
		if err := part.Close(); err != nil {
			t.Error(err)
		}
		told := texts(t, whole, fmt.Sprintf("SELECT id, is_deleted, %s FROM leads_history WHERE to_timestamp(%d) BETWEEN _fivetran_start AND _fivetran_end",
			columns, start.Unix()+int64(second)))
		if diff := gocmp.Diff(then, told); diff != "" {
			t.Errorf("second %d (-leads then +leads_history):\n%.3000s", second, diff)
		}
	}
}

// Catches versions that overlap, leave a hole, equal the one before, or
// several that are active.
func TestHistoryIsWhole(t *testing.T) {
	db := pasts(t, lastSecond)
	defer db.Close()
	same := strings.Builder{}
	for _, c := range shared(t) {
		fmt.Fprintf(&same, " AND a.%[1]s IS NOT DISTINCT FROM b.%[1]s", c)
	}
	for what, sql := range map[string]string{
		"end that is not a millisecond before the next version": `
			SELECT tenant_id FROM (SELECT *, LEAD(_fivetran_start) OVER (PARTITION BY tenant_id, id ORDER BY _fivetran_start) AS next FROM leads_history)
			WHERE _fivetran_end + INTERVAL 1 MILLISECOND <> next OR _fivetran_active <> (next IS NULL) OR _fivetran_start > _fivetran_end`,
		"end of the active one": `SELECT tenant_id FROM leads_history
			WHERE _fivetran_active <> (_fivetran_end = TIMESTAMPTZ '9999-12-31 23:59:59.999+00')`,
		"first version that is not the first event": `
			SELECT tenant_id FROM (SELECT tenant_id, id, MIN(_fivetran_start) AS start FROM leads_history GROUP BY ALL) AS h
			FULL JOIN (SELECT tenant_id, entity_id AS id, MIN(occurred_at) AS start FROM events WHERE object_name = 'lead' GROUP BY ALL) AS e
			USING (tenant_id, id, start) WHERE h.id IS NULL OR e.id IS NULL`,
		"version without a change": `SELECT a.tenant_id FROM leads_history AS a JOIN leads_history AS b
			ON a.tenant_id = b.tenant_id AND a.id = b.id AND a._fivetran_end + INTERVAL 1 MILLISECOND = b._fivetran_start
			WHERE a.is_deleted = b.is_deleted` + same.String(),
	} {
		if _, rows := query(t, db, sql); len(rows) > 0 {
			t.Errorf("%s: %d, the first of tenant %v", what, len(rows), rows[0][0])
		}
	}
}

// drawPast draws what happens to one or two leads, with everything that
// leads tells.
var drawPast = rapid.Custom(func(t *rapid.T) []event { return rapid.SliceOfN(drawFact, 1, 14).Draw(t, "events") })

var drawFact = rapid.Custom(func(t *rapid.T) event {
	value := rapid.SampledFrom([]any{nil, "", "a", "b", "c"})
	label := rapid.SampledFrom([]any{nil, "-", "A", "B"})
	e := event{
		second: rapid.IntRange(0, lastSecond).Draw(t, "second"),
		entity: rapid.SampledFrom([]string{"E", "E", "F"}).Draw(t, "entity"),
		object: rapid.SampledFrom([]string{"lead", "lead", "lead", "account"}).Draw(t, "object"),
		kind: rapid.SampledFrom([]string{
			"object_create", "object_update", "object_update", "object_change_owner", "object_update_life_cycle",
			"object_change_lead_pool", "object_update_status", "object_voids", "object_restore", "object_add_notes",
		}).Draw(t, "kind"),
		data: m{},
	}
	for _, key := range []string{"owner", "life_status", "business_type", "business_type_name"} {
		if rapid.Bool().Draw(t, "has "+key) {
			e.data[key] = value.Draw(t, key)
		}
	}
	data, text := m{}, m{}
	for _, field := range []string{"owner", "life_status", "lead_pool", "leads_status", "business_type", "email", "name"} {
		if rapid.IntRange(0, 2).Draw(t, "has "+field) > 0 {
			continue
		}
		data[field], text[field] = []any{value.Draw(t, field)}, label.Draw(t, field+" label")
		if e.kind != "object_create" {
			data[field] = []any{value.Draw(t, field+" before"), value.Draw(t, field)}
		}
	}
	e.data["mapping_data"], e.data["mapping_data_text"] = data, text
	own := map[string][2]string{
		"object_change_owner":      {"former_owner", "owner"},
		"object_update_life_cycle": {"from_life_status", "to_life_status"},
		"object_change_lead_pool":  {"from_lead_pool", "to_lead_pool"},
		"object_update_status":     {"from_leads_status", "to_leads_status"},
	}
	if keys, ok := own[e.kind]; ok {
		e.data[keys[0]], e.data[keys[1]] = value.Draw(t, "from"), value.Draw(t, "to")
	}
	return e
})
