package transform_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/transform"
)

// ruleCase is one rule of the data model with an expectation worked out by
// hand, so that the reference and the real implementation cannot be wrong
// together.
type ruleCase struct {
	name      string
	eventType string
	data      string // the members of extra_data beside entity_id "E" and object_name "lead"

	// want maps columns of events_log to their value, NULL if they have none,
	// and "changes" and "transitions" to all of them, as written by
	// tellChanges and tellTransitions.
	want map[string]string
}

// told writes a column's value.
func told(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}

// tellChanges writes each as "field: before>after (before_label>after_label)".
func tellChanges(v any) string {
	var out []string
	records, _ := v.([][]any)
	for _, r := range records {
		out = append(out, fmt.Sprintf("%v: %s>%s (%s>%s)", r[0], told(r[1]), told(r[2]), told(r[3]), told(r[4])))
	}
	return strings.Join(out, " | ")
}

// tellTransitions writes each as "dimension origin: from>to (from_label>to_label)",
// and after that reason_code=reason if there is a code.
func tellTransitions(rows []row) string {
	var out []string
	for _, r := range rows {
		c := r.columns
		s := fmt.Sprintf("%v %v: %s>%s (%s>%s)", c["dimension"], c["origin"],
			told(c["from_value"]), told(c["to_value"]), told(c["from_label"]), told(c["to_label"]))
		if c["reason_code"] != nil || c["reason"] != nil {
			s += " " + told(c["reason_code"]) + "=" + told(c["reason"])
		}
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func checkRules(t *testing.T, cases []ruleCase) {
	tr := transform.New(transform.Options{})
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			payload := fmt.Sprintf(`{"mid":"941","event_type":%q,"create_time":1676962253,"extra_data":{"object_name":"lead"%s}}`,
				tc.eventType, joined(tc.data))
			var rows transform.Rows
			got := run(t, tr, &rows, []byte(payload), delivered)
			if got.rejection != nil {
				t.Fatalf("rejected: %v", got.rejection)
			}
			for column, want := range tc.want {
				var have string
				switch column {
				case "changes":
					have = tellChanges(got.rows[0].columns[column])
				case "transitions":
					have = tellTransitions(got.rows[1:])
				default:
					have = told(got.rows[0].columns[column])
				}
				if have != want {
					t.Errorf("%s = %s, want %s", column, have, want)
				}
			}
		})
	}
}

func joined(data string) string {
	if !strings.Contains(data, `"entity_id"`) {
		data = `"entity_id":"E",` + data
	}
	return strings.TrimRight(","+data, ",")
}

type w = map[string]string

// TestTransitionRules checks which changes of a dimension an event tells of.
func TestTransitionRules(t *testing.T) {
	const change, life, pool, status, update, create = "object_change_owner", "object_update_life_cycle",
		"object_change_lead_pool", "object_update_status", "object_update", "object_create"
	checkRules(t, []ruleCase{
		{"owner change", change, `"former_owner":"a","former_owner_name":"A","owner":"b","scene_type":3`,
			w{"transitions": "owner event: a>b (A>NULL) 3=pool_claim"}},
		{"owner taken away", change, `"former_owner":"a","owner":null,"scene_type":"5"`,
			w{"transitions": "owner event: a>NULL (NULL>NULL) 5=auto_reclaim"}},
		{"owner given by nobody", change, `"former_owner":"","owner":"b","scene_type":1`,
			w{"transitions": "owner event: NULL>b (NULL>NULL) 1=auto_allocation"}},
		{"unknown scene", change, `"former_owner":"a","owner":"b","scene_type":7`,
			w{"transitions": "owner event: a>b (NULL>NULL) 7=NULL"}},
		{"scene that is no integer", change, `"former_owner":"a","owner":"b","scene_type":"7x"`,
			w{"transitions": "owner event: a>b (NULL>NULL)", "scene_type": "NULL", "extra": `{"extra_data":{"scene_type":"7x"}}`}},
		{"own fields win", change, `"former_owner":"a","owner":"b","mapping_data":{"owner":["x","y"]}`,
			w{"transitions": "owner event: a>b (NULL>NULL)", "changes": "owner: x>y (NULL>NULL)"}},
		{"mapping_data fills both", change, `"mapping_data":{"owner":["x","y"]},"mapping_data_text":{"owner":["X","Y"]}`,
			w{"transitions": "owner event: x>y (X>Y)", "owner": "NULL", "former_owner": "NULL"}},
		{"mapping_data fills from", change, `"former_owner":"","owner":"b","mapping_data":{"owner":["x","y"]}`,
			w{"transitions": "owner event: x>b (NULL>NULL)"}},
		{"mapping_data fills to", change, `"former_owner":"a","mapping_data":{"owner":["y"]}`,
			w{"transitions": "owner event: a>y (NULL>NULL)"}},
		{"label of its own wins", change, `"former_owner":"a","former_owner_name":"A","owner":"b","mapping_data_text":{"owner":["X","Y"]}`,
			w{"transitions": "owner event: a>b (A>Y)"}},
		{"label - is none", change, `"former_owner":"a","former_owner_name":"-","owner":"b","mapping_data_text":{"owner":["X","-"]}`,
			w{"transitions": "owner event: a>b (X>NULL)", "former_owner_name": "-"}},
		{"ids as numbers are equal to strings", change, `"former_owner":12,"owner":"12"`, w{"transitions": ""}},
		{"both NULL", change, `"former_owner":"","owner":null`, w{"transitions": ""}},
		{"owner that does not fit", change, `"former_owner":"a","owner":{"id":1}`,
			w{"transitions": "owner event: a>NULL (NULL>NULL)", "owner": "NULL", "extra": `{"extra_data":{"owner":{"id":1}}}`}},
		{"another dimension beside its own", change, `"former_owner":"a","owner":"b","mapping_data":{"leads_status":["s","t"],"lead_pool":["p",null]}`,
			w{"transitions": "owner event: a>b (NULL>NULL) | lead_pool field_change: p>NULL (NULL>NULL) | status field_change: s>t (NULL>NULL)"}},

		{"life cycle", life, `"from_life_status":"a","to_life_status":"b","life_status":"c","mapping_data_text":{"life_status":["A","B"]}`,
			w{"transitions": "life_status event: a>b (A>B)"}},
		{"lead pool", pool, `"from_lead_pool":"a","to_lead_pool":null`, w{"transitions": "lead_pool event: a>NULL (NULL>NULL)"}},
		{"status", status, `"from_leads_status":"a","to_leads_status":"b","mapping_data_text":{"leads_status":["A","B"],"status":["C","D"]}`,
			w{"transitions": "status event: a>b (A>B)"}},
		{"from = to", status, `"from_leads_status":"a","to_leads_status":"a"`, w{"transitions": ""}},
		{"from = to after filling", status, `"to_leads_status":"a","mapping_data":{"leads_status":["a","b"]}`, w{"transitions": ""}},
		{"own fields of another event", update, `"from_life_status":"a","to_life_status":"b"`,
			w{"transitions": "", "from_life_status": "a", "to_life_status": "b"}},

		{"creation", create, `"life_status":"x","mapping_data":{"lead_pool":["market"],"life_status":["baby"],"leads_status":["new"]},"mapping_data_text":{"lead_pool":"公海","life_status":"-"}`,
			w{"transitions": "life_status creation: NULL>baby (NULL>NULL) | lead_pool creation: NULL>market (NULL>公海) | status creation: NULL>new (NULL>NULL)"}},
		{"creation from extra_data", create, `"owner":5,"life_status":"x","mapping_data":{"owner":[null],"life_status":[]}`,
			w{"transitions": "owner creation: NULL>5 (NULL>NULL) | life_status creation: NULL>x (NULL>NULL)"}},
		{"creation knows no before", create, `"mapping_data":{"owner":["a","b"]},"mapping_data_text":{"owner":["A","B"]}`,
			w{"transitions": "owner creation: NULL>b (NULL>B)", "changes": "owner: a>b (A>B)"}},
		{"creation ignores other own fields", create, `"to_lead_pool":"p","to_leads_status":"s"`, w{"transitions": ""}},
		{"creation and owner's reason", create, `"owner":"a","scene_type":1`, w{"transitions": "owner creation: NULL>a (NULL>NULL)"}},

		{"field change", update, `"owner":"z","mapping_data":{"owner":["a","b"],"name":["c","d"]}`,
			w{"transitions": "owner field_change: a>b (NULL>NULL)"}},
		{"field change, after alone", update, `"mapping_data":{"life_status":["b"],"lead_pool":"p"},"mapping_data_text":{"life_status":"B"}`,
			w{"transitions": "life_status field_change: NULL>b (NULL>B) | lead_pool field_change: NULL>p (NULL>NULL)"}},
		{"field change by an unknown event", "object_teleport", `"mapping_data":{"leads_status":[1,2]},"mapping_data_text":{"leads_status":["-",true]}`,
			w{"transitions": "status field_change: 1>2 (NULL>true)"}},
		{"status is not leads_status", update, `"mapping_data":{"status":["a","b"]}`, w{"transitions": "", "changes": "status: a>b (NULL>NULL)"}},
		{"nothing to nothing", update, `"mapping_data":{"owner":["",null],"life_status":["a","a"],"lead_pool":[]}`,
			w{"transitions": "", "changes": "life_status: a>a (NULL>NULL)"}},
		{"snapshot is no change", update, `"owner":"a","life_status":"b"`, w{"transitions": "", "changes": ""}},

		{"no entity", change, `"entity_id":"","former_owner":"a","owner":"b","mapping_data":{"name":["x"]}`,
			w{"transitions": "", "changes": "", "entity_id": "NULL", "owner": "b", "mapping_data": `{"name":["x"]}`}},
		{"entity that does not fit", change, `"entity_id":["E"],"former_owner":"a","owner":"b","mapping_data":{"name":["x"]}`,
			w{"transitions": "", "changes": "", "entity_id": "NULL", "extra": `{"extra_data":{"entity_id":["E"]}}`}},
	})
}

// TestChangeRules checks how mapping_data becomes changes.
func TestChangeRules(t *testing.T) {
	checkRules(t, []ruleCase{
		{"forms of a value", "object_update", `"mapping_data":{"one":["a"],"two":["b","a"],"bare":"a","none":[],"null":null,"number":7,"object":{"k":[1]}}`,
			w{"changes": `bare: NULL>a (NULL>NULL) | number: NULL>7 (NULL>NULL) | object: NULL>{"k":[1]} (NULL>NULL) | one: NULL>a (NULL>NULL) | two: b>a (NULL>NULL)`}},
		{"more than two", "object_update", `"mapping_data":{"f":[ 1.50 ,null, "\u4e2d\/" ]},"mapping_data_text":{"f":["a","b","-"]}`,
			w{"changes": `f: NULL>[1.50,null,"中/"] (NULL>["a","b","-"])`}},
		{"literals", "object_update", `"mapping_data":{"f":[1.50,true],"g":[-0,123456789012345678901234567890]}`,
			w{"changes": "f: 1.50>true (NULL>NULL) | g: -0>123456789012345678901234567890 (NULL>NULL)"}},
		{"arrays and objects inside", "object_update", `"mapping_data":{"f":[[],{"b":1, "a":"\u0001\n<"}],"g":[["x"]]}`,
			w{"changes": `f: []>{"b":1,"a":"\u0001\n<"} (NULL>NULL) | g: NULL>["x"] (NULL>NULL)`}},
		{"JSON in a string stays a string", "object_create", `"mapping_data":{"headimgurl":["[\"http:\\\\/\\\\/img\"]"]}`,
			w{"changes": `headimgurl: NULL>["http:\\/\\/img"] (NULL>NULL)`, "mapping_data": `{"headimgurl":["[\"http:\\\\/\\\\/img\"]"]}`}},
		{"emptied", "object_update", `"mapping_data":{"f":["a",""],"g":["a",null],"h":["",""],"i":[""]}`,
			w{"changes": "f: a>NULL (NULL>NULL) | g: a>NULL (NULL>NULL)"}},
		{"value - is a value", "object_update", `"mapping_data":{"f":["-","a"]},"mapping_data_text":{"f":["-","a"]}`,
			w{"changes": "f: ->a (NULL>a)"}},
		{"labels", "object_update", `"mapping_data":{"a":[1],"b":[1],"c":[1,2],"d":[1],"e":[1],"f":[1]},"mapping_data_text":{"a":"A","b":["B"],"c":["x","y"],"d":5,"e":{"k":1},"z":"unused"}`,
			w{"changes": `a: NULL>1 (NULL>A) | b: NULL>1 (NULL>B) | c: 1>2 (x>y) | d: NULL>1 (NULL>5) | e: NULL>1 (NULL>{"k":1}) | f: NULL>1 (NULL>NULL)`}},
		{"sorted by bytes", "object_update", `"mapping_data":{"b":[1],"\ud83d\ude00":[1],"\ufb33":[1],"B":[1],"a1":[1],"a":[1]}`,
			w{"changes": "B: NULL>1 (NULL>NULL) | a: NULL>1 (NULL>NULL) | a1: NULL>1 (NULL>NULL) | b: NULL>1 (NULL>NULL) | \ufb33: NULL>1 (NULL>NULL) | 😀: NULL>1 (NULL>NULL)"}},
		{"field without a name", "object_update", `"mapping_data":{"":["x"]},"mapping_data_text":{"":"X"}`, w{"changes": ": NULL>x (NULL>X)"}},
		{"field with an escape in its name", "object_update", `"mapping_data":{"own\u0065r":["x","y"]}`,
			w{"changes": "owner: x>y (NULL>NULL)", "transitions": "owner field_change: x>y (NULL>NULL)"}},
		{"empty maps", "object_update", `"mapping_data":[],"mapping_data_text":[],"timeline_data":[],"entity_change_mapping":[]`,
			w{"changes": "", "mapping_data": "[]", "mapping_data_text": "[]", "timeline_data": "[]", "entity_change_mapping": "[]", "extra": "NULL"}},
		{"no map at all", "object_update", `"mapping_data":"owner","mapping_data_text":["x"],"timeline_data":7,"entity_change_mapping":""`,
			w{"changes": "", "mapping_data": `"owner"`, "mapping_data_text": `["x"]`, "timeline_data": "7", "entity_change_mapping": `""`}},
		{"null maps", "object_update", `"mapping_data":null,"entity_change_mapping":null`,
			w{"mapping_data": "NULL", "entity_change_mapping": "NULL", "timeline_data": "NULL", "extra": "NULL"}},
	})
}
