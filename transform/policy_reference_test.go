package transform_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/transform"
)

// This file is a second implementation of the field policy, on trees and as
// its documentation tells it. What the data model's reference makes of the
// rewritten tree is what the real one must make of the event.

type policyReference struct {
	rules []transform.Rule
	key   string // id of the key that hashes
}

// blurText is the action on text that stands where an object should.
const blurText = "blur"

// rewritten returns what a policy leaves of an event.
func rewritten(rules []transform.Rule, root *node) *node {
	r := policyReference{rules, "k3"}
	if s, whole := asText(root.get("create_time")); whole {
		if at, err := strconv.ParseInt(s, 10, 64); err == nil && regexp.MustCompile(`^-?[0-9]+$`).MatchString(s) &&
			(root.get("create_time").kind == number || s[0] != '-') {
			switch {
			case at < policyKeys[0].Since.Unix():
				r.key = "k1"
			case at < policyKeys[1].Since.Unix():
				r.key = "k2"
			}
		}
	}
	out, _ := r.rewrite(root, "keep", nil)
	return out
}

// rewrite returns what is left of the value at a path, or that nothing is.
func (r policyReference) rewrite(n *node, action string, path []string) (*node, bool) {
	switch n.kind {
	case object:
		out := &node{kind: object}
		if action == blurText {
			action = "keep"
		}
		for i, key := range n.keys {
			inner := append(slices.Clone(path), key)
			a := action
			if rule := r.ruleAt(inner); rule != "" {
				a = rule
			} else if a == "keep" && isObjectByContract(strings.Join(inner, " ")) {
				a = blurText
			}
			if v, left := r.rewrite(n.elems[i], a, inner); left {
				out.set(key, v)
			}
		}
		return out, action != "drop" || len(out.keys) > 0
	case array:
		out, anything := arr(), action != "drop"
		for _, e := range n.elems {
			// Elements have the name of their array, but are not at its place.
			v, left := r.rewrite(e, action, append([]string{"", ""}, path[max(0, len(path)-1):]...))
			if !left {
				v = nothing()
			}
			anything = anything || left
			out.elems = append(out.elems, v)
		}
		return out, anything
	case null:
		return n, action != "drop"
	}
	switch {
	case action == "drop":
		return nil, false
	case action == "keep":
		return n, true
	case n.kind == text && path[len(path)-1] == "members":
		parts := strings.Split(n.text, ",")
		for i := range parts {
			parts[i] = r.hide(str(strings.TrimSpace(parts[i])), action)
		}
		return str(strings.Join(parts, ",")), true
	default:
		return str(r.hide(n, action)), true
	}
}

func isObjectByContract(path string) bool {
	return slices.Contains([]string{"extra_data", "extra_data mapping_data", "extra_data mapping_data_text",
		"extra_data timeline_data", "extra_data entity_change_mapping"}, path)
}

func (r policyReference) ruleAt(path []string) string {
	structural := slices.Contains([]string{"mid", "event_type", "create_time", "event_category", "action_keyword", "extra_data",
		"extra_data object_name", "extra_data entity_id", "extra_data target_entity_id", "extra_data mapping_data",
		"extra_data mapping_data_text"}, strings.Join(path, " "))
	name := path[len(path)-1]
	names := []string{name}
	switch name {
	case "former_owner", "former_owner_name":
		names = append(names, "owner")
	case "business_type_name":
		names = append(names, "business_type")
	case "leads_status":
		names = append(names, "status")
	case "from_leads_status", "to_leads_status":
		names = append(names, "leads_status", "status")
	case "from_life_status", "to_life_status", "from_lead_pool", "to_lead_pool":
		names = append(names, strings.SplitN(name, "_", 2)[1])
	}
	for _, exact := range []bool{true, false} {
		for _, name := range names {
			for _, rule := range r.rules {
				pattern := strings.ReplaceAll(regexp.QuoteMeta(rule.Field), `\*`, `.*`)
				isPattern := strings.Contains(rule.Field, "*")
				if exact && rule.Field == name && !isPattern ||
					!exact && !structural && isPattern && regexp.MustCompile(`(?s)^`+pattern+`$`).MatchString(name) {
					return rule.Action.String()
				}
			}
		}
	}
	return ""
}

var (
	hashForm  = regexp.MustCompile(`^hmac:[A-Za-z0-9_-]{1,32}:[0-9a-f]{32}$`)
	mailForm  = regexp.MustCompile(`^[^@\s\v\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+@([A-Za-z0-9-]+\.)+[A-Za-z-]{2,}$`)
	blurLower = regexp.MustCompile(`[A-Za-z]`)
)

func (r policyReference) hide(n *node, action string) string {
	switch s := n.text; {
	case s == "" || s == "-":
		return s
	case action == "hash" && hashForm.MatchString(s):
		return s
	case action == "hash":
		return hashOf(r.key, s)
	case action == blurText:
		s = regexp.MustCompile(`[0-9]`).ReplaceAllString(blurLower.ReplaceAllString(s, "x"), "0")
		return regexp.MustCompile(`[^\x00-\x7f]`).ReplaceAllStringFunc(s, func(c string) string { return strings.Repeat("x", len(c)) })
	case n.kind == boolean:
		return "***"
	default:
		domain := ""
		if mailForm.MatchString(s) {
			i := strings.Index(s, "@")
			s, domain = s[:i], s[i:]
		}
		if runes := []rune(s); len(runes) > 1 && s != "***" {
			return string(runes[0]) + "***" + domain
		}
		return "***" + domain
	}
}

// policies are the rules that generated events are tried with.
var policies = []string{
	"mobile=hash name=mask notes=drop custom_*=drop lead_pool=keep",
	"*=hash", "*=drop", "*=mask",
	"owner=hash life_status=mask lead_pool=drop status=hash business_type=mask members=hash",
	"*=drop mapping_data=hash name=keep k*=keep nested=mask timeline_data=keep login_*=mask",
	"mapping_data=keep extra_data=keep entity_change_mapping=drop k=hash *_status=hash",
	"mapping_data=drop mapping_data_text=mask leads_status=hash event_category=hash action_keyword=drop members=mask operator_*=hash",
}

// checkPolicy is the property of FuzzPolicy: an event under a policy keeps its
// identity, order and reason, and its rows are those of the event that the
// reference has rewritten; a dead letter holds the rewritten event, or nothing
// of it, and rewriting it again changes nothing.
func checkPolicy(t failer, rules string, payload []byte) result {
	t.Helper()
	p := policy(t, rules)
	var rows transform.Rows
	plain := run(t, transform.New(transform.Options{}), &rows, payload, delivered)
	got := run(t, transform.New(transform.Options{Policy: p}), &rows, payload, delivered)
	letter, _ := letterOf(t, p, string(payload), nil)
	root, err := parse(payload)
	unreadable := plain.rejection != nil && plain.rejection.Stage == transform.StageDecode
	if unreadable || err != nil || root.kind != object {
		want := policyReference{}.hide(str(string(payload)), blurText)
		if len(letter) != len(payload) || strings.Contains(letter, canary) || strings.ToValidUTF8(string(payload), "") == string(payload) && letter != want && string(payload) != "-" {
			t.Fatalf("letter of what cannot be read, under %s: %q", rules, letter)
		}
		if diff := cmp.Diff(plain.rejection, got.rejection); diff != "" {
			t.Fatalf("another rejection under %s:\n%s", rules, diff)
		}
		return got
	}
	if again, _ := letterOf(t, p, letter, nil); again != letter {
		t.Fatalf("not idempotent under %s: %s\nbecame %s", rules, letter, again)
	}
	left := rewritten(rulesOf(t, rules), root)
	if letter != left.String() {
		t.Fatalf("rewritten under %s (-want +got):\n%s\n%s", rules, cmp.Diff(left.String(), letter), payload)
	}
	want := reference([]byte(left.String()), delivered, shanghai())
	for _, r := range want.rows {
		for _, column := range []string{"event_id", "sequence"} {
			r.columns[column] = plain.rows[0].columns[column]
		}
	}
	want.id = plain.event.ID
	if diff := cmp.Diff(want, got.expected(), cmp.AllowUnexported(expected{}, row{})); diff != "" {
		t.Fatalf("rows under %s (-want +got):\n%s\n%s", rules, diff, payload)
	}
	return got
}

// checkHidden fails if a row of a generated event shows the mark of its values
// under a policy that hides everything. It knows nothing of rules, so that it cannot share a
// mistake with the reference.
func checkHidden(t failer, rules string, got result) {
	t.Helper()
	if rules != "*=hash" && rules != "*=drop" && rules != "*=mask" {
		return
	}
	kept := []string{"tenant_id", "event_type", "object_name", "entity_id", "target_entity_id", "event_category", "action_keyword", "extra"}
	for _, r := range got.rows {
		for column, v := range r.columns {
			s := strings.ReplaceAll(told(v), "custom_zq", "")
			if strings.Contains(s, canary) && !slices.Contains(kept, column) {
				t.Fatalf("under %s %s.%s shows %s", rules, r.table, column, s)
			}
		}
		extra, _ := r.columns["extra"].(string)
		for _, structural := range kept {
			// A value that its column cannot hold goes to extra as it is.
			if strings.Contains(extra, `"`+structural+`":`) || strings.Contains(extra, `"mid":`) {
				extra = ""
			}
		}
		if strings.Contains(extra, canary) {
			t.Fatalf("under %s extra shows %s", rules, extra)
		}
	}
}

// FuzzPolicy feeds arbitrary bytes under every policy. It would catch a panic,
// output that is no JSON, a value that a rule does not reach in any column,
// and one that is hidden without a rule.
func FuzzPolicy(f *testing.F) {
	for i, payload := range corpus() {
		f.Add(payload, uint8(i))
	}
	f.Fuzz(func(t *testing.T, payload []byte, which uint8) {
		checkPolicy(t, policies[int(which)%len(policies)], payload)
	})
}

// TestPolicyReference is FuzzPolicy on generated events, so that every run of
// the tests exercises it.
func TestPolicyReference(t *testing.T) {
	for seed := range uint64(4_000) {
		rules := policies[seed%uint64(len(policies))]
		checkHidden(t, rules, checkPolicy(t, rules, fromSeed(7e6+seed).payload()))
	}
	events := rapidEvents()
	rapid.Check(t, func(t *rapid.T) {
		checkPolicy(t, rapid.SampledFrom(policies).Draw(t, "policy"), events.Draw(t, "event"))
	})
}

// A Transformer is used for event after event: what one leaves behind must not
// show in the next, also not after an extraordinary one. Catches a key that
// sticks, memory that is shared, and a policy that is forgotten with the
// memory of a large event.
func TestPolicyFromEventToEvent(t *testing.T) {
	p := policy(t, policies[0])
	one := transform.New(transform.Options{Policy: p})
	large := []byte(`{"mid":1,"event_type":"x","create_time":1676962253,"extra_data":{"x":"` + strings.Repeat("x", 2<<20) + `"}}`)
	var rows transform.Rows
	for seed := range uint64(600) {
		payload := fromSeed(8e6 + seed).payload()
		if seed%200 == 199 {
			run(t, one, &rows, large, delivered)
		}
		fresh := run(t, transform.New(transform.Options{Policy: p}), &rows, payload, delivered)
		got := run(t, one, &rows, payload, delivered)
		if diff := cmp.Diff(fresh, got, cmp.AllowUnexported(result{}, row{})); diff != "" {
			t.Fatalf("after other events (-fresh +got):\n%s", diff)
		}
	}
}
