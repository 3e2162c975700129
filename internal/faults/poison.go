package faults

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/transform"
)

// poisons are payloads that can never become rows, one for each reason that is
// found before the warehouse is asked.
var poisons = []struct {
	reason  transform.Reason
	wrong   string
	payload func(event []byte) []byte
}{
	{transform.TooLarge, "a message above 10 MiB", func([]byte) []byte { return simple("pad", strings.Repeat("x", 10<<20)) }},
	{transform.JSONInvalid, "a message is cut off", func(event []byte) []byte { return event[:len(event)*2/3] }},
	{transform.JSONTooDeep, "a message is nested 200 deep", func([]byte) []byte {
		return fmt.Appendf(nil, `{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"tree":%s%s}}`,
			time.Now().Unix(), strings.Repeat("[", 200), strings.Repeat("]", 200))
	}},
	{transform.NotAnObject, "a message is an array", func(event []byte) []byte { return slices.Concat([]byte("["), event, []byte("]")) }},
	{transform.EventTypeMissing, "an event has no event_type", func(event []byte) []byte {
		return bytes.Replace(event, []byte(`"event_type"`), []byte(`"event_kind"`), 1)
	}},
	{transform.TenantMissing, "an event has no mid", func(event []byte) []byte {
		return bytes.Replace(event, []byte(`"mid"`), []byte(`"tid"`), 1)
	}},
	{transform.EventTimeInvalid, "an event's create_time is no time", func([]byte) []byte {
		return []byte(`{"mid":"1","event_type":"x","create_time":"yesterday","extra_data":{}}`)
	}},
	{transform.EventTimeOutOfRange, "an event's create_time is in milliseconds", func([]byte) []byte {
		return fmt.Appendf(nil, `{"mid":"1","event_type":"x","create_time":%d,"extra_data":{}}`, time.Now().UnixMilli())
	}},
	{transform.ExtraDataInvalid, "an event's extra_data is a text", func([]byte) []byte {
		return fmt.Appendf(nil, `{"mid":"1","event_type":"x","create_time":%d,"extra_data":"[object Object]"}`, time.Now().Unix())
	}},
	{transform.RowTooLarge, "an event whose row would be above 8 MiB", func([]byte) []byte {
		return simple("notes", strings.Repeat("x", 17<<19)) // 8.5 MiB
	}},
}

// simple is an event with a text.
func simple(key, text string) []byte {
	return fmt.Appendf(nil, `{"mid":"1","event_type":"x","create_time":%d,"extra_data":{"entity_id":"large",%q:%q}}`, time.Now().Unix(), key, text)
}

// poisonFaults are single events that can never become rows, among good ones.
func poisonFaults() []Fault {
	var list []Fault
	for _, p := range poisons {
		list = append(list, Fault{
			Name: "poison-" + strings.ReplaceAll(string(p.reason), "_", "-"), Wrong: p.wrong + ", among 499 good ones", Class: Data,
			Does: "writes it to dead_letters with the others' rows, and acknowledges it",
			Sees: fmt.Sprintf("leadsync_dead_letters_total{reason=%q}, a line of the log with the fingerprint", p.reason),
			Play: func(r *Rig) error {
				events := r.Events(500)
				events[250].Data = p.payload(events[250].Data)
				return r.poison(events, 250, p.reason, nil)
			},
		})
	}
	return append(list, Fault{
		Name: "poison-row-rejected", Wrong: "the warehouse refuses the row of one event among 499 good ones, and names none", Sink: "bigquery", Class: Data,
		Does: "finds the row with at most log2 more requests, writes the others and its dead letter, and acknowledges all",
		Sees: `leadsync_dead_letters_total{reason="row_rejected"}, a line of the log with the fingerprint`,
		Play: rejected,
	})
}

func rejected(r *Rig) error {
	events := r.Events(500)
	id := r.EventID(events[250].Data)
	r.BigQuery.ListRowErrors("events_log", 0)
	r.BigQuery.Refuse("events_log", func(row map[string]any) bool { return row["event_id"] == id })
	return r.poison(events, 250, transform.RowRejected, func(ids []string) { r.MustDie(ids[250], transform.RowRejected) })
}

// poison publishes messages of which one must die for the reason.
func (r *Rig) poison(events []message, bad int, reason transform.Reason, published func(ids []string)) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.Broken()
	ids := r.Send(events...)
	if published != nil {
		published(ids)
	}
	r.Expect(r.sent.letters[ids[bad]] == reason, "the poison is %q, not %q", r.sent.letters[ids[bad]], reason)
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.expectFirstDelivery()
	r.expectLetters(reason, 1)
	r.expectFewRequests()
	r.ExpectGreen(recovery)
	return nil
}

// expectLetters expects the metric of dead letters to have counted n for the
// reason.
func (r *Rig) expectLetters(reason transform.Reason, n int) {
	name := fmt.Sprintf("leadsync_dead_letters_total{reason=%q}", reason)
	got, _ := r.Worker.Metric(r.ctx, name)
	r.Expect(int(got) == n, "%s is %v, want %d", name, got, n)
}

// expectFewRequests expects a bad row to have cost no more requests than
// halving its batch takes, and one for what waited meanwhile.
func (r *Rig) expectFewRequests() {
	if r.BigQuery == nil {
		return
	}
	stats := r.BigQuery.Stats("events_log")
	batches := 0
	for _, b := range r.BigQuery.Rows("sync_batches") {
		if n, _ := b["received"].(int64); n > 0 {
			batches++
		}
	}
	extra, most := stats.Appends-batches, halvings(stats.LargestRows)+1
	r.Expect(extra <= most, "%d requests more than batches, want at most %d", extra, most)
}
