//go:build cgo && !noduckdb

package duckdb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// An event is what a lead event says beyond its envelope.
type event struct {
	second int
	kind   string
	entity string
	data   map[string]any // of extra_data
	object string         // empty means lead
}

// send transforms the event and appends its rows. minute is when this copy of
// it came in.
func (e event) send(t testing.TB, tr *transform.Transformer, rows *transform.Rows, tenant string, minute int) {
	t.Helper()
	at := start.Add(time.Duration(e.second) * time.Second)
	e.deliver(t, tr, rows, tenant, transform.Delivery{
		MessageID: fmt.Sprint("m", minute), PublishedAt: at, IngestedAt: at.Add(time.Duration(minute) * time.Minute), Source: "pubsub",
	})
}

// load appends the event's rows as a file that does not tell when it was
// published, loaded so many minutes after it happened.
func (e event) load(t testing.TB, tr *transform.Transformer, rows *transform.Rows, tenant string, minute int) {
	t.Helper()
	at := start.Add(time.Duration(e.second) * time.Second)
	e.deliver(t, tr, rows, tenant, transform.Delivery{IngestedAt: at.Add(time.Duration(minute) * time.Minute), Source: "backfill"})
}

func (e event) deliver(t testing.TB, tr *transform.Transformer, rows *transform.Rows, tenant string, delivery transform.Delivery) {
	t.Helper()
	data := map[string]any{"object_name": "lead", "entity_id": e.entity}
	if e.object != "" {
		data["object_name"] = e.object
	}
	for k, v := range e.data {
		data[k] = v
	}
	payload, err := json.Marshal(map[string]any{
		"mid": tenant, "event_category": "object_v2", "event_type": e.kind, "action_keyword": e.kind,
		"create_time": start.Unix() + int64(e.second), "extra_data": data,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Transform(rows, payload, delivery); err != nil {
		t.Fatal(err)
	}
}

type m = map[string]any

// life is a lead's life: created, told again, changed, taken away, voided,
// restored. The account's must not mix with it.
var life = []event{
	{0, "object_create", "L1", m{
		"owner": nil, "life_status": "baby_lead", "business_type": "bt1", "business_type_name": "Authing",
		"created_timestamp": "2024-02-29 07:59:45",
		"mapping_data":      m{"name": []any{"张三"}, "life_status": []any{"baby_lead"}, "lead_pool": []any{"market"}, "email": []any{"a@example.test"}},
		"mapping_data_text": m{"life_status": "初始线索", "lead_pool": "市场公海", "name": "张三"},
	}, ""},
	{0, "object_update_life_cycle", "L1", m{"to_life_status": "baby_lead", "business_type": "bt1"}, ""},
	{0, "object_change_owner", "L1", m{"owner": "o1", "former_owner": nil, "scene_type": 1}, ""},
	{10, "object_update_life_cycle", "L1", m{"from_life_status": "baby_lead", "to_life_status": "mql"}, ""},
	{20, "object_update", "L1", m{
		"mapping_data":      m{"email": []any{"a@example.test", nil}, "mobile": []any{nil, "123"}, "life_status": []any{"baby_lead", "mql"}},
		"mapping_data_text": m{"life_status": []any{"初始线索", "合格线索"}, "mobile": []any{"-", "1·2·3"}},
	}, ""},
	{25, "object_update_life_cycle", "L1", m{"from_life_status": "baby_lead", "to_life_status": "mql"}, ""},
	{26, "object_update", "L1", m{
		"mapping_data":      m{"lead_pool": []any{nil, "market"}},
		"mapping_data_text": m{"lead_pool": []any{"-", "renamed"}},
	}, ""},
	{30, "object_change_owner", "L1", m{"owner": nil, "former_owner": "o1", "former_owner_name": "李四", "scene_type": 5}, ""},
	{40, "object_voids", "L1", m{}, ""},
	{50, "object_restore", "L1", m{}, ""},
	{60, "object_voids", "L2", m{"owner": "o2", "life_status": "sql", "business_type": "bt2", "business_type_name": "Zwei"}, ""},
	{70, "object_add_notes", "L2", m{"owner": "o3", "notes": "called"}, ""},
	{80, "object_update", "L1", m{"mapping_data": m{"name": []any{"张三", "Account"}}}, "account"},
	{81, "object_change_owner", "L1", m{"former_owner": "x", "owner": "y"}, "account"},
	{82, "object_update_life_cycle", "L2", m{"to_life_status": "never"}, "account"},
	{90, "add_omni_user_success", "", m{}, ""},
}

// lived returns a database in memory with the rows of life.
func lived(t *testing.T) *duckdb.DB {
	t.Helper()
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	var rows transform.Rows
	tr := transform.New(transform.Options{})
	for i, e := range life {
		e.send(t, tr, &rows, "941", i)
	}
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	return db
}

// Catches a wrong latest value in leads, by hand: a label that only a repeat
// carries, a repeat with another label, a field emptied, an owner taken away, the fall-back on the events'
// own columns, voided and restored, an account of the same id.
func TestLeads(t *testing.T) {
	db := lived(t)
	defer db.Close()
	var got []m
	names, leads := query(t, db, "SELECT * FROM leads ORDER BY entity_id")
	for _, lead := range leads {
		set := make(m)
		for i, name := range names {
			if lead[i] != nil && name != "seconds_in_life_status" {
				set[name] = lead[i]
			}
		}
		got = append(got, set)
	}
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	want := []m{{
		"tenant_id": "941", "entity_id": "L1", "life_status": "mql", "life_status_label": "合格线索",
		"lead_pool": "market", "lead_pool_label": "市场公海", "business_type": "bt1", "business_type_label": "Authing",
		"name": "张三", "name_label": "张三", "mobile": "123", "mobile_label": "1·2·3",
		"created_at": at(-5), "last_event_at": at(50), "is_voided": false, "life_status_entered_at": at(10),
		"life_status_label_now": "合格线索", "lead_pool_label_now": "renamed", "business_type_label_now": "Authing",
	}, {
		"tenant_id": "941", "entity_id": "L2", "owner": "o3", "life_status": "sql",
		"business_type": "bt2", "business_type_label": "Zwei",
		"last_event_at": at(70), "is_voided": true, "business_type_label_now": "Zwei",
	}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("leads (-want +got):\n%s", diff)
	}
	_, accounts := query(t, db, "SELECT entity_id, name, owner FROM accounts ORDER BY entity_id")
	if diff := gocmp.Diff([][]any{{"L1", "Account", "y"}, {"L2", nil, nil}}, accounts); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	_, stay := query(t, db, `SELECT seconds_in_life_status = date_diff('second', life_status_entered_at, now()) FROM leads WHERE entity_id = 'L1'`)
	if diff := gocmp.Diff([][]any{{true}}, stay); diff != "" {
		t.Errorf("seconds in life_status up to now (-want +got):\n%s", diff)
	}
}

// Catches a narrow view that mixes dimensions, keeps repeats or names its
// columns wrongly.
func TestNarrowTransitions(t *testing.T) {
	db := lived(t)
	defer db.Close()
	for _, test := range []struct {
		sql  string
		want [][]any
	}{
		{"SELECT from_owner, to_owner, from_owner_label, previous_to_owner, reason, dwell_seconds FROM owner_transitions WHERE object_name = 'lead' ORDER BY occurred_at",
			[][]any{{nil, "o1", nil, nil, "auto_allocation", int64(30)}, {"o1", nil, "李四", "o1", "auto_reclaim", nil}}},
		{"SELECT from_life_status, to_life_status, to_life_status_label, is_current FROM life_status_transitions WHERE object_name = 'lead' ORDER BY occurred_at",
			[][]any{{nil, "baby_lead", "初始线索", false}, {"baby_lead", "mql", nil, true}}},
		{"SELECT from_lead_pool, to_lead_pool, to_lead_pool_label, origin FROM lead_pool_transitions",
			[][]any{{nil, "market", "市场公海", "creation"}}},
		{"SELECT from_status, to_status FROM status_transitions", nil},
		{"SELECT field, before_value, after_value, before_label, after_label FROM field_changes WHERE event_type = 'object_update' AND object_name = 'lead' ORDER BY field",
			[][]any{
				{"email", "a@example.test", nil, nil, nil}, {"lead_pool", nil, "market", nil, "renamed"},
				{"life_status", "baby_lead", "mql", "初始线索", "合格线索"}, {"mobile", nil, "123", nil, "1·2·3"},
			}},
		{"SELECT count(*), count(DISTINCT event_id) FROM events", [][]any{{int64(len(life)), int64(len(life))}}},
	} {
		if _, got := query(t, db, test.sql); !gocmp.Equal(test.want, got) {
			t.Errorf("%s (-want +got):\n%s", test.sql, gocmp.Diff(test.want, got))
		}
	}
}

// Catches a view that shows another copy than the one first ingested, one from a
// file although there is one that was published, or more than one.
func TestFirstCopy(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	tr := transform.New(transform.Options{})
	for _, minute := range []int{7, 3, 5, 3} {
		var rows transform.Rows
		life[0].send(t, tr, &rows, "941", minute)
		life[0].load(t, tr, &rows, "941", minute-3)
		if err := db.Write(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"SELECT message_id FROM events", "SELECT DISTINCT message_id FROM transitions"} {
		if _, got := query(t, db, sql); !gocmp.Equal([][]any{{"m3"}}, got) {
			t.Errorf("%s: %v, want m3", sql, got)
		}
	}
}

// Catches a view whose columns are not those its definition describes.
func TestViewColumns(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	for _, v := range sinks.Views(sinks.DuckDB("Asia/Shanghai")) {
		got, _ := query(t, db, "SELECT * FROM "+v.Name)
		var want []string
		for _, c := range v.Columns {
			want = append(want, c.Name)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("columns of %s (-described +there):\n%s", v.Name, diff)
		}
	}
}

// Catches days that are counted in UTC or in the machine's zone.
func TestDay(t *testing.T) {
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	_, got := query(t, db, "SELECT "+sinks.DuckDB("Asia/Shanghai").Day("TIMESTAMPTZ '2024-02-28 16:00:00Z'"))
	if diff := gocmp.Diff([][]any{{"2024-02-29"}}, got); diff != "" {
		t.Errorf("day (-want +got):\n%s", diff)
	}
}

// An arrival is a way for events to come in: batches of their places, each
// place as often as its event was delivered; ^ of a place is a copy from a file.
type arrival struct {
	events  []event
	batches [][]int
}

// Catches a view that depends on the order in which events arrive, on how
// often, how late, in part from files, or on how they are put into batches: whatever the way,
// every view shows the same but for the delivery. A view added later is among
// them. Each scenario is a tenant of its own, and all are read at once, since
// to plan a query takes longer than to run it.
func TestViewsWhateverTheArrival(t *testing.T) {
	straight := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer straight.Close()
	shuffled := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer shuffled.Close()
	tr := transform.New(transform.Options{})
	scenarios := make(map[string]arrival)
	for seed := range 300 {
		tenant, a := fmt.Sprint(seed), drawArrival.Example(seed)
		scenarios[tenant] = a
		write := func(db *duckdb.DB, places []int, minute int) int {
			var rows transform.Rows
			for _, i := range places {
				if minute++; i < 0 {
					a.events[^i].load(t, tr, &rows, tenant, minute)
					continue
				}
				a.events[i].send(t, tr, &rows, tenant, minute)
			}
			minute += 300 // the next batch comes in hours later
			if err := db.Write(t.Context(), &rows); err != nil {
				t.Fatal(err)
			}
			return minute
		}
		write(straight, indices(len(a.events)), 0)
		minute := 0
		for _, batch := range a.batches {
			minute = write(shuffled, batch, minute)
		}
	}
	now := start.Add(7 * dayLong * time.Second)
	stopClock(t, straight, now)
	stopClock(t, shuffled, now)
	for _, v := range sinks.Views(sinks.DuckDB("")) {
		if slices.Contains(ofDelivery, v.Name) {
			continue
		}
		want, got := content(t, straight, v), content(t, shuffled, v)
		if len(want) < len(scenarios)/8 {
			t.Errorf("%s has rows in %d of %d scenarios: too few to tell", v.Name, len(want), len(scenarios))
		}
		for tenant, a := range scenarios {
			if diff := gocmp.Diff(want[tenant], got[tenant]); diff != "" {
				t.Fatalf("%s, tenant %s (-straight +shuffled):\n%s\nof: %+v", v.Name, tenant, diff, a)
			}
		}
	}
}

var drawArrival = rapid.Custom(func(t *rapid.T) arrival {
	a := arrival{events: rapid.SliceOfN(drawEvent, 1, 12).Draw(t, "events")}
	// Half of the events are late: all copies of the others come before.
	late := rapid.Permutation(indices(len(a.events))).Draw(t, "late")
	early := late[:len(late)/2]
	late = late[len(late)/2:]
	var places []int
	for _, half := range [][]int{early, late} {
		var copies []int
		for range rapid.IntRange(1, 3).Draw(t, "copies") {
			copies = append(copies, half...)
		}
		for _, i := range half {
			if rapid.Bool().Draw(t, "from a file too") {
				copies = append(copies, ^i)
			}
		}
		if len(copies) > 0 {
			places = append(places, rapid.Permutation(copies).Draw(t, "places")...)
		}
	}
	for len(places) > 0 {
		n := rapid.IntRange(1, len(places)).Draw(t, "batch")
		a.batches, places = append(a.batches, places[:n]), places[n:]
	}
	return a
})

var drawEvent = rapid.Custom(func(t *rapid.T) event {
	value := rapid.SampledFrom([]any{nil, "", "a", "b", "c"})
	label := rapid.SampledFrom([]any{nil, "-", "A", "B", "C"})
	pair := func(what string) []any { return []any{value.Draw(t, what+" before"), value.Draw(t, what+" after")} }
	labels := func(what string) []any {
		return []any{label.Draw(t, what+" label before"), label.Draw(t, what+" label after")}
	}
	e := event{
		second: rapid.SampledFrom([]int{0, 1, 2, 3, midnight - 1, midnight}).Draw(t, "second"),
		entity: rapid.SampledFrom([]string{"E", "F"}).Draw(t, "entity"),
		data: m{
			"life_status":   value.Draw(t, "life_status"),
			"business_type": value.Draw(t, "business_type"), "business_type_name": label.Draw(t, "business_type_name"),
		},
		object: rapid.SampledFrom([]string{"lead", "lead", "account"}).Draw(t, "object"),
		kind: rapid.SampledFrom([]string{
			"object_create", "object_update", "object_change_owner", "object_update_life_cycle", "object_change_lead_pool",
			"object_update_status", "object_add_notes", "object_voids", "object_restore",
		}).Draw(t, "kind"),
	}
	switch e.kind {
	case "object_create":
		e.data["mapping_data"] = m{"name": []any{value.Draw(t, "name")}, "life_status": []any{value.Draw(t, "created")}, "owner": []any{value.Draw(t, "owned")}}
		e.data["mapping_data_text"] = m{"life_status": label.Draw(t, "created label"), "owner": label.Draw(t, "owned label")}
	case "object_update":
		e.data["mapping_data"] = m{"name": pair("name"), "owner": pair("owner"), "lead_pool": pair("lead_pool"), "business_type": pair("type")}
		e.data["mapping_data_text"] = m{"owner": labels("owner"), "lead_pool": labels("lead_pool"), "business_type": labels("type")}
	case "object_change_owner":
		e.data["former_owner"], e.data["owner"] = value.Draw(t, "from"), value.Draw(t, "to")
		e.data["former_owner_name"] = label.Draw(t, "former_owner_name")
	case "object_update_life_cycle":
		e.data["from_life_status"], e.data["to_life_status"] = value.Draw(t, "from"), value.Draw(t, "to")
	case "object_change_lead_pool":
		e.data["from_lead_pool"], e.data["to_lead_pool"] = value.Draw(t, "from"), value.Draw(t, "to")
	case "object_update_status":
		e.data["from_leads_status"], e.data["to_leads_status"] = value.Draw(t, "from"), value.Draw(t, "to")
	case "object_add_notes":
		e.data["is_follow_up"], e.data["owner"] = rapid.IntRange(0, 1).Draw(t, "is_follow_up"), value.Draw(t, "owner")
	}
	return e
})

// ofDelivery are views that tell how events were delivered, and of nothing
// else: freshness when, ledger_daily and completeness_daily in which batches,
// dead_letter_status what was none, backfill_files from which files.
var ofDelivery = []string{"freshness", "ledger_daily", "completeness_daily", "dead_letter_status", "backfill_files"}

// passing are columns that tell when a copy came in, beside those of the
// tables that do. Columns that tell of the time now need not be among them:
// the clock is stopped.
var passing = []string{"last_ingested_at", "_fivetran_synced"}

// content returns the view's rows as text, in order, by tenant, without the
// columns that tell of a delivery.
func content(t testing.TB, db *duckdb.DB, v sinks.View) map[string][]string {
	names := []string{"tenant_id"}
	for _, c := range v.Columns {
		delivery := transform.EventsLog.Table().Column(c.Name)
		if (delivery == nil || !delivery.Delivery) && !slices.Contains(passing, c.Name) {
			names = append(names, c.Name)
		}
	}
	_, rows := query(t, db, fmt.Sprintf("SELECT %s FROM %s", strings.Join(names, ", "), v.Name))
	lines := make(map[string][]string)
	for _, row := range rows {
		var line strings.Builder
		for i, name := range names {
			fmt.Fprintf(&line, "%s=%v ", name, row[i])
		}
		tenant := row[0].(string)
		lines[tenant] = append(lines[tenant], line.String())
	}
	for _, tenant := range lines {
		slices.Sort(tenant)
	}
	return lines
}
