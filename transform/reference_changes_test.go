package transform_test

import (
	"cmp"
	"slices"
)

// pair reads mapping_data's or mapping_data_text's value of one field as
// before and after; "" is NULL.
func pair(v *node) (before, after string) {
	switch {
	case v == nil:
		return "", ""
	case v.kind != array:
		return "", plain(v)
	case len(v.elems) == 0:
		return "", ""
	case len(v.elems) == 1:
		return "", plain(v.elems[0])
	case len(v.elems) == 2:
		return plain(v.elems[0]), plain(v.elems[1])
	default:
		return "", v.String()
	}
}

// plain returns a value as the text of a STRING column; "" is NULL.
func plain(v *node) string {
	switch v.kind {
	case null:
		return ""
	case array, object:
		return v.String()
	default:
		return v.text
	}
}

// labels is pair for labels, where "-" is NULL too.
func labels(v *node) (before, after string) {
	before, after = pair(v)
	return label(before), label(after)
}

func label(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func stringOf(v any) string {
	s, _ := v.(string)
	return s
}

// fieldChanges returns the column changes: one record for each field of
// mapping_data that has a value, sorted by field; nil if there is none.
func fieldChanges(data *node) any {
	mapping := data.get("mapping_data")
	if mapping == nil || mapping.kind != object {
		return nil
	}
	fields := slices.Clone(mapping.keys)
	slices.Sort(fields)
	var out [][]any
	for _, field := range fields {
		before, after := pair(mapping.get(field))
		if before == "" && after == "" {
			continue
		}
		beforeLabel, afterLabel := labels(data.get("mapping_data_text").get(field))
		out = append(out, []any{field, nullable(before), nullable(after), nullable(beforeLabel), nullable(afterLabel)})
	}
	if out == nil {
		return nil
	}
	return out
}

// The dimensions, in the order of their rows: the field of mapping_data, and
// the event of their own with its two fields.
var dimensions = []struct{ name, field, event, from, to string }{
	{"owner", "owner", "object_change_owner", "former_owner", "owner"},
	{"life_status", "life_status", "object_update_life_cycle", "from_life_status", "to_life_status"},
	{"lead_pool", "lead_pool", "object_change_lead_pool", "from_lead_pool", "to_lead_pool"},
	{"status", "leads_status", "object_update_status", "from_leads_status", "to_leads_status"},
}

var reasons = map[any]string{
	int64(1): "auto_allocation", int64(2): "manual_allocation", int64(3): "pool_claim",
	int64(4): "manual_return", int64(5): "auto_reclaim", int64(6): "duplicate_merge",
}

// transitionColumns returns the rows of transitions_log, given the event's row.
func transitionColumns(data *node, event map[string]any) []map[string]any {
	if event["entity_id"] == nil {
		return nil
	}
	var out []map[string]any
	for _, dim := range dimensions {
		from, to := pair(data.get("mapping_data").get(dim.field))
		fromLabel, toLabel := labels(data.get("mapping_data_text").get(dim.field))
		t := map[string]any{"dimension": dim.name, "origin": "field_change"}
		switch event["event_type"] {
		case "object_create":
			t["origin"] = "creation"
			from, fromLabel = "", ""
			if dim.name == "owner" || dim.name == "life_status" {
				to = cmp.Or(to, stringOf(event[dim.name]))
			}
		case dim.event:
			t["origin"] = "event"
			from = cmp.Or(stringOf(event[dim.from]), from)
			to = cmp.Or(stringOf(event[dim.to]), to)
			if dim.name == "owner" {
				fromLabel = cmp.Or(label(stringOf(event["former_owner_name"])), fromLabel)
				if code := event["scene_type"]; code != nil {
					t["reason_code"] = code
					if reason := reasons[code]; reason != "" {
						t["reason"] = reason
					}
				}
			}
		}
		if from == to {
			continue // nothing changed, or both NULL
		}
		for column, v := range map[string]string{
			"from_value": from, "to_value": to, "from_label": fromLabel, "to_label": toLabel,
		} {
			if v != "" {
				t[column] = v
			}
		}
		for _, column := range []string{
			"event_id", "sequence", "occurred_at", "tenant_id", "object_name", "entity_id",
			"event_type", "action_keyword", "operator_type", "operator_id",
		} {
			if v := event[column]; v != nil {
				t[column] = v
			}
		}
		out = append(out, t)
	}
	return out
}
