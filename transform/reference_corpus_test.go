package transform_test

// corpus returns the seeds of the fuzz targets: the two published samples,
// the traps that are known, and generated events.
func corpus() [][]byte {
	var out [][]byte
	for _, s := range []string{sampleCreate, sampleUpdate,
		`{"mid":941,"event_type":"object_change_owner","create_time":"1676962253","extra_data":{"entity_id":"E","former_owner":"","owner":7,"scene_type":"2","former_owner_name":"-","mapping_data":{"owner":["x","y"]},"mapping_data_text":{"owner":["X","-"]},"timeline_data":[],"members":"a, b","is_follow_up":"1"}}`,
		`{"mid":1,"event_type":"object_update","create_time":1676962253,"extra_data":{"entity_id":"E","mapping_data":{"owner":["a",null],"lead_pool":[1e400,2],"life_status":[{},[],3],"leads_status":true},"owner":{"k":1},"x":[1.50,18446744073709551616]}}`,
		`{"mid":1,"event_type":"x","create_time":1676962253,"extra_data":[],"\ud83d\ude00":"\u0000\/"}`,
		`{"mid":1,"event_type":"x","create_time":1676962253,"\u006did":2}`,
		`[]`, `{}`, `"\ud800"`,
	} {
		out = append(out, []byte(s))
	}
	for seed := range uint64(24) {
		out = append(out, fromSeed(3e6+seed).payload())
	}
	return out
}

const sampleCreate = `{
	"mid": "941",
	"event_category": "object_v2",
	"event_type": "object_create",
	"action_keyword": "object_create",
	"create_time": 1676962253,
	"extra_data": {
		"object_id": "56", "object_name": "lead", "entity_id": "e9vMaiGWybEQ3Nc9xGgwV4",
		"operator_type": 0, "operator_id": 0, "omni_user_uuid": "", "is_follow_up": 0, "notes": "",
		"login_platform": "", "login_source_value": "", "login_source_type": "", "login_environment": "",
		"timeline_data": {"login_platform": "", "login_environment": "", "login_source_type": "", "login_source_name": ""},
		"business_type": "WNh7rwLXUQPFwACQ6EKPqD",
		"created_timestamp": "2023-02-21 14:50:53",
		"owner": null,
		"life_status": "baby_lead",
		"lead_omni_user_uuid": "7wJy7CNpCPWnP7XMYwEHdn",
		"mapping_data": {
			"name": ["张三"],
			"business_type": ["WNh7rwLXUQPFwACQ6EKPqD"],
			"headimgurl": ["[\"http:\\\\/\\\\/img.example.test\\\\/mmhead\\\\/Q3auHgzwzM4EHT2nacEd\\\\/0\"]"],
			"lead_pool": ["market"],
			"life_status": ["baby_lead"],
			"to_baby_lead_timestamp": ["2023-02-21 14:50:53"]
		},
		"mapping_data_text": {
			"name": "张三",
			"business_type": "Authing",
			"headimgurl": "image",
			"lead_pool": "市场公海",
			"life_status": "初始线索",
			"to_baby_lead_timestamp": "2023-02-21 14:50:53"
		},
		"business_type_name": "Authing"
	}
}`

const sampleUpdate = `{
	"event_type": "object_update",
	"create_time": 1677492512,
	"action_keyword": "object_update",
	"extra_data": {
		"login_source_value": null, "notes": null, "operator_id": 23849,
		"timeline_data": {"login_platform": "jing", "login_source_name": null, "login_source_type": "jingmodule", "login_environment": "pc"},
		"mapping_data": {"company_id": [null, "中山大学"]},
		"created_timestamp": "2023-02-27 18:05:46",
		"entity_id": "B3hJubdf4GR3fNhSyx5npA",
		"object_id": "31",
		"operator_type": 1,
		"login_platform": "jing",
		"is_follow_up": 0,
		"object_name": "account",
		"business_type": "jk58wUZ5AqhzwX7ADc6oz",
		"omni_user_uuid": null,
		"login_source_type": "jingmodule",
		"login_environment": "pc",
		"mapping_data_text": {"company_id": ["-", "中山大学"]}
	},
	"mid": "59",
	"event_category": "object_v2",
	"openplatform": "June"
}`
