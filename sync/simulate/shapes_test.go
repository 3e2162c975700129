package simulate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadsync/sync/simulate"
)

// shapes lists what a payload shows of the ways in which the platform writes
// events, as lead-events are documented.
func shapes(payload map[string]any) map[string]bool {
	s := map[string]bool{}
	data := payload["extra_data"].(map[string]any)
	kind := payload["event_type"].(string)
	s["mid "+typeOf(payload, "mid")] = true
	s["create_time "+typeOf(payload, "create_time")] = true
	s["action_keyword "+payload["action_keyword"].(string)] = payload["action_keyword"] != kind
	for _, key := range []string{"object_id", "operator_id", "is_follow_up", "notes", "omni_user_uuid", "timeline_data", "members", "entity_change_mapping"} {
		s[key+" "+typeOf(data, key)] = true
	}
	switch fields := data["mapping_data"].(type) {
	case map[string]any:
		texts := data["mapping_data_text"].(map[string]any)
		for field, v := range fields {
			n := len(v.([]any))
			s[kind+" mapping_data"] = true
			s["mapping_data of "+string(rune('0'+n))+" with text "+typeOf(texts, field)] = true
			if pair, ok := texts[field].([]any); ok && pair[0] == "-" {
				s["a dash for none"] = true
			}
		}
		s["mapping_data {}"] = len(fields) == 0
	case []any:
		s["mapping_data []"] = true
	case nil:
		s["mapping_data "+typeOf(data, "mapping_data")] = true
	}
	if scene, ok := data["scene_type"]; ok {
		s[fmt.Sprint("scene_type ", scene)] = true
	}
	_, known := data["object_name"]
	s["no object_name in "+kind] = !known
	maps.DeleteFunc(s, func(_ string, is bool) bool { return !is })
	return s
}

func typeOf(m map[string]any, key string) string {
	switch v, ok := m[key]; v := v.(type) {
	case nil:
		if !ok {
			return "absent"
		}
		return "null"
	case string:
		if v == "" {
			return "empty"
		}
		return "string"
	case float64:
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// Catches a simulation that is tidier than the platform: each of its traps
// must occur.
func TestShapes(t *testing.T) {
	list, _ := deliveries(simulate.Options{Seed: 4, Events: 6000, Now: now})
	seen := map[string]bool{}
	size := 0
	for _, d := range list {
		size += len(d.Payload)
		if d.Poison != "" {
			continue
		}
		var payload map[string]any
		if err := json.Unmarshal(d.Payload, &payload); err != nil {
			t.Fatalf("%v\n%s", err, d.Payload)
		}
		maps.Copy(seen, shapes(payload))
	}
	want := []string{
		"a dash for none",
		"action_keyword auto_distribution",
		"action_keyword manual_distribution",
		"create_time number",
		"create_time string",
		"entity_change_mapping absent",
		"entity_change_mapping array",
		"entity_change_mapping object",
		"is_follow_up number",
		"is_follow_up string",
		"mapping_data []",
		"mapping_data absent",
		"mapping_data null",
		"mapping_data of 1 with text string",
		"mapping_data of 2 with text array",
		"mapping_data {}",
		"members absent",
		"members array",
		"members string",
		"mid number",
		"mid string",
		"no object_name in add_omni_user_success",
		"notes absent",
		"notes empty",
		"notes null",
		"notes string",
		"object_change_lead_pool mapping_data",
		"object_change_owner mapping_data",
		"object_create mapping_data",
		"object_id absent",
		"object_id number",
		"object_id string",
		"object_source_info mapping_data",
		"object_update mapping_data",
		"object_update_life_cycle mapping_data",
		"object_update_status mapping_data",
		"omni_user_uuid absent",
		"omni_user_uuid empty",
		"omni_user_uuid null",
		"omni_user_uuid string",
		"operator_id number",
		"operator_id string",
		"scene_type 1",
		"scene_type 2",
		"scene_type 3",
		"scene_type 4",
		"scene_type 5",
		"scene_type 6",
		"timeline_data array",
		"timeline_data object",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("shapes (-want +seen):\n%s", diff)
	}
	if mean := size / len(list); mean < 800 || mean > 1500 {
		t.Errorf("payloads of %d bytes on average", mean)
	}
}

// Catches an image address that is not escaped twice, as the platform's are:
// the string holds JSON whose string still holds escapes.
func TestImageIsEscapedTwice(t *testing.T) {
	list, _ := deliveries(simulate.Options{Seed: 4, Events: 50, Now: now, Clean: true})
	want := regexp.MustCompile(`"headimgurl":\["\[\\"http:\\\\\\\\/\\\\\\\\/img\.example\.test\\\\\\\\/mmhead\\\\\\\\/\w+\\\\\\\\/0\\"\]"\]`)
	if !slices.ContainsFunc(list, func(d simulate.Delivery) bool { return want.Match(d.Payload) }) {
		t.Errorf("no payload matches %v", want)
	}
}

// Catches numbers and addresses that could be somebody's.
func TestNobodyIsReal(t *testing.T) {
	list, _ := deliveries(simulate.Options{Seed: 6, Events: 3000, Now: now, Clean: true})
	phone, host := regexp.MustCompile(`"1[3-9]\d{9}"`), regexp.MustCompile(`[@/][a-z0-9.-]+\.(?:com|cn|net|org|test)\b`)
	phones, hosts := 0, 0
	for _, d := range list {
		for _, p := range phone.FindAllString(string(d.Payload), -1) {
			if phones++; p[1:8] != "1990000" {
				t.Errorf("phone number %s", p)
			}
		}
		for _, h := range host.FindAllString(string(d.Payload), -1) {
			if hosts++; !regexp.MustCompile(`example\.test$`).MatchString(h) {
				t.Errorf("host %s", h)
			}
		}
	}
	if phones == 0 || hosts == 0 {
		t.Errorf("found %d phone numbers and %d hosts", phones, hosts)
	}
}
