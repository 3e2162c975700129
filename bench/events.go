package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Events makes lead events that are all different, quickly enough for the
// maker not to be what is measured: a few hundred events are drawn and
// encoded once, and each use of one gets an entity id of its own.
type Events struct {
	templates []template
}

type template struct {
	payload []byte
	holes   []int // where the entity id stands
}

// entityHole stands in a template for the entity id; it is as long as one.
const entityHole = "ENTITY~~~~~~~~~~~~~~~~"

// numTemplates is enough for every kind of event in many sizes of texts, and
// a prime, so that no pattern comes of dealing them out in turn.
const numTemplates = 509

// NewEvents draws the templates: events of about size bytes that happened
// within the day before now. Equal arguments give equal events.
func NewEvents(seed uint64, size int, now time.Time) *Events {
	d := draw{rand.New(rand.NewPCG(seed, 0x1ead))}
	e := &Events{templates: make([]template, numTemplates)}
	for i := range e.templates {
		payload := d.event(size, now)
		e.templates[i] = template{payload, find(payload, entityHole)}
	}
	return e
}

func find(b []byte, word string) []int {
	var at []int
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(word))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(word)
	}
}

// Payload returns event i. It may be called concurrently.
func (e *Events) Payload(i int) []byte {
	t := &e.templates[i%len(e.templates)]
	payload := bytes.Clone(t.payload)
	for _, at := range t.holes {
		putEntity(payload[at:at+len(entityHole)], uint64(i))
	}
	return payload
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// putEntity fills b with letters and digits that look drawn and differ for
// every i: two mixes of 64 bits, of which one alone tells i.
func putEntity(b []byte, i uint64) {
	first, second := mix(i), mix(i+1<<40)
	for k := range b {
		word := &first
		if k >= len(b)/2 {
			word = &second
		}
		b[k] = alphabet[*word%uint64(len(alphabet))]
		*word /= uint64(len(alphabet))
	}
}

// mix is the finishing step of SplitMix64: one to one, and well spread.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw makes up one event after the other.
type draw struct{ *rand.Rand }

// object is a JSON object that is being built.
type object = map[string]any

var kinds = []struct {
	share int // of 100
	name  string
}{
	{38, "object_update"}, {14, "object_create"}, {12, "object_change_owner"},
	{12, "object_update_life_cycle"}, {8, "object_add_notes"}, {6, "object_update_status"},
	{6, "object_change_lead_pool"}, {4, "object_add_team_member"},
}

func (d draw) kind() string {
	n := d.IntN(100)
	for _, k := range kinds {
		if n -= k.share; n < 0 {
			return k.name
		}
	}
	panic("bench: shares of event types do not add up to 100")
}

func (d draw) event(size int, now time.Time) []byte {
	kind := d.kind()
	at := now.Add(-time.Duration(d.Int64N(int64(24 * time.Hour))))
	data := object{
		"object_id": "56", "object_name": "lead", "entity_id": entityHole,
		"operator_type": 1, "operator_id": 20000 + d.IntN(4000), "omni_user_uuid": "", "is_follow_up": d.IntN(2),
		"notes": "", "login_platform": "jing", "login_source_value": nil,
		"login_source_type": "jingmodule", "login_environment": pick(d, "pc", "mobile"),
		"timeline_data": object{
			"login_platform": "jing", "login_environment": "pc", "login_source_type": "jingmodule", "login_source_name": nil,
		},
		"business_type": "WNh7rwLXUQPFwACQ6EKPqD", "business_type_name": "企业客户",
		"created_timestamp": at.Add(-time.Hour).Format(time.DateTime),
		"owner":             d.uuid(), "life_status": d.stage(), "lead_omni_user_uuid": d.id(),
	}
	if d.IntN(12) == 0 {
		data["object_name"], data["object_id"] = "account", "31"
	}
	d.own(data, kind)
	event := object{
		"mid": fmt.Sprint(900 + d.IntN(60)), "event_category": "object_v2", "event_type": kind,
		"action_keyword": kind, "create_time": at.Unix(), "extra_data": data,
	}
	if kind == "object_change_owner" {
		event["action_keyword"] = pick(d, "manual_distribution", "auto_distribution")
	}
	return d.pad(event, data, kind == "object_create", size)
}

// own adds the fields that only this kind of event has.
func (d draw) own(data object, kind string) {
	switch kind {
	case "object_change_owner":
		data["former_owner"], data["former_owner_name"] = d.uuid(), pick(d, people...)
		data["scene_type"] = 1 + d.IntN(6)
	case "object_update_life_cycle":
		data["from_life_status"], data["to_life_status"] = d.stage(), data["life_status"]
	case "object_update_status":
		data["from_leads_status"], data["to_leads_status"] = d.uuid(), d.uuid()
	case "object_change_lead_pool":
		data["from_lead_pool"], data["to_lead_pool"] = "market", pick(d, "sales", "east_china", "partner")
	case "object_add_notes":
		data["notes"], data["is_follow_up"] = d.sentence(40), 1
	case "object_add_team_member":
		data["members"] = []any{d.uuid(), d.uuid()}
	}
}

// pad adds changed fields with their labels until the event has its size, the
// last one to the letter as far as letters of three bytes allow.
func (d draw) pad(event, data object, creation bool, size int) []byte {
	values, labels := object{}, object{}
	data["mapping_data"], data["mapping_data_text"] = values, labels
	put := func(field, before, after string) {
		if creation {
			values[field], labels[field] = []any{after}, after
		} else {
			values[field], labels[field] = []any{before, after}, []any{before, after}
		}
	}
	put("name", pick(d, people...), pick(d, people...))
	for i := 1; size-len(encode(event)) > 250; i++ {
		put(fmt.Sprintf("custom_field_%02d", i), d.sentence(4), d.sentence(3+d.IntN(6)))
	}
	values["remark"] = []any{""}
	if left := size - len(encode(event)); left > 0 {
		values["remark"] = []any{d.sentence(left / 3)}
	}
	return encode(event)
}

func encode(event object) []byte {
	b, err := json.Marshal(event)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return b
}

var people = []string{"张伟", "王芳", "李娜", "刘洋", "陈静", "杨帆", "赵敏", "黄磊", "周婷", "吴昊"}

func (d draw) stage() string {
	return pick(d, "baby_lead", "mql", "sql", "opportunity", "customer", "recycled")
}

func (d draw) id() string { return d.text(22, alphabet) }

func (d draw) uuid() string {
	const hex = "0123456789abcdef"
	return d.text(8, hex) + "-" + d.text(4, hex) + "-4" + d.text(3, hex) + "-a" + d.text(3, hex) + "-" + d.text(12, hex)
}

func (d draw) text(n int, letters string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[d.IntN(len(letters))]
	}
	return string(b)
}

var syllables = []rune("客户咨询产品报价市场公海初始线索跟进电话微信华东区域负责经理预算采购周期演示试用合同续约行业制造教育医疗")

// sentence returns n Chinese letters.
func (d draw) sentence(n int) string {
	var b strings.Builder
	for range n {
		b.WriteRune(syllables[d.IntN(len(syllables))])
	}
	return b.String()
}

func pick(d draw, from ...string) string { return from[d.IntN(len(from))] }
