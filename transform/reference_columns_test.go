package transform_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/transform"
)

// TestColumnRules checks how a value becomes a column's, and where it goes if
// it cannot.
func TestColumnRules(t *testing.T) {
	cases := []ruleCase{
		{"numbers and booleans in STRING", "x", `"operator_id":23849,"business_type":1.50,"notes":false,"owner":0,"business_unit":1e400`,
			w{"operator_id": "23849", "business_type": "1.50", "notes": "false", "owner": "0", "business_unit": "1e400", "extra": "NULL"}},
		{"what a STRING cannot hold", "x", `"owner":{},"notes":[],"life_status":["a"]`,
			w{"owner": "NULL", "notes": "NULL", "life_status": "NULL", "extra": `{"extra_data":{"owner":{},"notes":[],"life_status":["a"]}}`}},
		{"empty is not kept", "x", `"owner":"","notes":null,"operator_type":"","is_follow_up":null,"created_timestamp":"","members":""`,
			w{"owner": "NULL", "operator_type": "NULL", "is_follow_up": "NULL", "entity_created_at": "NULL", "members": "NULL", "extra": "NULL"}},
		{"- is a value outside labels", "x", `"owner":"-","business_type_name":"-"`, w{"owner": "-", "business_type_name": "-"}},
		{"unknown keys, null and empty included", "x", `"new":null,"Owner":"o","old":"","":[1],"baby_lead_action_uuid":null`,
			w{"extra": `{"extra_data":{"new":null,"Owner":"o","old":"","":[1],"baby_lead_action_uuid":null}}`}},
		{"known keys by any spelling", "x", `"own\u0065r":"o"`, w{"owner": "o", "extra": "NULL"}},
		{"is_follow_up of a string too long", "x", `"is_follow_up":"yes","operator_type":99999999999999999999`,
			w{"is_follow_up": "NULL", "operator_type": "NULL", "extra": `{"extra_data":{"is_follow_up":"yes","operator_type":"99999999999999999999"}}`}},

		{"login from timeline_data", "x", `"login_platform":"","login_environment":"pc","login_source_type":{"a":1},"timeline_data":{"login_platform":"jing","login_environment":"mobile","login_source_type":7,"login_source_name":["n"],"login_source_value":"v"}`,
			w{"login_platform": "jing", "login_environment": "pc", "login_source_type": "7", "login_source_name": "NULL", "login_source_value": "v",
				"extra":         `{"extra_data":{"login_source_type":{"a":1}}}`,
				"timeline_data": `{"login_platform":"jing","login_environment":"mobile","login_source_type":7,"login_source_name":["n"],"login_source_value":"v"}`}},

		{"members one", "x", `"members":"a"`, w{"members": "[a]"}},
		{"members list", "x", `"members":"a, b,,c "`, w{"members": "[a b c]"}},
		{"members array", "x", `"members":["a",5,true,"",null,"b,c"," d"]`, w{"members": "[a 5 true b,c  d]"}},
		{"members number", "x", `"members":17`, w{"members": "[17]"}},
		{"members none", "x", `"members":[]`, w{"members": "NULL", "extra": "NULL"}},
		{"members of commas only", "x", `"members":" , ,"`, w{"members": "NULL", "extra": `{"extra_data":{"members":" , ,"}}`}},
		{"members nested", "x", `"members":["a",["b"]]`, w{"members": "NULL", "extra": `{"extra_data":{"members":["a",["b"]]}}`}},
		{"members object", "x", `"members":{"a":"b"}`, w{"members": "NULL", "extra": `{"extra_data":{"members":{"a":"b"}}}`}},

		{"JSON keeps numbers that BigQuery takes", "x", `"entity_change_mapping":[1.50,3.0,1e2,-0,0.1,1e23,100000000000000000000,18446744073709551615,-9223372036854775808,5e-324]`,
			w{"entity_change_mapping": `[1.50,3.0,1e2,-0,0.1,1e23,100000000000000000000,18446744073709551615,-9223372036854775808,5e-324]`}},
		{"JSON turns the others into strings", "x", `"entity_change_mapping":{"n":[1e400,-1e400,1e-400,18446744073709551616,-9223372036854775809,0.1000000000000000055511151231257827,9007199254740993.0,4.9e-324]}`,
			w{"entity_change_mapping": `{"n":["1e400","-1e400","1e-400","18446744073709551616","-9223372036854775809","0.1000000000000000055511151231257827","9007199254740993.0","4.9e-324"]}`}},
		{"extra too", "x", `"k":{"deep":[1e400]}`, w{"extra": `{"extra_data":{"k":{"deep":["1e400"]}}}`}},
	}
	checkRules(t, append(cases, scalarCases()...))
}

// scalarCases are values of INT64, BOOL and TIMESTAMP columns: what is
// written there, "extra" if the value must be kept in extra instead.
func scalarCases() []ruleCase {
	values := []struct{ key, column, sent, want string }{
		{"operator_type", "operator_type", `3`, "3"}, {"operator_type", "operator_type", `"3"`, "3"},
		{"operator_type", "operator_type", `-3`, "-3"}, {"operator_type", "operator_type", `"-3"`, "-3"},
		{"operator_type", "operator_type", `9223372036854775807`, "9223372036854775807"},
		{"operator_type", "operator_type", `9223372036854775808`, "extra"},
		{"operator_type", "operator_type", `3.0`, "extra"}, {"operator_type", "operator_type", `1e2`, "extra"},
		{"operator_type", "operator_type", `"abc"`, "extra"}, {"operator_type", "operator_type", `true`, "extra"},
		{"operator_type", "operator_type", `" 3"`, "extra"}, {"operator_type", "operator_type", `"+3"`, "extra"},
		{"operator_type", "operator_type", `"03"`, "3"}, {"operator_type", "operator_type", `"-"`, "extra"},
		{"operator_type", "operator_type", `[]`, "extra"}, {"operator_type", "operator_type", `"1_0"`, "extra"},
		{"is_follow_up", "is_follow_up", `1`, "true"}, {"is_follow_up", "is_follow_up", `"0"`, "false"},
		{"is_follow_up", "is_follow_up", `true`, "true"}, {"is_follow_up", "is_follow_up", `"false"`, "false"},
		{"is_follow_up", "is_follow_up", `2`, "extra"}, {"is_follow_up", "is_follow_up", `1.0`, "extra"},
		{"is_follow_up", "is_follow_up", `"TRUE"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21 14:50:53"`, "2023-02-21T06:50:53Z"},
		{"created_timestamp", "entity_created_at", `"1988-07-01 00:00:00"`, "1988-06-30T15:00:00Z"}, // summer time in Shanghai
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:53Z"`, "2023-02-21T14:50:53Z"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:53.1234567-05:30"`, "2023-02-21T20:20:53.123456Z"},
		{"created_timestamp", "entity_created_at", `1676962253`, "2023-02-21T06:50:53Z"},
		{"created_timestamp", "entity_created_at", `"1676962253"`, "2023-02-21T06:50:53Z"},
		{"created_timestamp", "entity_created_at", `-1`, "1969-12-31T23:59:59Z"},
		{"created_timestamp", "entity_created_at", `1676962253000`, "extra"}, // milliseconds: beyond the year 9999
		{"created_timestamp", "entity_created_at", `1676962253.5`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21 14:50:53.5"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21 4:50:53"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21 14:50"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-30 14:50:53"`, "extra"},
		{"created_timestamp", "entity_created_at", `"0000-00-00 00:00:00"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:53"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:53,5Z"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T4:50:53Z"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:53+24:00"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:53+08:60"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T14:50:60Z"`, "extra"},
		{"created_timestamp", "entity_created_at", `"2023-02-21T24:00:00Z"`, "extra"},
		{"created_timestamp", "entity_created_at", `"0001-01-01T00:00:00Z"`, "extra"}, // no date, in some systems' words
		{"created_timestamp", "entity_created_at", `"0001-01-01T00:00:01Z"`, "0001-01-01T00:00:01Z"},
		{"created_timestamp", "entity_created_at", `"0001-01-01 00:00:00"`, "extra"}, // the year 0 in UTC
		{"created_timestamp", "entity_created_at", `"9999-12-31T23:59:59-01:00"`, "extra"},
		{"created_timestamp", "entity_created_at", `true`, "extra"},
	}
	var out []ruleCase
	for _, v := range values {
		want := w{v.column: v.want, "extra": "NULL"}
		if v.want == "extra" {
			want = w{v.column: "NULL", "extra": fmt.Sprintf(`{"extra_data":{"%s":%s}}`, v.key, v.sent)}
		}
		out = append(out, ruleCase{v.key + " " + v.sent, "x", fmt.Sprintf(`"%s":%s`, v.key, v.sent), want})
	}
	return out
}

// TestEnvelopeRules checks which bytes are an event, and the code of each
// reason why they are not: the first that applies in the order of the list.
func TestEnvelopeRules(t *testing.T) {
	at := func(year, month, day, h, m, s int) string {
		return fmt.Sprint(time.Date(year, time.Month(month), day, h, m, s, 0, time.UTC).Unix())
	}
	event := func(createTime string) string { return `{"mid":1,"event_type":"x","create_time":` + createTime + `}` }
	nested := func(levels int) string { // the top level is the first
		return `{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `,"mid":1,"event_type":"x","create_time":1676962253}`
	}
	cases := []struct{ name, payload, want string }{
		{"least", event("1676962253"), ""},
		{"nothing", "", "json_invalid"},
		{"white space", " \n", "json_invalid"},
		{"truncated", `{"mid":`, "json_invalid"},
		{"trailing data", event("1676962253") + "{}", "json_invalid"},
		{"trailing white space", event("1676962253") + "\r\n\t ", ""},
		{"byte order mark", "\ufeff" + event("1676962253"), "json_invalid"},
		{"invalid UTF-8", `{"a":"` + "\xff" + `"}`, "json_invalid"},
		{"lone surrogate", `{"a":"\ud83d"}`, "json_invalid"},
		{"key twice", `{"mid":1,"mid":1}`, "json_invalid"},
		{"key twice by escape, deep inside", `{"a":[{"b":1,"\u0062":2}]}`, "json_invalid"},
		{"leading zero", event("01676962253"), "json_invalid"},
		{"too large before anything else", strings.Repeat("[", 10<<20+1), "too_large"},
		{"exactly 10 MiB", strings.Repeat(" ", 10<<20-len(event("1676962253"))) + event("1676962253"), ""},
		{"100 levels", nested(100), ""},
		{"101 levels", nested(101), "json_too_deep"},
		{"101 levels in an array", strings.Repeat("[", 101) + strings.Repeat("]", 101), "json_too_deep"},
		{"deep and invalid", strings.Repeat("[", 101), "json_invalid"},
		{"deep, then invalid", nested(101) + "x", "json_invalid"},
		{"20,000 levels", nested(20_000), "json_too_deep"},
		{"array", `[` + event("1676962253") + `]`, "not_an_object"},
		{"null", `null`, "not_an_object"},
		{"string", `"x"`, "not_an_object"},
		{"no type before no tenant", `{}`, "event_type_missing"},
		{"type null", `{"mid":1,"event_type":null,"create_time":1}`, "event_type_missing"},
		{"type empty", `{"mid":1,"event_type":""}`, "event_type_missing"},
		{"type that does not fit", `{"mid":1,"event_type":["x"],"create_time":1676962253}`, "event_type_missing"},
		{"type a number", `{"mid":1,"event_type":5,"create_time":1676962253}`, ""},
		{"tenant before time", `{"mid":"","event_type":"x"}`, "tenant_missing"},
		{"tenant that does not fit", `{"mid":{},"event_type":"x","create_time":1676962253}`, "tenant_missing"},
		{"no time", `{"mid":1,"event_type":"x"}`, "event_time_invalid"},
		{"time null", event(`null`), "event_time_invalid"},
		{"time empty", event(`""`), "event_time_invalid"},
		{"time string", event(`"1676962253"`), ""},
		{"time string with sign", event(`"-5"`), "event_time_invalid"},
		{"time string with space", event(`"1676962253 "`), "event_time_invalid"},
		{"time float", event(`1676962253.0`), "event_time_invalid"},
		{"time exponent", event(`1e9`), "event_time_invalid"},
		{"time boolean", event(`true`), "event_time_invalid"},
		{"time array", event(`[1676962253]`), "event_time_invalid"},
		{"time zero", event(`0`), "event_time_out_of_range"},
		{"time negative", event(`-1676962253`), "event_time_out_of_range"},
		{"time in milliseconds", event(`1676962253000`), "event_time_out_of_range"},
		{"time beyond int64", event(`99999999999999999999`), "event_time_out_of_range"},
		{"time string beyond int64", event(`"99999999999999999999"`), "event_time_out_of_range"},
		{"10 years and a bit back", event(at(2016, 6, 1, 12, 30, 14)), "event_time_out_of_range"},
		{"10 years back", event(at(2016, 6, 1, 12, 30, 15)), ""},
		{"1 year ahead", event(at(2027, 6, 1, 12, 30, 15)), ""},
		{"1 year and a bit ahead", event(at(2027, 6, 1, 12, 30, 16)), "event_time_out_of_range"},
		{"range before extra_data", `{"mid":1,"event_type":"x","create_time":0,"extra_data":7}`, "event_time_out_of_range"},
		{"extra_data null", strings.Replace(event("1676962253"), "}", `,"extra_data":null}`, 1), ""},
		{"extra_data []", strings.Replace(event("1676962253"), "}", `,"extra_data":[]}`, 1), ""},
		{"extra_data [ ]", strings.Replace(event("1676962253"), "}", `,"extra_data":[ ]}`, 1), ""},
		{"extra_data [1]", strings.Replace(event("1676962253"), "}", `,"extra_data":[1]}`, 1), "extra_data_invalid"},
		{"extra_data a string", strings.Replace(event("1676962253"), "}", `,"extra_data":"{}"}`, 1), "extra_data_invalid"},
		{"extra_data empty string", strings.Replace(event("1676962253"), "}", `,"extra_data":""}`, 1), "extra_data_invalid"},
		{"row above 8 MiB", strings.Replace(event("1676962253"), "}", `,"extra_data":{"notes":"`+strings.Repeat("n", 8<<20)+`"}}`, 1), "row_too_large"},
		{"row of a value told twice", strings.Replace(event("1676962253"), "}", `,"extra_data":{"entity_id":"E","mapping_data":{"f":["`+strings.Repeat("n", 5<<20)+`"]}}}`, 1), "row_too_large"},
	}
	tr := transform.New(transform.Options{})
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var rows transform.Rows
			got := run(t, tr, &rows, []byte(tc.payload), delivered)
			if reason := got.expected().reason; reason != tc.want {
				t.Errorf("reason %q, want %q (%v)", reason, tc.want, got.rejection)
			}
		})
	}
}

// TestErrorsHoldNoValues breaks an event at every place, by cutting it off and
// by putting in a wrong byte, and looks for its values in the error. Letters
// of values must not appear one at a time either.
func TestErrorsHoldNoValues(t *testing.T) {
	const payload = `{"mid":"zq","event_type":"zq","create_time":"zq","extra_data":{"entity_id":"zq","mapping_data":{"zqkey":["zq"]}}}`
	tr := transform.New(transform.Options{})
	for i := range payload {
		for _, broken := range []string{payload[:i], payload[:i] + "ζ" + payload[i:], payload[:i] + "\x01" + payload[i+1:],
			payload[:i] + `"` + payload[i:], payload[:i] + "\xff" + payload[i:], payload} {
			var rows transform.Rows
			_, err := tr.Transform(&rows, []byte(broken), delivered)
			if err == nil {
				continue
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "ζ") {
				t.Fatalf("%v\n%q", err, broken)
			}
		}
	}
}

// TestIdentityByHand compares event_id with SHA-256 over canonical JSON that
// was written by hand: keys sorted by UTF-16 code units, shortest floats,
// integers digit for digit, the fewest escapes.
func TestIdentityByHand(t *testing.T) {
	payload := `{ "mid" : "1", "event_type":"x", "create_time":1676962253,
		"\ufb33": 1.50, "\ud83d\ude00": 1E2, "a": [123456789012345678901234567890, 1e21, -0.0, 0.000001, 1e-7],
		"\u20ac": "\u0041\/\u001F\u000a<\u007f\u2028" }`
	canonical := `{"a":[123456789012345678901234567890,1e+21,0,0.000001,1e-7],"create_time":1676962253,` +
		`"event_type":"x","mid":"1","€":"A/\u001f\n<` + "\u007f\u2028" + `","😀":100,"` + "\ufb33" + `":1.5}`
	sum := sha256.Sum256([]byte(canonical))
	var rows transform.Rows
	got := run(t, transform.New(transform.Options{}), &rows, []byte(payload), delivered)
	if got.rejection != nil {
		t.Fatal(got.rejection)
	}
	id := hex.EncodeToString(sum[:16])
	if got.rows[0].columns["event_id"] != id || hex.EncodeToString(got.event.ID[:]) != id {
		t.Errorf("event_id %v, event %x, want %s", got.rows[0].columns["event_id"], got.event.ID, id)
	}
}

// TestSequenceOrder checks that later facts sort higher: by second, then by
// rank of the type, then by publish time.
func TestSequenceOrder(t *testing.T) {
	tr := transform.New(transform.Options{})
	sequenceOf := func(eventType string, second int, published time.Time) string {
		var rows transform.Rows
		payload := fmt.Sprintf(`{"mid":"1","event_type":%q,"create_time":%d}`, eventType, 1676962253+second)
		d := delivered
		d.PublishedAt = published
		got := run(t, tr, &rows, []byte(payload), d)
		if got.rejection != nil {
			t.Fatal(got.rejection)
		}
		return got.rows[0].columns["sequence"].(string)
	}
	sequences := []string{
		sequenceOf("add_omni_user_success", 0, now),
		sequenceOf("object_create", 0, time.Time{}),
		sequenceOf("object_create", 0, now.Add(-time.Microsecond)),
		sequenceOf("object_create", 0, now),
		sequenceOf("object_source_info", 0, time.Time{}),
		sequenceOf("object_update", 0, time.Time{}),
		sequenceOf("add_omni_user_success", 1, time.Time{}),
	}
	if !slices.IsSorted(sequences) {
		t.Errorf("not in order:\n%s", strings.Join(sequences, "\n"))
	}
	if want := "0000000063f469cd/01/000653305b462600/"; !strings.HasPrefix(sequences[3], want) || len(sequences[3]) != len(want)+16 {
		t.Errorf("sequence %s is not %s and 16 digits", sequences[3], want)
	}
}
