package exports_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"leadsync/sync/exports"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A message is an event with what is known of the message that brought it.
type message struct {
	payload     []byte
	id          string
	publishedAt time.Time
	attributes  map[string]string
}

// corpus returns events of a simulated tenant, poison among them, the samples,
// and events that no platform should send.
func corpus(t testing.TB) []message {
	t.Helper()
	var list []message
	add := func(payload []byte, at time.Time, attributes map[string]string) {
		// The nanoseconds are not kept by rows, and are by messages.
		list = append(list, message{payload, fmt.Sprint(1e15 + len(list)), at.Add(time.Duration(len(list)) * 1001), attributes})
	}
	for d := range simulate.New(simulate.Options{Seed: 7, Events: 1500, Now: now}).Deliveries() {
		add(d.Payload, d.PublishedAt, d.Attributes)
	}
	files, _ := filepath.Glob("../../testdata/samples/*.json")
	if len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, file := range files {
		sample, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		add(bytes.TrimSpace(sample), now, nil)
	}
	for _, member := range odd {
		add(fmt.Appendf(nil, `{"mid":59,"event_type":"object_update","create_time":"%d",%s}`, now.Unix()-100, member), now, nil)
	}
	return list
}

// odd are members of events that are hard to make again from their rows.
var odd = []string{
	`"extra_data":null`,
	`"extra_data":[]`,
	`"event_category":{"no":"text"},"action_keyword":[1],"extra_data":{}`,
	`"openplatform":"June","trace_id":18446744073709551615,"x":"\"y\\","extra_data":{"x":null,"":0}`,
	`"trace_id":{"a":1},"extra_data":{"score_model":"\u0000\ud83d\ude00"}`,
	`"event_id":"x","sequence":1,"occurred_at":null,"message":{"data":"e30="},"data":"e30=","extra_data":{"entity_id":"e"}`,
	`"extra_data":{"entity_id":"e","mapping_data":"text","mapping_data_text":"[no JSON","timeline_data":"{","entity_change_mapping":[]}`,
	`"extra_data":{"entity_id":"e","mapping_data":"12","mapping_data_text":{"a":"12"}}`,
	`"extra_data":{"entity_id":"e","mapping_data":12.50,"mapping_data_text":true}`,
	`"extra_data":{"entity_id":"e","mapping_data":{"b":[1e2,-0.0],"a":[{"z":1,"y":[1,2,"3"]}],"c":[1,2,3],"":["\u2028/<>&"]}}`,
	`"extra_data":{"entity_id":"e","mapping_data":{"n":[12345678901234567890123,"12345678901234567890123"]}}`,
	`"extra_data":{"login_platform":{"no":1},"timeline_data":{"login_platform":"jing","login_environment":"pc"}}`,
	`"extra_data":{"operator_type":"007","scene_type":1.5,"is_follow_up":"true","notes":false,"owner":1e3}`,
	`"extra_data":{"operator_type":9223372036854775807,"scene_type":-9223372036854775808,"is_follow_up":2}`,
	`"extra_data":{"members":" a , b,,c "}`,
	`"extra_data":{"members":["a,b","",null,1,true]}`,
	`"extra_data":{"members":[["no"]]}`,
	`"extra_data":{"members":","}`,
	`"extra_data":{"created_timestamp":"2023-02-27T18:05:46.123456789+08:00"}`,
	`"extra_data":{"created_timestamp":"0001-01-01T00:00:00.000001Z"}`,
	`"extra_data":{"created_timestamp":"9999-12-31T23:59:59.999999Z"}`,
	`"extra_data":{"created_timestamp":-1}`,
	`"extra_data":{"created_timestamp":"soon","entity_id":"e","notes":"null","owner":"-"}`,
}

// same reports whether two events are, faster than a comparison that tells.
func same(a, b exports.Event) bool {
	return bytes.Equal(a.Data, b.Data) && a.EventID == b.EventID && a.MessageID == b.MessageID &&
		a.PublishedAt.Equal(b.PublishedAt) && a.PublishedAt.Location() == b.PublishedAt.Location() && maps.Equal(a.Attributes, b.Attributes)
}

// made returns the rows of an event as a backfill makes them; ok is false where
// it has none.
func made(t testing.TB, e exports.Event) (rows *transform.Rows, ok bool) {
	t.Helper()
	rows = new(transform.Rows)
	_, err := transformer.Transform(rows, e.Data, transform.Delivery{
		MessageID: e.MessageID, PublishedAt: e.PublishedAt, EventID: e.EventID, IngestedAt: now, Source: "backfill",
	})
	return rows, err == nil
}

var transformer = transform.New(transform.Options{Oldest: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)})

// sameRows fails the test unless both have the very same bytes.
func sameRows(t testing.TB, want, got *transform.Rows, about string) {
	t.Helper()
	for id := range transform.TableID(transform.NumTables) {
		if want.Len(id) != got.Len(id) {
			t.Fatalf("%d rows of %s, want %d\n%s", got.Len(id), id, want.Len(id), about)
		}
		for i := range want.Len(id) {
			if bytes.Equal(want.Row(id, i), got.Row(id, i)) {
				continue
			}
			a, _ := id.Table().Values(nil, want.Row(id, i))
			b, _ := id.Table().Values(nil, got.Row(id, i))
			for c := range a {
				if fmt.Sprint(a[c]) != fmt.Sprint(b[c]) {
					t.Errorf("%s.%s is %v, want %v", id, id.Table().Columns[c].Name, b[c], a[c])
				}
			}
			t.Fatalf("rows differ\n%s", about)
		}
	}
}
