package transform_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/transform"
)

// Three keys in no order: the first hashes all up to 2024, the third what
// occurs from 2027 on.
var policyKeys = []transform.Key{
	{ID: "k2", Secret: []byte("the second secret of the tests"), Since: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)},
	{ID: "k3", Secret: []byte("the third secret of the tests"), Since: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
	{ID: "k1", Secret: []byte("the first secret of the tests")},
}

// hashOf is a hash as the documentation defines it.
func hashOf(id, value string) string {
	for _, k := range policyKeys {
		if k.ID == id {
			mac := hmac.New(sha256.New, k.Secret)
			mac.Write([]byte(value))
			return "hmac:" + id + ":" + hex.EncodeToString(mac.Sum(nil)[:16])
		}
	}
	panic("no key " + id)
}

// policy reads rules written as "field=action field=action".
func policy(t failer, rules string) *transform.Policy {
	t.Helper()
	p, err := transform.NewPolicy(rulesOf(t, rules), policyKeys)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

func rulesOf(t failer, s string) (rules []transform.Rule) {
	t.Helper()
	for _, word := range strings.Fields(s) {
		field, name, _ := strings.Cut(word, "=")
		r := transform.Rule{Field: field}
		if err := r.Action.UnmarshalText([]byte(name)); err != nil {
			t.Fatalf("%v", err)
		}
		rules = append(rules, r)
	}
	return rules
}

// letterOf returns payload and attributes of the dead letter that a payload
// becomes under a policy.
func letterOf(t failer, p *transform.Policy, payload string, attributes map[string]string) (kept, keptAttributes string) {
	t.Helper()
	var rows transform.Rows
	rows.AppendDeadLetter(transform.DeadLetter{
		Rejection: &transform.Rejection{Reason: transform.RowRejected, Stage: transform.StageWrite},
		Payload:   []byte(payload), Attributes: attributes, DeadAt: now, Policy: p,
	})
	table := transform.DeadLetters.Table()
	var joined []byte
	for i := range rows.Len(table.ID) {
		values, err := table.Values(nil, rows.Row(table.ID, i))
		if err != nil {
			t.Fatalf("%v", err)
		}
		joined = append(joined, values[5].([]byte)...)
		keptAttributes, _ = values[6].(string)
	}
	return string(joined), keptAttributes
}

// expandHashes replaces H(value) by the value's hash under k1, H2 and H3 by
// those under k2 and k3.
func expandHashes(s string) string {
	return regexp.MustCompile(`H([23]?)\(([^)]*)\)`).ReplaceAllStringFunc(s, func(m string) string {
		digit, value, _ := strings.Cut(m[1:len(m)-1], "(")
		if digit == "" {
			digit = "1"
		}
		return hashOf("k"+digit, value)
	})
}

// Each case is an event's payload as a policy rewrites it, worked out by hand.
// They would catch an action that shows more or less than it should, a rule
// that does not reach a place where the value stands, one that reaches what it
// must not, and a wrong order between rules.
func TestPolicyRewrites(t *testing.T) {
	const at = `"create_time":1676962253` // 2023, under k1
	tests := []struct{ name, rules, in, want string }{
		{"values of every kind", "a=hash b=mask c=drop",
			`{` + at + `,"a":["x",12,1.50,true,false,null,"","-",[],{}],"b":["x","xy",12,7,true,null,"","-","王五",[],{}],"c":["x",null],"d":"x"}`,
			`{` + at + `,"a":["H(x)","H(12)","H(1.50)","H(true)","H(false)",null,"","-",[],{}],"b":["***","x***","1***","***","***",null,"","-","王***",[],{}],"d":"x"}`},
		{"the spelling of a text does not matter", "a=hash", `{` + at + `, "a" : ["\u0041\/", "A/", "\ud83d\ude00"] }`, `{` + at + `,"a":["H(A/)","H(A/)","H(😀)"]}`},
		{"a number and its digits are one", "a=hash", `{` + at + `,"a":[42,"42"]}`, `{` + at + `,"a":["H(42)","H(42)"]}`},
		{"e-mails keep their domain", "a=mask",
			`{` + at + `,"a":["jo@example.com","j@x.example.com","张三@a-b.cn","j@localhost","j@x.123","a@b.com c","a b@c.com","x@a.com,y@b.com","@a.com","jo@a..com","jo@张.com","jo@a.c"]}`,
			`{` + at + `,"a":["j***@example.com","***@x.example.com","张***@a-b.cn","j***","j***","a***","a***","x***","@***","j***","j***","j***"]}`},
		{"what is hidden already", "a=hash b=mask",
			`{` + at + `,"a":["hmac:gone:0123456789abcdef0123456789abcdef","hmac:k1:0123456789ABCDEF0123456789abcdef","hmac:k 1:0123456789abcdef0123456789abcdef","hmac:k1:0123","hmac::0123456789abcdef0123456789abcdef","hmac:k1:g123456789abcdef0123456789abcdef"],"b":["***","x***","j***@example.com","****"]}`,
			`{` + at + `,"a":["hmac:gone:0123456789abcdef0123456789abcdef","H(hmac:k1:0123456789ABCDEF0123456789abcdef)","H(hmac:k 1:0123456789abcdef0123456789abcdef)","H(hmac:k1:0123)","H(hmac::0123456789abcdef0123456789abcdef)","H(hmac:k1:g123456789abcdef0123456789abcdef)"],"b":["***","x***","j***@example.com","****"]}`},
		{"at any depth", "mobile=hash",
			`{` + at + `,"mobile":"x","extra_data":{"mobile":"x","new":{"deep":[{"mobile":["x",{"k":"x"}]}]},"mapping_data":{"mobile":["x","y"]},"mapping_data_text":{"mobile":"x"},"timeline_data":{"mobile":"x"},"entity_change_mapping":{"mobile":{"before":"x","after":"y"}}}}`,
			`{` + at + `,"mobile":"H(x)","extra_data":{"mobile":"H(x)","new":{"deep":[{"mobile":["H(x)",{"k":"H(x)"}]}]},"mapping_data":{"mobile":["H(x)","H(y)"]},"mapping_data_text":{"mobile":"H(x)"},"timeline_data":{"mobile":"H(x)"},"entity_change_mapping":{"mobile":{"before":"H(x)","after":"H(y)"}}}}`},
		{"an inner rule wins over an outer one", "a=hash b=keep c=drop d=mask",
			`{` + at + `,"a":{"x":"x","b":{"x":"x","a":"y"},"c":"x","d":["xy"]}}`,
			`{` + at + `,"a":{"x":"H(x)","b":{"x":"x","a":"H(y)"},"d":["x***"]}}`},
		{"what is kept inside of what is dropped", "a=drop b=keep c=hash",
			`{` + at + `,"a":{"x":"x","b":"x","in":{"c":"x","y":"y"},"none":{"y":1},"list":["x",{"b":1},{"y":1}]},"e":{"a":{}},"z":[{"a":1}]}`,
			`{` + at + `,"a":{"b":"x","in":{"c":"H(x)"},"list":[null,{"b":1},null]},"e":{},"z":[{}]}`},
		{"names before patterns, patterns in order", "x_*=hash *_id=drop x_a=keep *=mask",
			`{` + at + `,"x_a":"12","x_id":"12","y_id":"12","other":"12"}`,
			`{` + at + `,"x_a":"12","x_id":"H(12)","other":"1***"}`},
		{"patterns", "a*b*c=drop *x*=drop 名*=drop",
			`{` + at + `,"abc":1,"a-b-c":1,"abcc":1,"abbc":1,"acb":1,"ab":1,"abcd":1,"xx":1,"名称":1,"":1,"ABC":1}`,
			`{` + at + `,"acb":1,"ab":1,"abcd":1,"":1,"ABC":1}`},
		{"structure is no field", "*=drop",
			`{"mid":"1","event_category":"c","event_type":"t","action_keyword":"k",` + at + `,"openplatform":"x","object_name":"x","extra_data":{"object_name":"lead","entity_id":"E","object_id":"1","mid":"x","mapping_data":{"entity_id":["x"]},"mapping_data_text":{},"timeline_data":{"x":"x"}}}`,
			`{"mid":"1","event_category":"c","event_type":"t","action_keyword":"k",` + at + `,"extra_data":{"object_name":"lead","entity_id":"E","mapping_data":{},"mapping_data_text":{}}}`},
		{"but may be named", "mapping_data=hash event_category=drop mobile=keep",
			`{"event_category":"c",` + at + `,"extra_data":{"mapping_data":{"a":["x"],"mobile":["x"]},"mapping_data_text":{"a":"x"}}}`,
			`{` + at + `,"extra_data":{"mapping_data":{"a":["H(x)"],"mobile":["x"]},"mapping_data_text":{"a":"x"}}}`},
		{"the places of a dimension's value", "owner=hash life_status=drop lead_pool=mask status=hash business_type=hash",
			`{` + at + `,"extra_data":{"owner":"x","former_owner":"y","former_owner_name":"z","life_status":"a","from_life_status":"a","to_life_status":"a","from_lead_pool":"ab","to_lead_pool":"cd","from_leads_status":"a","to_leads_status":"b","business_type_name":"n","mapping_data":{"leads_status":["a"],"lead_pool":["ab"]}}}`,
			`{` + at + `,"extra_data":{"owner":"H(x)","former_owner":"H(y)","former_owner_name":"H(z)","from_lead_pool":"a***","to_lead_pool":"c***","from_leads_status":"H(a)","to_leads_status":"H(b)","business_type_name":"H(n)","mapping_data":{"leads_status":["H(a)"],"lead_pool":["a***"]}}}`},
		{"their own rules, and patterns", "owner=hash former_owner_name=keep from_*=keep lead_p*=hash leads_status=drop status=hash *_type=mask",
			`{` + at + `,"extra_data":{"former_owner":"y","former_owner_name":"z","to_lead_pool":"x","from_lead_pool":"x","from_leads_status":"a","to_leads_status":"b","status":"s","business_type_name":"nm"}}`,
			`{` + at + `,"extra_data":{"former_owner":"H(y)","former_owner_name":"z","to_lead_pool":"H(x)","from_lead_pool":"x","status":"H(s)","business_type_name":"n***"}}`},
		{"a list in a text", "members=hash", `{` + at + `,"extra_data":{"members":"a, b,,-","mapping_data":{"members":[["a"],"b"]}}}`,
			`{` + at + `,"extra_data":{"members":"H(a),H(b),,-","mapping_data":{"members":[["H(a)"],"H(b)"]}}}`},
		{"text where fields should be", "other=hash",
			`{` + at + `,"extra_data":{"mapping_data":"{\"mobile\":[\"138张\"]}","mapping_data_text":["x1",12,null,true,{"k":"x1"}],"timeline_data":null,"entity_change_mapping":"-"}}`,
			`{` + at + `,"extra_data":{"mapping_data":"{\"xxxxxx\":[\"000xxx\"]}","mapping_data_text":["x0","00",null,"xxxx",{"k":"x1"}],"timeline_data":null,"entity_change_mapping":"-"}}`},
		{"unless it is kept by name", "other=hash entity_change_mapping=keep", `{` + at + `,"extra_data":{"entity_change_mapping":["a","b"]}}`, `{` + at + `,"extra_data":{"entity_change_mapping":["a","b"]}}`},
		{"extra_data in a string", "other=hash", `{` + at + `,"extra_data":"{\"a\":1}"}`, `{` + at + `,"extra_data":"{\"x\":0}"}`},
		{"the key of the event's time", "a=hash", `{"create_time":"1704067199","a":"x"}`, `{"create_time":"1704067199","a":"H(x)"}`},
		{"the next key's first second", "a=hash", `{"a":"x","create_time":1704067200}`, `{"a":"H2(x)","create_time":1704067200}`},
		{"a time that no row may have", "a=hash", `{"a":"x","create_time":-5}`, `{"a":"H(x)","create_time":-5}`},
		{"no time: the newest key", "a=hash", `{"a":"x","create_time":"soon"}`, `{"a":"H3(x)","create_time":"soon"}`},
		{"nothing to hide: as received", "a=keep *=keep", `{ "a" : "\u0041" }`, `{ "a" : "\u0041" }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := policy(t, test.rules)
			got, _ := letterOf(t, p, test.in, nil)
			if diff := cmp.Diff(expandHashes(test.want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What cannot be read field by field must show its structure and nothing
// else, at the same places. Catches a payload that slips through as received.
func TestPolicyOnUnreadable(t *testing.T) {
	p := policy(t, "mobile=hash")
	deep := strings.Repeat("[", 101) + `"z1"` + strings.Repeat("]", 101)
	for in, want := range map[string]string{
		`{"mobile": "138",` + "\n\t" + `"n":"张3\n"`: `{"xxxxxx": "000",` + "\n\t" + `"x":"xxx0\x"`,
		`{"a":1,"a":"z"}`:         `{"x":0,"x":"x"}`,
		`"Zhang, 138"`:            `"Xxxxx, 000"`,
		`[{"name":"z"}]`:          `[{"xxxx":"x"}]`,
		`138`:                     `000`,
		deep:                      strings.ReplaceAll(strings.ReplaceAll(deep, "z", "x"), "1", "0"),
		"\xff\xfez9":              "xxx0",
		``:                        ``,
		`{"mobile":"138"}{"a":1}`: `{"xxxxxx":"000"}{"x":0}`,
	} {
		if got, _ := letterOf(t, p, in, nil); got != strings.ToLower(want) {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	// A payload above the limit is not even read; its parts still add up.
	large := `{"k":"` + strings.Repeat("z", transform.MaxPayload) + `"}`
	if got, _ := letterOf(t, p, large, nil); got != strings.NewReplacer("k", "x", "z", "x").Replace(large) {
		t.Error("a payload above the limit is not blurred")
	}
	// One that outgrows the limit by its hashes is blurred too.
	many := `{"mobile":[` + strings.Repeat(`"a",`, transform.MaxPayload/8) + `1]}`
	if got, _ := letterOf(t, p, many, nil); len(got) != len(many) || strings.Contains(got, "a") {
		t.Errorf("%d bytes that outgrow the limit became %d", len(many), len(got))
	}
	if _, err := transform.New(transform.Options{Policy: p}).Transform(new(transform.Rows),
		[]byte(`{"mid":1,"event_type":"x","create_time":1676962253,`+many[1:]), delivered); rejectionOf(err) != transform.RowTooLarge {
		t.Errorf("an event that outgrows the limit: %v", err)
	}
	if _, err := transform.New(transform.Options{Policy: p}).Transform(new(transform.Rows), []byte(many), delivered); rejectionOf(err) != transform.EventTypeMissing {
		t.Errorf("another reason goes first: %v", err)
	}
}

func rejectionOf(err error) transform.Reason {
	var r *transform.Rejection
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// Attributes are fields too, and go by the event's key.
func TestPolicyOnAttributes(t *testing.T) {
	p := policy(t, "mobile=hash name=mask note*=drop tenant=keep *=hash")
	attributes := map[string]string{"mobile": "1", "name": "xy", "notes": "x", "tenant": "t", "other": "", "list": "a,b"}
	_, got := letterOf(t, p, `{"create_time":1676962253}`, attributes)
	want := `{"list":"H(a,b)","mobile":"H(1)","name":"x***","other":"","tenant":"t"}`
	if got != expandHashes(want) {
		t.Errorf("got %s, want %s", got, expandHashes(want))
	}
	_, got = letterOf(t, p, `no event`, map[string]string{"mobile": "1"})
	if want := expandHashes(`{"mobile":"H3(1)"}`); got != want {
		t.Errorf("of what is no event: got %s, want %s", got, want)
	}
	if _, got = letterOf(t, p, `{}`, nil); got != "" {
		t.Errorf("no attributes became %s", got)
	}
}

// The letter must be found again by whoever has the original, whatever the
// policy: its identity is that of the payload as received.
func TestPolicyKeepsLetterIdentity(t *testing.T) {
	id := func(p *transform.Policy) any {
		var rows transform.Rows
		rows.AppendDeadLetter(transform.DeadLetter{Rejection: &transform.Rejection{}, Payload: []byte(`{"mobile":"1"}`), Policy: p})
		values, err := transform.DeadLetters.Table().Values(nil, rows.Row(transform.DeadLetters, 0))
		if err != nil {
			t.Fatal(err)
		}
		return values[0]
	}
	if a, b := id(nil), id(policy(t, "mobile=drop")); a != b {
		t.Errorf("dead_letter_id %v without, %v with a policy", a, b)
	}
}

// A policy with a mistake must not come into force, and all of its mistakes
// must be told at once, without a secret.
func TestNewPolicyRefuses(t *testing.T) {
	rules := []transform.Rule{
		{Field: "mobile", Action: transform.Hash}, {Field: "mobile", Action: transform.Drop}, {Action: transform.Drop},
		{Field: "x", Action: 9}, {Field: "entity_id", Action: transform.Mask}, {Field: "tenant_id", Action: transform.Drop},
		{Field: "mid", Action: transform.Keep}, {Field: "entity_created_at", Action: transform.Keep},
	}
	_, err := transform.NewPolicy(rules, nil)
	want := transform.PolicyErrors{
		{0, -1, "hash needs a key, and there is none"}, {1, -1, `a rule for "mobile" stands above`},
		{2, -1, "a rule needs the name of a field"}, {3, -1, "no such action: 9"},
		{4, -1, `"entity_id" must be kept: the tables are built on it`},
		{5, -1, `"tenant_id" is a column; rules name the event's keys, here mid`},
		{7, -1, `"entity_created_at" is a column; rules name the event's keys, here created_timestamp`},
	}
	var got transform.PolicyErrors
	if !errors.As(err, &got) || !cmp.Equal(want, got) {
		t.Errorf("rules (-want +got):\n%s", cmp.Diff(want, got))
	}
	_, err = transform.NewPolicy(nil, []transform.Key{
		{ID: "a b", Secret: []byte("top secret of 16")}, {ID: "k", Secret: []byte("top secret of 1")}, {ID: "k", Secret: []byte("top secret of 16"), Since: now},
		{ID: strings.Repeat("k", 33), Secret: []byte("top secret of 16"), Since: now.In(shanghai())},
	})
	want = transform.PolicyErrors{
		{-1, 0, "the id of a key is 1 to 32 letters, digits, - and _"}, {-1, 1, "the secret has 15 bytes, the least are 16"},
		{-1, 1, "another key comes into force at the same time: only one may be without since"},
		{-1, 2, "a key with the id k stands above"}, {-1, 3, "the id of a key is 1 to 32 letters, digits, - and _"},
		{-1, 3, "another key comes into force at the same time: only one may be without since"},
	}
	if got = nil; !errors.As(err, &got) || !cmp.Equal(want, got) {
		t.Errorf("keys (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// No way of printing a policy may show a secret: settings end up in logs.
func TestPolicyPrintsNoSecret(t *testing.T) {
	p := policy(t, "mobile=hash")
	for _, s := range []string{fmt.Sprintf("%v %+v %#v", p, *p, p), fmt.Sprintf("%+v", p.Keys()), fmt.Sprint([]any{p, *p})} {
		const inBytes = "115 101 99 114 101 116"
		if strings.Contains(s, "secret") || strings.Contains(s, inBytes) {
			t.Errorf("printed a secret: %s", s)
		}
	}
	want := []transform.Key{{ID: "k1"}, {ID: "k2", Since: policyKeys[0].Since}, {ID: "k3", Since: policyKeys[1].Since}}
	if diff := cmp.Diff(want, p.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{hashOf("k1", "x"), hashOf("k2", "x"), hashOf("k3", "x")}, p.Hashes("x")); diff != "" {
		t.Errorf("hashes (-want +got):\n%s", diff)
	}
}

// RuleFor must tell what the rewriting does: people trust it to see what
// stays readable.
func TestRuleFor(t *testing.T) {
	p := policy(t, "mobile=hash mapping_data=mask *_data=drop owner=hash")
	for path, want := range map[string]int{
		"mid": -1, "extra_data": -1, "extra_data mobile": 0, "extra_data mapping_data": 1, "extra_data mapping_data mobile": 0,
		"extra_data mapping_data name": 1, "extra_data mapping_data x_data": 2, "extra_data timeline_data": 2,
		"extra_data mapping_data_text": -1, "extra_data former_owner": 3, "extra_data timeline_data x": 2,
	} {
		if got := p.RuleFor(strings.Fields(path)...); got != want {
			t.Errorf("rule for %s is %d, want %d", path, got, want)
		}
	}
	if got := (*transform.Policy)(nil).RuleFor("mobile"); got != -1 {
		t.Errorf("no policy has rule %d", got)
	}
}
