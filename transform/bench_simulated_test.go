package transform

import (
	"testing"
	"time"

	"leadsync/sync/simulate"
)

// BenchmarkTransformSimulated is BenchmarkTransform over the events of a whole
// tenant, one iteration being one event: of every type, from half a kilobyte
// up, each in another order of keys.
func BenchmarkTransformSimulated(b *testing.B) {
	var payloads [][]byte
	size := 0
	for d := range simulate.New(simulate.Options{Seed: 1, Events: 4000, Now: now, Clean: true}).Deliveries() {
		payloads = append(payloads, d.Payload)
		size += len(d.Payload)
	}
	tr := New(Options{})
	var rows Rows
	d := Delivery{PublishedAt: now.Add(-time.Second), IngestedAt: now, Source: "backfill"}
	b.SetBytes(int64(size / len(payloads)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if rows.Bytes() > 1<<20 {
			rows.Reset()
		}
		if _, err := tr.Transform(&rows, payloads[i], d); err != nil {
			b.Fatal(err)
		}
		if i++; i == len(payloads) {
			i = 0
		}
	}
}
