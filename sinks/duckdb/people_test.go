//go:build cgo && !noduckdb

package duckdb_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"leadsync/sinks"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

const (
	dayLong = 24 * 60 * 60
	// midnight is the second of a story at which the day ends in UTC+8:
	// 2024-02-29 16:00:00 UTC.
	midnight = 16*60*60 + 10
)

// living returns a database in memory that holds the events, each twice, and
// whose views take that second of the story for the present.
func living(t *testing.T, now int, events ...event) *duckdb.DB {
	t.Helper()
	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	t.Cleanup(func() { _ = db.Close() })
	tr := transform.New(transform.Options{})
	for copies := range 2 {
		var rows transform.Rows
		for i, e := range events {
			e.send(t, tr, &rows, "941", copies*100+i)
		}
		if err := db.Write(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
	}
	stopClock(t, db, start.Add(time.Duration(now)*time.Second))
	return db
}

// stopClock makes the views take the instant for the present.
func stopClock(t testing.TB, db *duckdb.DB, now time.Time) {
	t.Helper()
	d := sinks.DuckDB("Asia/Shanghai")
	d.Now = d.Instant(now.UTC().Format("2006-01-02 15:04:05"))
	var plan sinks.Plan
	for _, v := range sinks.Views(d) {
		plan = append(plan, sinks.Change{Object: v.Name, SQL: "CREATE OR REPLACE VIEW " + v.Name + " AS\n" + v.SQL})
	}
	if err := db.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}

// answers compares a query's rows, one line each, with what they must be. An
// instant of a story is told by its second, NULL by a dash.
func answers(t *testing.T, db *duckdb.DB, sql string, want ...string) {
	t.Helper()
	_, rows := query(t, db, sql)
	var got []string
	for _, row := range rows {
		line := make([]string, len(row))
		for i, value := range row {
			switch v := value.(type) {
			case nil:
				line[i] = "-"
			case time.Time:
				line[i] = "@" + strconv.FormatFloat(v.Sub(start).Seconds(), 'f', -1, 64)
			default:
				line[i] = fmt.Sprint(v)
			}
		}
		got = append(got, strings.Join(line, " "))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nof: %s", diff, sql)
	}
}

// The events that the tests below are told in. Empty values are NULL.

func stage(second int, lead, from, to string) event {
	return event{second, "object_update_life_cycle", lead, m{"from_life_status": from, "to_life_status": to}, ""}
}

func pool(second int, lead, from, to string) event {
	return event{second, "object_change_lead_pool", lead, m{"from_lead_pool": from, "to_lead_pool": to}, ""}
}

func ownerChange(second int, lead, from, to string) event {
	return event{second, "object_change_owner", lead, m{"former_owner": from, "owner": to}, ""}
}

func created(second int, lead string, data, text m) event {
	return event{second, "object_create", lead, m{"mapping_data": data, "mapping_data_text": text}, ""}
}

func updated(second int, lead string, data, text m) event {
	return event{second, "object_update", lead, m{"mapping_data": data, "mapping_data_text": text}, ""}
}

func followUp(second int, lead string, counts int) event {
	return event{second, "object_add_notes", lead, m{"is_follow_up": counts, "notes": "called"}, ""}
}

func (e event) ofAccount() event {
	e.object = "account"
	return e
}

// stages are leads that go through the stages a, b and c on both sides of a
// midnight in UTC+8.
var stages = []event{
	created(0, "L1", m{"life_status": []any{"a"}}, m{"life_status": "Erste"}),
	{midnight - 1, "object_update_life_cycle", "L1", m{
		"from_life_status": "a", "to_life_status": "b",
		"mapping_data_text": m{"life_status": []any{"First", "Second"}},
	}, ""},
	stage(midnight, "L1", "b", "c"),
	stage(midnight-1, "L2", "", "a"),
	// Its stage was taken away, and another given later.
	created(0, "L3", m{"life_status": []any{"a"}}, nil),
	updated(100, "L3", m{"life_status": []any{"a", nil}}, nil),
	stage(200_000, "L3", "", "b"),
	// It was in a stage that we never heard of, and came back.
	stage(0, "L4", "a", "b"), stage(midnight+90, "L4", "never told", "b"),
	// Its creation is told by two events.
	created(10, "L5", m{"life_status": []any{"a"}}, nil), stage(10, "L5", "", "a"), stage(150_000, "L5", "a", "c"),
	created(0, "L6", m{"life_status": []any{"a"}}, nil), {50, "object_voids", "L6", m{}, ""},
	// Two changes in one second.
	stage(300, "L7", "a", "b"), stage(300, "L7", "", "a"),
	stage(5, "L1", "", "a").ofAccount(), stage(6, "L1", "a", "b").ofAccount(),
}

// Catches a funnel that counts in another zone's days, counts accounts,
// repeats or copies, forgets who left by having the stage taken away, takes
// that for going on, or does not carry the stock over days without a row.
func TestFunnelDaily(t *testing.T) {
	db := living(t, 200_100, stages...)
	answers(t, db, `SELECT day, life_status, life_status_label, entries, exits, leads_at_end, converted, round(conversion, 3)
		FROM funnel_daily ORDER BY day, life_status`,
		"2024-02-29 a First 6 3 3 3 0.5", // into a: all but L4; out of it: L1, L3 and L7
		"2024-02-29 b Second 3 0 3 2 0.667",
		"2024-03-01 b Second 1 2 2 0 0",
		"2024-03-01 c - 1 0 1 0 0",
		"2024-03-02 a First 0 1 2 0 -",
		"2024-03-02 b Second 1 0 3 0 0",
		"2024-03-02 c - 1 0 2 0 0",
	)
	answers(t, db, "SELECT DISTINCT typeof(entries), typeof(leads_at_end), typeof(conversion) FROM funnel_daily", "BIGINT BIGINT DOUBLE")
}

// Catches durations that mix finished with open stays, a wrong rank, and a
// stage that nobody has left yet left out.
func TestStageDurations(t *testing.T) {
	db := living(t, 200_100, stages...)
	answers(t, db, `SELECT life_status, life_status_label, stays, median_seconds, p90_seconds, mean_seconds, open_stays, median_open_seconds
		FROM stage_durations ORDER BY life_status`,
		"a First 4 100 149990 51924.75 2 142491", // 0, 100, 57609, 149990; open for 142491 and 200100
		"b Second 2 1 57700 28850.5 3 142400",    // 1, 57700; open for 100, 142400 and 199800
		"c - 0 - - - 2 50100",
	)
}

// Catches a percentile that is off by one rank for some number of stays.
func TestPercentileRank(t *testing.T) {
	var events []event
	var want []string
	for n := 1; n <= 21; n++ {
		for i := 1; i <= n; i++ {
			lead, at := fmt.Sprintf("L%d-%d", n, i), fmt.Sprintf("s%02d", n)
			events = append(events, stage(0, lead, "", at), stage(i, lead, at, "end"))
		}
		want = append(want, fmt.Sprintf("s%02d %d %d", n, (n+1)/2, (9*n+9)/10))
	}
	db := living(t, 100, events...)
	answers(t, db, `SELECT life_status, median_seconds, p90_seconds FROM stage_durations WHERE stays > 0 ORDER BY life_status`, want...)
}

// Catches a workload that counts voided leads, accounts or copies, that gives
// a follow-up to whoever owned the lead before or after, that loses owners
// without leads, and a wrong edge of the 30 days.
func TestOwnerWorkload(t *testing.T) {
	const now = 40 * dayLong
	named := func(e event, former string) event {
		e.data["former_owner_name"] = former
		return e
	}
	db := living(t, now,
		ownerChange(0, "L1", "", "o1"),
		named(ownerChange(20*dayLong, "L1", "o1", "o2"), "One"),
		updated(39*dayLong, "L1", m{"owner": []any{"o2", nil}}, m{"owner": []any{"Two", "-"}}),
		followUp(5*dayLong, "L1", 1), // too long ago
		followUp(20*dayLong, "L1", 1),
		followUp(21*dayLong, "L1", 0),
		followUp(25*dayLong, "L1", 1),
		followUp(39*dayLong, "L1", 1), // nobody's
		followUp(26*dayLong, "L1", 1).ofAccount(),
		created(15*dayLong, "L2", m{"owner": []any{"o1"}}, nil),
		event{12 * dayLong, "object_add_notes", "L3", m{"owner": "o3", "is_follow_up": 1}, ""},
		ownerChange(11*dayLong, "L4", "", "o1"), event{12 * dayLong, "object_voids", "L4", m{}, ""},
		ownerChange(1*dayLong, "L5", "", "o4"), ownerChange(2*dayLong, "L5", "o4", "o5"),
		ownerChange(3*dayLong, "L6", "", "o5"), event{4 * dayLong, "object_voids", "L6", m{}, ""}, event{5 * dayLong, "object_restore", "L6", m{}, ""},
		ownerChange(10*dayLong, "L7", "", "o1"), // 30 days ago
		ownerChange(10*dayLong+1, "L8", "", "o1"),
		ownerChange(30*dayLong, "L1", "o1", "o6").ofAccount(),
		ownerChange(41*dayLong, "L9", "", "o7"), followUp(41*dayLong+1, "L9", 1), // a clock that is ahead
	)
	answers(t, db, `SELECT owner, owner_label, leads, gained_30_days, lost_30_days, follow_ups_30_days, last_gained_at, median_seconds_held
		FROM owner_workload ORDER BY owner`,
		fmt.Sprint("o1 One 3 3 1 0 @", 15*dayLong, " ", 20*dayLong), // L2, L7 and L8; gained L2, L4 and L8
		fmt.Sprint("o2 Two 0 1 1 2 @", 20*dayLong, " ", 19*dayLong),
		"o3 - 1 0 0 1 - -",
		fmt.Sprint("o4 - 0 0 0 0 @", 1*dayLong, " ", 1*dayLong),
		fmt.Sprint("o5 - 2 0 0 0 @", 3*dayLong, " -"),
		fmt.Sprint("o7 - 1 0 0 0 @", 41*dayLong, " -"),
	)
}

// Catches a flow that counts in another zone's days, counts accounts, or
// loses a lead that is in no pool.
func TestPoolFlow(t *testing.T) {
	db := living(t, 200_100,
		created(0, "P1", m{"lead_pool": []any{"market"}}, m{"lead_pool": "Markt"}),
		pool(midnight-1, "P1", "market", ""), pool(150_000, "P1", "", "market"),
		created(midnight-1, "P2", m{"lead_pool": []any{"market"}}, nil), pool(midnight, "P2", "market", "sales"),
		pool(0, "P1", "market", "sales").ofAccount(),
	)
	answers(t, db, "SELECT day, lead_pool, lead_pool_label, leads_in, leads_out, net, leads_at_end FROM pool_flow ORDER BY day, lead_pool",
		"2024-02-29 market Markt 2 1 1 1",
		"2024-03-01 market Markt 0 1 -1 0",
		"2024-03-01 sales - 1 0 1 1",
		"2024-03-02 market Markt 1 0 1 1",
	)
}
