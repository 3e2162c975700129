package transform_test

import (
	"fmt"
	"strings"
)

// data returns an event's extra_data.
func (g gen) data(eventType string) *node {
	if g.strange() && g.chance(30) {
		return g.value(2)
	}
	d := &node{kind: object}
	isUser := eventType == "add_omni_user_success"
	if !isUser || g.chance(50) {
		g.maybe(d, "object_id", g.idOrNumber())
		d.set("object_name", g.either(str(g.oneOf("lead", "lead", "account", "deal"))))
		if g.chance(95) {
			d.set("entity_id", g.either(str(g.id())))
		} else {
			g.maybe(d, "entity_id", str(""))
		}
	}
	g.maybe(d, "operator_type", g.code(3))
	g.maybe(d, "operator_id", g.idOrNumber())
	g.maybe(d, "omni_user_uuid", str(g.id()))
	g.maybe(d, "is_follow_up", g.either(g.code(2)))
	g.maybe(d, "notes", str(g.text()))
	g.login(d, g.maybe)
	if g.chance(60) {
		timeline := &node{kind: object}
		g.login(timeline, g.maybe)
		d.set("timeline_data", g.emptyMapOr(timeline))
	}
	g.maybe(d, "business_type", g.idOrNumber())
	if g.chance(50) {
		g.maybe(d, "business_type_name", str(g.oneOf("Authing", "-", "zq名")))
	}
	created := str("2023-02-21 14:50:53")
	if g.strange() || g.chance(10) {
		created = str(g.moment())
	}
	g.maybe(d, "created_timestamp", created)
	if g.chance(50) {
		g.maybe(d, "owner", g.idOrNumber())
		g.maybe(d, "life_status", str(g.oneOf("baby_lead", "mql", "sql")))
		g.maybe(d, "lead_omni_user_uuid", str(g.id()))
	}
	g.own(d, eventType)
	g.mapping(d, eventType)
	for i := range g.pick(3) {
		if g.strange() {
			d.set(g.key(i)+"_x", g.value(3))
		}
	}
	for _, key := range []string{"baby_lead_action_uuid", "business_unit"} {
		if g.chance(10) {
			g.maybe(d, key, str(g.id()))
		}
	}
	if g.chance(50) {
		shuffle(g, d)
	}
	return d.unique()
}

// unique drops the later of two equal keys: generated ones may collide.
func (n *node) unique() *node {
	out := &node{kind: object}
	for i, k := range n.keys {
		if out.get(k) == nil {
			out.set(k, n.elems[i])
		}
	}
	return out
}

func (g gen) login(o *node, set func(*node, string, *node)) {
	set(o, "login_platform", str(g.oneOf("jing", "member_center", "jingsocial")))
	set(o, "login_source_type", str(g.oneOf("jingmodule", "wechat")))
	set(o, "login_environment", str(g.oneOf("pc", "mobile")))
	if g.chance(50) {
		set(o, "login_source_value", g.idOrNumber())
		set(o, "login_source_name", str(g.id()))
	}
}

// emptyMapOr is a map, at times an empty one as the source's language writes it.
func (g gen) emptyMapOr(o *node) *node {
	if g.chance(12) {
		return arr()
	}
	return g.either(o.unique())
}

// own sets the fields that belong to the event's type, and now and then those
// of another.
func (g gen) own(d *node, eventType string) {
	if g.strange() {
		eventType = eventTypes[g.pick(len(eventTypes))]
	}
	status := func() *node { return str(g.oneOf("zqa", "zqb", "market", "mql")) }
	switch eventType {
	case "object_change_owner":
		g.maybe(d, "former_owner", g.idOrNumber())
		g.maybe(d, "former_owner_name", str(g.oneOf("zq李四", "-", "zq王五")))
		g.maybe(d, "scene_type", g.code(8))
		if d.get("owner") == nil {
			g.maybe(d, "owner", g.idOrNumber())
		}
		if g.chance(50) {
			d.set("entity_change_mapping", g.emptyMapOr(g.fields(true)))
		}
	case "object_update_life_cycle":
		g.maybe(d, "from_life_status", status())
		g.maybe(d, "to_life_status", status())
	case "object_change_lead_pool":
		g.maybe(d, "from_lead_pool", status())
		g.maybe(d, "to_lead_pool", status())
	case "object_update_status":
		g.maybe(d, "from_leads_status", status())
		g.maybe(d, "to_leads_status", status())
	case "object_add_team_member", "object_remove_team_member":
		members := []*node{str(g.id()), str("zq1,zq2, zq3"), num("17"), arr(str(g.id()), num("5"), nothing(), str("")),
			arr(str("zq1, zq2"), truth("true")), arr(), arr(str("zq1"), arr(str("zq2"))), str(" , ,"), g.value(2)}
		d.set("members", g.either(members[g.pick(len(members))]))
	case "object_relation":
		g.maybe(d, "target_object_id", g.idOrNumber())
		g.maybe(d, "target_entity_id", str(g.id()))
		g.maybe(d, "target_object_name", str("account"))
	}
}

var mappingFields = []string{
	"owner", "life_status", "lead_pool", "leads_status", "name", "business_type", "mobile", "company_id",
	"headimgurl", "to_baby_lead_timestamp", "custom_zq", "自定义字段", "😀", "\ufb33",
}

// mapping sets mapping_data and its labels, in the forms of the event's type.
func (g gen) mapping(d *node, eventType string) {
	creation := eventType == "object_create"
	if !creation && eventType != "object_update" && !g.chance(35) {
		return
	}
	values := g.fields(!creation)
	d.set("mapping_data", g.emptyMapOr(values))
	if g.chance(85) {
		d.set("mapping_data_text", g.emptyMapOr(g.labelsOf(values, !creation)))
	}
}

func (g gen) fields(change bool) *node {
	o := &node{kind: object}
	for _, field := range mappingFields {
		if g.chance(30) {
			o.set(field, g.either(g.fieldValue(change)))
		}
	}
	if g.strange() {
		o.set(g.key(7), g.fieldValue(change))
	}
	shuffle(g, o)
	return o
}

func (g gen) fieldValue(change bool) *node {
	if g.strange() {
		a := arr()
		for range g.pick(5) {
			a.elems = append(a.elems, g.value(2))
		}
		return a
	}
	if change {
		return arr(g.element(), g.element())
	}
	return arr(g.element())
}

func (g gen) element() *node {
	switch g.pick(9) {
	case 0:
		return nothing()
	case 1:
		return str("")
	case 2:
		return num(g.literal())
	case 3:
		return str(g.text())
	default:
		return str(g.oneOf("zqa", "zqb", "zqc"))
	}
}

func (g gen) labelsOf(values *node, change bool) *node {
	o := &node{kind: object}
	for _, field := range values.keys {
		one := func() *node { return str(g.oneOf("甲zq", "乙zq", "-", "", "市场公海")) }
		switch {
		case g.chance(10):
		case g.strange():
			o.set(field, g.fieldValue(g.chance(50)))
		case change:
			o.set(field, arr(one(), one()))
		default:
			o.set(field, g.either(one()))
		}
	}
	return o
}

// payload returns an event's bytes, at times damaged.
func (g gen) payload() []byte {
	e := g.event()
	damage := -1
	if g.strange() && g.chance(40) {
		damage = g.pick(9)
	}
	switch damage {
	case 0: // a key twice, in any of the spellings that escapes allow
		o := e
		if data := e.get("extra_data"); data != nil && data.kind == object && len(data.keys) > 0 {
			o = data
		}
		o.set(o.keys[g.pick(len(o.keys))], g.value(1))
	case 1: // about as deep as allowed: the envelope and extra_data are two levels
		levels := 96 + g.pick(5)
		deep := &node{kind: array}
		for range levels {
			deep = &node{kind: array, elems: []*node{deep}}
		}
		e.set("deep", deep)
	case 2:
		e = arr(e)
	}
	b := []byte(spell(g, e, g.chance(30)))
	at := g.pick(len(b))
	switch damage {
	case 3:
		b = b[:at]
	case 4:
		b = append(b, g.oneOf(" {}", "zq", "]", "\x00", ",", "\n\n", " ")...)
	case 5:
		b[at] = byte(0x80 + g.pick(0x80))
	case 6:
		b = []byte(strings.Replace(string(b), "zq", g.oneOf(`\ud83d`, `\udc00`, `\ud83d\u0041`, `\x41`, "\x1f", `\u00zz`), 1))
	case 7:
		b = append([]byte("\ufeff"), b...)
	case 8:
		b[at] = byte(g.pick(128))
	}
	return b
}

// spell writes a value in one of the many ways in which JSON may be written:
// wild puts white space and escapes wherever they are allowed.
func spell(p picker, n *node, wild bool) string {
	if !wild {
		return n.String()
	}
	var b strings.Builder
	spellNext(p, &b, n)
	return b.String()
}

func spellNext(p picker, b *strings.Builder, n *node) {
	space := func() { b.WriteString([]string{"", "", "", " ", "\n\t", "\r\n  "}[p.pick(6)]) }
	space()
	switch n.kind {
	case text:
		spellString(p, b, n.text)
	case array, object:
		b.WriteByte("[{"[n.kind-array])
		for i, e := range n.elems {
			if i > 0 {
				b.WriteByte(',')
			}
			if n.kind == object {
				space()
				spellString(p, b, n.keys[i])
				space()
				b.WriteByte(':')
			}
			spellNext(p, b, e)
		}
		space()
		b.WriteByte("]}"[n.kind-array])
	default:
		b.WriteString(n.String())
	}
	space()
}

func spellString(p picker, b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		form := p.pick(8)
		switch {
		case form == 0 && r > 0xffff:
			fmt.Fprintf(b, `\u%04x\u%04X`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case form == 0 && r <= 0xffff:
			fmt.Fprintf(b, `\u%04x`, r)
		case form == 1 && r <= 0xffff:
			fmt.Fprintf(b, `\u%04X`, r)
		case form < 4 && r == '/':
			b.WriteString(`\/`)
		default:
			writeEscaped(b, r)
		}
	}
	b.WriteByte('"')
}
