package transform_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pgregory.net/rapid"

	"leadsync/transform"
)

// picker is where the generator takes its choices from: a seeded source, or
// rapid, which can shrink them.
type picker interface {
	pick(n int) int // in [0, n)
}

type seeded struct{ *rand.Rand }

func (s seeded) pick(n int) int { return s.IntN(n) }

func fromSeed(seed uint64) gen {
	r := seeded{rand.New(rand.NewPCG(seed, 2718))}
	return gen{picker: r, odd: []int{0, 0, 3, 12, 40}[r.pick(5)]}
}

type drawn struct{ *rapid.T }

func (d drawn) pick(n int) int { return rapid.IntRange(0, n-1).Draw(d.T, "pick") }

// rapidEvents generates payloads that rapid can shrink.
func rapidEvents() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		g := gen{picker: drawn{t}}
		g.odd = g.pick(40)
		return g.payload()
	})
}

// gen generates lead events. Every value that the source documents is drawn
// well-formed, but for about odd in a hundred, where anything goes.
type gen struct {
	picker
	odd int
}

func (g gen) chance(percent int) bool { return g.pick(100) < percent }
func (g gen) strange() bool           { return g.odd > 0 && g.chance(g.odd) }

func (g gen) oneOf(list ...string) string { return list[g.pick(len(list))] }

func str(s string) *node         { return &node{kind: text, text: s} }
func num(literal string) *node   { return &node{kind: number, text: literal} }
func arr(elems ...*node) *node   { return &node{kind: array, elems: elems} }
func nothing() *node             { return &node{kind: null} }
func truth(literal string) *node { return &node{kind: boolean, text: literal} }

// canary marks strings that stand for personal data; no error may hold it.
const canary = "zq"

// now is the time at which the tests take events in.
var now = time.Date(2026, 6, 1, 12, 30, 15, 123456000, time.UTC)

var eventTypes = []string{
	"object_create", "object_update", "object_update_status", "object_voids", "object_change_owner",
	"object_update_life_cycle", "object_add_notes", "object_add_team_member", "object_remove_team_member",
	"object_change_lead_pool", "object_restore", "object_relation", "object_source_info",
	"add_omni_user_success", "object_merge_v3",
}

func (g gen) literal() string {
	return g.oneOf("0", "1", "2", "3", "6", "7", "-1", "-0", "0.0", "-0.0", "1.5", "1.50", "3.0", "1e2", "1E+2", "12e-1",
		"1e400", "-1e400", "1e-400", "0e999999", "1e99999999999999999999", "0.1", "0.30000000000000004",
		"0.1000000000000000055511151231257827", "1.7976931348623157e308", "5e-324", "4.9e-324", "2e-324",
		"9007199254740993", "9007199254740993.0", "9007199254740992.0", "1e22", "1e23", "100000000000000000000",
		"123456789012345678901234567890", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"-9223372036854775809", "18446744073709551615", "18446744073709551616", "253402300799", "253402300800",
		"-62135596800", "-62135596801", fmt.Sprint(g.pick(1<<30)))
}

func (g gen) text() string {
	return g.oneOf("", "-", "null", "0", "1", "3", "03", "-5", "+3", "1.0", "true", "false", "True", " ", " 7 ", "[]", "{}",
		"zq张三", "市场公海", "zq😀\U0001F468\u200d👩", `zq"quoted\back/slash`, "zq\ttab\nline\r", "zq\x00\x01\x1f\x7f",
		"zq</script>&<!--", "zq\u2028\u2029\ufeff", "\ufffd\uffff", `["http:\\/\\/img.example.test\\/zq\\/0"]`,
		"zq1,zq2 , ,zq3", ",", "zq"+strings.Repeat("长", 1+g.pick(60)), g.moment(), g.moment(), g.id(), g.literal())
}

func (g gen) moment() string {
	return g.oneOf("2023-02-21 14:50:53", "2023-02-27 18:05:46", "2023-02-21T14:50:53Z", "2023-02-21T14:50:53.123456789+08:00",
		"2023-02-21T14:50:53.1234567890123-00:00", "2023-02-21t14:50:53z", "2023-02-21T14:50:53", "2023-02-21", "0000-00-00 00:00:00",
		"2023-02-30 10:00:00", "2024-02-29 23:59:59", "2023-02-21 24:00:00", "2023-02-21 4:50:53", "2023-02-21 14:50:53.5",
		"2023-02-21 14:50:53 ", "0001-01-01 00:00:00", "0001-01-01 08:05:43", "0001-01-01T00:00:00Z", "9999-12-31 23:59:59",
		"9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59.9999999Z",
		"1988-07-01 00:00:00", "1990-04-15 00:30:00", "1890-01-01 00:00:00", "2023-02-21T14:50:60Z", "2023-02-21T14:50:53+25:00",
		"2023-02-21T14:50:53+24:00", "2023-02-21T14:50:53+08:60", "2023-02-21T14:50:53-23:59",
		"2023-02-21T14:50:53,5Z", "2023-02-21T4:50:53Z", "1676962253", "-1676962253", "01676962253", "1676962253000", "1676962253.0",
		"253402300799", "253402300800", "-62135596800", "-62135596801")
}

func (g gen) id() string {
	return g.oneOf("zqAiGWybEQ3Nc9xGgwV4", "zqbdf4GR3fNhSyx5npA", "zqh7rwLXUQPFwACQ6EKPqD", "zq1", "zq2", "zq3")
}

// value returns any value at all.
func (g gen) value(depth int) *node {
	n := 9
	if depth <= 0 {
		n = 6
	}
	switch g.pick(n) {
	case 0:
		return nothing()
	case 1:
		return truth(g.oneOf("true", "false"))
	case 2, 3:
		return num(g.literal())
	case 4, 5:
		return str(g.text())
	case 6, 7:
		a := arr()
		for range g.pick(5) {
			a.elems = append(a.elems, g.value(depth-1))
		}
		return a
	default:
		o := &node{kind: object}
		for i := range g.pick(4) {
			o.set(g.key(i), g.value(depth-1))
		}
		return o
	}
}

// key returns an unusual key, different for each i.
func (g gen) key(i int) string {
	k := g.oneOf("k", "自定义", "owner ", "Owner", "a.b", "\U0001F600", "\ufb33", "\u0001", `q"\`, "zz", "openplatform", "nested", "")
	if i > 0 {
		return k + fmt.Sprint(i)
	}
	return k
}

// either returns a well-formed value, or at times something else.
func (g gen) either(v *node) *node {
	if g.strange() {
		return g.value(3)
	}
	return v
}

// maybe sets a key to a well-formed value in most events, and to one of the
// forms of nothing in others.
func (g gen) maybe(o *node, key string, v *node) {
	switch g.pick(10) {
	case 0:
	case 1:
		o.set(key, str(""))
	case 2:
		o.set(key, nothing())
	default:
		o.set(key, g.either(v))
	}
}

// idOrNumber is an id in either of the forms in which ids arrive.
func (g gen) idOrNumber() *node {
	if g.chance(30) {
		return num(fmt.Sprint(g.pick(100000)))
	}
	return str(g.id())
}

// code is a small integer in either of the forms in which codes arrive.
func (g gen) code(n int) *node {
	if g.chance(25) {
		return str(fmt.Sprint(g.pick(n)))
	}
	return num(fmt.Sprint(g.pick(n)))
}

// event returns an event of any type.
func (g gen) event() *node {
	e := &node{kind: object}
	eventType := eventTypes[g.pick(len(eventTypes))]
	e.set("mid", g.idOrNumber())
	g.maybe(e, "event_category", str("object_v2"))
	e.set("event_type", str(eventType))
	keyword := eventType
	if eventType == "object_change_owner" {
		keyword = g.oneOf("manual_distribution", "auto_distribution")
	}
	g.maybe(e, "action_keyword", str(keyword))
	e.set("create_time", g.createTime())
	if g.chance(20) {
		e.set("openplatform", g.either(str("June")))
	}
	if g.strange() {
		e.set(g.key(0)+"_new", g.value(2))
	}
	if g.chance(97) {
		e.set("extra_data", g.data(eventType))
	}
	if g.strange() && g.chance(40) { // break the envelope
		i := g.pick(len(e.elems))
		e.elems[i] = g.value(1)
	}
	if g.chance(50) {
		shuffle(g, e)
	}
	return e
}

func (g gen) createTime() *node {
	at := now.Unix() - int64(g.pick(9*365*86400))
	if g.strange() {
		edges := []time.Time{now.AddDate(-10, 0, 0), now.AddDate(1, 0, 0), {}, now.AddDate(-300, 0, 0)}
		at = edges[g.pick(len(edges))].Unix() + int64(g.pick(5)) - 2
	}
	literal := fmt.Sprint(at)
	switch {
	case g.strange():
		return str(g.oneOf("0"+literal, literal+".0", " "+literal, "+"+literal, literal+"000", "", "zq", strings.Repeat("9", 40)))
	case g.chance(20):
		return str(literal)
	default:
		return num(literal)
	}
}

// shuffle puts an object's keys into another order.
func shuffle(p picker, o *node) {
	for i := len(o.keys) - 1; i > 0; i-- {
		j := p.pick(i + 1)
		o.keys[i], o.keys[j] = o.keys[j], o.keys[i]
		o.elems[i], o.elems[j] = o.elems[j], o.elems[i]
	}
}

// delivery returns a way in which an event may have come.
func (g gen) delivery() transform.Delivery {
	d := transform.Delivery{IngestedAt: now, Source: g.oneOf("pubsub", "push", "backfill")}
	if g.chance(80) {
		d.MessageID = fmt.Sprint(1e15 + float64(g.pick(1e6)))
	}
	if g.chance(80) {
		d.PublishedAt = now.Add(-time.Duration(g.pick(1e9)) * 997)
	}
	return d
}
