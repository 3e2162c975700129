//go:build cgo && !noduckdb

package duckdb_test

import "testing"

// Catches a value without its row, a label that is not the one last seen or
// that depends on which of two events came first, a dash taken for a label,
// and a dimension under the name of its field.
func TestDimValues(t *testing.T) {
	db := living(t, 100,
		event{30, "object_change_owner", "L1", m{"owner": "o1", "former_owner": "o2", "former_owner_name": "Two"}, ""},
		event{20, "object_change_owner", "L2", m{"owner": "o2", "former_owner": "o1", "former_owner_name": "One"}, ""},
		updated(10, "L1", m{"owner": []any{"o1", "o2"}, "leads_status": []any{nil, "s1"}}, m{"owner": []any{"Uno", "Due"}, "leads_status": []any{"-", "New"}}),
		event{40, "object_add_notes", "L1", m{"owner": "o3", "life_status": "a", "business_type": "t1", "business_type_name": "-"}, ""},
		event{50, "object_change_owner", "A1", m{"former_owner": "o1", "former_owner_name": "-"}, "account"},
		event{35, "object_update", "L1", m{
			"business_type": "t1", "business_type_name": "Type", "mapping_data": m{"business_type": []any{"t2", "t1"}},
			"mapping_data_text": m{"business_type": []any{"Second type", "Type, as told again"}},
		}, ""},
		updated(36, "L1", m{"industry": []any{nil, "no dimension"}}, nil),
		pool(60, "L1", "", "market"),
		// A user's event has no entity, and so no transition, but it tells of values too.
		event{70, "object_change_owner", "", m{"owner": "o4", "former_owner": "o2", "former_owner_name": "Two again"}, ""},
	)
	answers(t, db, "SELECT tenant_id, dimension, value, label, first_seen_at, last_seen_at FROM dim_values ORDER BY dimension, value",
		"941 business_type t1 Type, as told again @35 @40", // of one event's two labels the one that sorts last
		"941 business_type t2 Second type @35 @35",
		"941 lead_pool market - @60 @60",
		"941 life_status a - @40 @40",
		"941 owner o1 One @10 @50",
		"941 owner o2 Two again @10 @70",
		"941 owner o3 - @40 @40",
		"941 owner o4 - @70 @70",
		"941 status s1 New @10 @10",
	)
}

// Catches a label now that is the one of its own time or of another
// dimension, and a row lost or doubled for having none.
func TestLabelsNow(t *testing.T) {
	same := m{"owner": []any{"x", "y"}, "lead_pool": []any{"x", "y"}}
	db := living(t, 100,
		updated(10, "L1", same, m{"owner": []any{"Old X", "Old Y"}, "lead_pool": []any{"Pool X", "Pool Y"}}),
		ownerChange(20, "L1", "y", "z"),
		updated(30, "L2", same, m{"owner": []any{"New X", "New Y"}}),
		ownerChange(40, "L2", "y", ""),
	)
	answers(t, db, `SELECT occurred_at, dimension, from_label, to_label, from_label_now, to_label_now FROM transitions ORDER BY ALL`,
		"@10 lead_pool Pool X Pool Y Pool X Pool Y",
		"@10 owner Old X Old Y New X New Y",
		"@20 owner - - New Y -",
		"@30 lead_pool - - Pool X Pool Y",
		"@30 owner New X New Y New X New Y",
		"@40 owner - - New Y -",
	)
	answers(t, db, "SELECT occurred_at, from_owner_label, from_owner_label_now, to_owner_label_now, next_to_owner FROM owner_transitions ORDER BY ALL",
		"@10 Old X New X New Y z", "@20 - New Y - -", "@30 New X New X New Y -", "@40 - New Y - -")
	answers(t, db, "SELECT occurred_at, from_lead_pool_label_now, to_lead_pool_label_now FROM lead_pool_transitions ORDER BY ALL",
		"@10 Pool X Pool Y", "@30 Pool X Pool Y")
}
