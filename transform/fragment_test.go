package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// died is when the letters of these tests died.
var died = time.Date(2026, 6, 1, 2, 0, 0, 0, time.UTC)

// rejectionOf returns why the payload is no event, as a worker would have said.
func rejectionOf(payload []byte) *Rejection {
	var rows Rows
	_, err := New(Options{}).Transform(&rows, payload, Delivery{IngestedAt: died})
	var r *Rejection
	if !errors.As(err, &r) {
		return &Rejection{Reason: RowRejected, Stage: StageWrite, Cause: "a row of events_log was refused: FIELDS_ERROR"}
	}
	return r
}

// Catches a fragment that does not show the cause, or shows more than it.
func TestFragment(t *testing.T) {
	const event = `"mid":"941","event_type":"object_create","create_time":1780279200`
	for _, tt := range []struct{ payload, want string }{
		{`{"mid":"941",}`, `{"mid":"999"▸,}`},
		{`{"mid":"941","secret":"Zhang"`, `{"mid":"999","xxxxxx":"xxxxx"▸`},
		{`{"mid":“941”}`, `{"mid":▸“999”}`},
		{"{\"notes\":\"a\nb\"}", `{"notes":"x▸↵x"}`},
		{`{"mid":"1","mid":"2"}`, `{"mid":"9",▸"mid":"9"}`},
		{"{\"name\":\"\xff\"}", "{\"xxxx\":\"▸\uFFFD\"}"},
		{`{"extra_data":{"notes":"` + strings.Repeat("Wang ", 20) + `" 5}}`, `…` + strings.Repeat("xxxx ", 6) + `" ▸9}}`},
		{strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat("[", 48) + "…"},
		{`["Zhang"]`, `[…]`},
		{`"Zhang 13800"`, `"xxxxx 99999"`},
		{` [ ] `, `[ ]`},
		{`{"mid":"941","Zhang":"San","extra_data":{}}`, `{"mid":…,"xxxxx":…,"extra_data":…}`},
		{`{"event_type":["a"]}`, `{"event_type":[…]}`},
		{`{"event_type":"a","mid":null}`, `{"mid":null}`},
		{`{"event_type":true,"mid":{"a":1}}`, `{"mid":{…}}`},
		{`{"event_type":"a","mid":"1","create_time":false}`, `{"create_time":boolean}`},
		{`{"mid":"1","event_type":"a","create_time":"June-12-07"}`, `{"create_time":"xxxx-99-99"}`},
		{`{"mid":"1","event_type":"a","create_time":1780279200000}`, `{"create_time":9999999999999}`},
		{`{"mid":"1","event_type":"a"}`, `{"mid":…,"event_type":…}`},
		{`{` + event + `,"extra_data":"` + strings.Repeat("张", 50) + `"}`, `{"extra_data":"` + strings.Repeat("x", 39) + `…"}`},
		{`{` + event + `,"extra_data":[1]}`, `{"extra_data":[…]}`},
		{
			`{` + event + `,"extra_data":{"entity_id":"e","notes":"n","members":["a"],"is_follow_up":1,"mapping_data":{"name":["Zhang"]}}}`,
			`events_log(occurred_at TIMESTAMP, is_follow_up BOOL, members REPEATED STRING, mapping_data JSON, changes REPEATED RECORD, 6 STRING)`,
		},
		{`{` + event + `,"extra_data":{"entity_id":"e","mapping_data":{"remark":["` + strings.Repeat("长", MaxRow/3) + `"]}}}`,
			`{"extra_data":{"mapping_data":{"xxxxxx":["` + strings.Repeat("x", 39) + `…"]}}} (8388608 bytes of 8388735)`},
	} {
		payload := []byte(tt.payload)
		r := rejectionOf(payload)
		if got := New(Options{}).Fragment(payload, r.Reason, r.Error(), died); got != tt.want {
			t.Errorf("%.60s\n%s\n got %s\nwant %s", tt.payload, r, got, tt.want)
		}
	}
}

// Draws payloads whose values are made of letters and digits that no other
// text has, whole or broken anywhere, and asks for the fragment under every
// reason. Catches a letter or digit of a value, or of a key that is not the
// source's, that comes through.
func TestFragmentHides(t *testing.T) {
	const private = "жЩΩφ٣๔ⅷ½线李ǅΔ\u0301"
	word := rapid.StringOfN(rapid.RuneFrom([]rune(private+" -.\"\\{}[]:,")), 0, 30, -1)
	tr := New(Options{})
	rapid.Check(t, func(t *rapid.T) {
		quoted := func(label string) string {
			return string(appendString(nil, []byte(word.Draw(t, label))))
		}
		value := rapid.SampledFrom([]func() string{
			func() string { return quoted("value") },
			func() string { return "[" + quoted("first") + "," + quoted("second") + "]" },
			func() string { return "{" + quoted("key") + ":" + quoted("value") + "}" },
			func() string { return word.Draw(t, "bare") },
		})
		payload := []byte(`{"mid":` + value.Draw(t, "mid")() + `,"event_type":"` + "Ω" + `","create_time":` + value.Draw(t, "time")() +
			`,` + quoted("unknown") + `:1,"extra_data":{"owner":` + value.Draw(t, "owner")() + `,"mapping_data":{` + quoted("field") + `:[` + quoted("was") + `]}}}`)
		payload = payload[:rapid.IntRange(0, len(payload)).Draw(t, "length")]
		at := rapid.IntRange(-1, len(payload)+2).Draw(t, "at")
		for _, reason := range Reasons {
			for _, message := range []string{string(reason), fmt.Sprintf("%s: it is wrong at byte %d", reason, at), rejectionOf(payload).Error()} {
				got := tr.Fragment(payload, reason, message, died)
				if i := strings.IndexAny(got, strings.TrimRight(private, "\u0301")+"\u0301"); i >= 0 {
					t.Fatalf("%s: %q of %q", reason, got, payload)
				}
				if strings.ContainsAny(got, "\n\r\t") || len([]rune(got)) > 600 {
					t.Fatalf("%s: not one line of bounded length: %q", reason, got)
				}
			}
		}
	})
}
