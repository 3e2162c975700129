//go:build cgo && !noduckdb

package duckdb_test

import "testing"

// Catches gaps and repeats read wrongly from events as the source sends them.
// Each case tells which changes there were, which rows told one again, and
// which gaps are left.
func TestGapsAndRepeats(t *testing.T) {
	cases := map[string]struct {
		events                 []event
		changes, repeats, gaps []string
	}{
		"nothing is missing": {
			events:  []event{stage(0, "L", "", "a"), stage(5, "L", "a", "b")},
			changes: []string{"@0 life_status - a", "@5 life_status a b"},
		},
		"a missing event": {
			events:  []event{stage(0, "L", "", "a"), stage(9, "L", "b", "c")},
			changes: []string{"@0 life_status - a", "@9 life_status b c"},
			gaps:    []string{"lead life_status object_update_life_cycle a b A B @0 @9"},
		},
		"a missing event, found by a changed field": {
			events:  []event{pool(0, "L", "", "a"), updated(9, "L", m{"lead_pool": []any{"b", "c"}}, nil)},
			changes: []string{"@0 lead_pool - a", "@9 lead_pool b c"},
			gaps:    []string{"lead lead_pool object_update a b - - @0 @9"},
		},
		"a changed field that does not tell what was before": {
			events:  []event{pool(0, "L", "", "a"), updated(9, "L", m{"lead_pool": []any{nil, "c"}}, nil)},
			changes: []string{"@0 lead_pool - a", "@9 lead_pool - c"},
		},
		"a missing event after which nothing was left": {
			events:  []event{ownerChange(0, "L", "", "a"), ownerChange(9, "L", "", "b")},
			changes: []string{"@0 owner - a", "@9 owner - b"},
			gaps:    []string{"lead owner object_change_owner a - - - @0 @9"},
		},
		"the gap begins where the value was last heard of": {
			events: []event{
				stage(0, "L", "", "a"), updated(4, "L", m{"life_status": []any{nil, "a"}}, nil), stage(9, "L", "b", "c"),
			},
			changes: []string{"@0 life_status - a", "@9 life_status b c"},
			repeats: []string{"@4 life_status - a"},
			gaps:    []string{"lead life_status object_update_life_cycle a b A B @4 @9"},
		},
		"the same change told by two events": {
			events: []event{
				created(0, "L", m{"life_status": []any{"a"}}, nil), stage(0, "L", "", "a"),
				updated(5, "L", m{"life_status": []any{"a", "b"}}, nil), stage(6, "L", "a", "b"),
			},
			changes: []string{"@0 life_status - a", "@5 life_status a b"},
			repeats: []string{"@0 life_status - a", "@6 life_status a b"},
		},
		"a change back": {
			events:  []event{stage(0, "L", "a", "b"), stage(5, "L", "b", "a"), stage(9, "L", "a", "b")},
			changes: []string{"@0 life_status a b", "@5 life_status b a", "@9 life_status a b"},
		},
		"a change back of which the way is missing": {
			events:  []event{stage(0, "L", "", "a"), stage(9, "L", "b", "a")},
			changes: []string{"@0 life_status - a", "@9 life_status b a"},
			gaps:    []string{"lead life_status object_update_life_cycle a b A B @0 @9"},
		},
		"two changes in one second, the later received first": {
			events:  []event{stage(5, "L", "b", "c"), stage(5, "L", "a", "b"), stage(0, "L", "", "a")},
			changes: []string{"@0 life_status - a", "@5 life_status a b", "@5 life_status b c"},
		},
		"a voided lead restored": {
			events: []event{
				stage(0, "L", "", "a"), {3, "object_voids", "L", m{}, ""}, {6, "object_restore", "L", m{}, ""}, stage(9, "L", "a", "b"),
			},
			changes: []string{"@0 life_status - a", "@9 life_status a b"},
		},
		"an account of the same id": {
			events:  []event{stage(0, "L", "", "a"), stage(5, "L", "x", "y").ofAccount(), stage(9, "L", "a", "b")},
			changes: []string{"@0 life_status - a", "@5 life_status x y", "@9 life_status a b"},
		},
		"a gap of an account": {
			events:  []event{ownerChange(0, "L", "", "a").ofAccount(), ownerChange(5, "L", "b", "c").ofAccount()},
			changes: []string{"@0 owner - a", "@5 owner b c"},
			gaps:    []string{"account owner object_change_owner a b - - @0 @5"},
		},
	}
	events := []event{updated(0, "labels", m{"life_status": []any{"a", "b"}}, m{"life_status": []any{"A", "B"}})}
	for name, test := range cases {
		for _, e := range test.events {
			e.entity = name
			events = append(events, e)
		}
	}
	db := living(t, 100, events...)
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			of := "WHERE entity_id = '" + name + "' "
			answers(t, db, "SELECT occurred_at, dimension, from_value, to_value FROM transitions "+of+"AND NOT is_repeat ORDER BY ALL", test.changes...)
			answers(t, db, "SELECT occurred_at, dimension, from_value, to_value FROM transitions "+of+"AND is_repeat ORDER BY ALL", test.repeats...)
			answers(t, db, `SELECT object_name, dimension, event_type, missing_from_value, missing_to_value, missing_from_label, missing_to_label, gap_began_at, gap_ended_at
				FROM transition_gaps `+of+`ORDER BY ALL`, test.gaps...)
		})
	}
	answers(t, db, "SELECT count(*), count(DISTINCT event_id) FROM transition_gaps JOIN events USING (event_id, event_type) WHERE occurred_at = gap_ended_at", "6 6")
}

// Catches a change whose reason is lost because another event told of it
// first, one that takes the reason of another change to the same owner, and a
// repeat that looks like a change with a reason.
func TestReasonWhoeverTells(t *testing.T) {
	moved := func(second int, from, to string, scene int) event {
		return event{second, "object_change_owner", "L", m{"former_owner": from, "owner": to, "scene_type": scene}, ""}
	}
	db := living(t, 100,
		updated(5, "L", m{"owner": []any{"a", "b"}}, nil), moved(6, "a", "b", 2), moved(7, "a", "b", 3),
		moved(9, "b", "a", 4), moved(12, "c", "a", 5), updated(15, "L", m{"owner": []any{"a", "d"}}, nil))
	answers(t, db, "SELECT occurred_at, to_owner, reason_code, reason FROM owner_transitions ORDER BY ALL",
		"@5 b 2 manual_allocation", "@9 a 4 manual_return", "@12 a 5 auto_reclaim", "@15 d - -")
	answers(t, db, "SELECT occurred_at, reason_code, change_reason_code, change_reason FROM transitions WHERE is_repeat OR origin = 'field_change' ORDER BY ALL",
		"@5 - 2 manual_allocation", "@6 2 - -", "@7 3 - -", "@15 - - -")
}
