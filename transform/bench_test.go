package transform

import (
	"bytes"
	"crypto/sha256"
	"os"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// benchEvent returns an event of 1.5 KB: the published sample without white
// space and with a few custom fields more.
func benchEvent(b testing.TB) []byte {
	b.Helper()
	src, err := os.ReadFile("../testdata/samples/lead.object_create.json")
	if err != nil {
		b.Fatal(err)
	}
	v := jsontext.Value(src)
	if err := v.Compact(); err != nil {
		b.Fatal(err)
	}
	const place = `"mapping_data":{`
	return bytes.Replace(v, []byte(place), []byte(place+
		`"custom_field_budget_range":["50万-100万"],"custom_field_product_interest":["营销自动化","私域运营"],`+
		`"custom_field_first_touch_channel":["wechat_official_account"],"custom_field_campaign":["2026-秋季新品发布会"],`+
		`"email":["zhang.san@example.test"],"mobile":["19900000000"],"title":["市场总监"],"industry":["互联网/软件"],`), 1)
}

// BenchmarkTransform is the whole way from bytes to encoded rows, identity
// included.
func BenchmarkTransform(b *testing.B) { benchTransform(b, benchEvent(b), Options{}) }

func benchTransform(b *testing.B, src []byte, o Options) {
	tr := New(o)
	var rows Rows
	d := Delivery{MessageID: "1234567890123456", PublishedAt: now, IngestedAt: now, Source: "pubsub"}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		rows.Reset()
		if _, err := tr.Transform(&rows, src, d); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode finds out that the bytes are JSON and where its values stand.
func BenchmarkDecode(b *testing.B) {
	src := benchEvent(b)
	var nodes []node
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		if nodes, ok = scan(nodes[:0], src); !ok {
			b.Fatal("not scanned")
		}
	}
}

// BenchmarkDecodeLibrary is what scan saves: the library's tokens.
func BenchmarkDecodeLibrary(b *testing.B) {
	src := benchEvent(b)
	var r reader
	var nodes []node
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		var rejection *Rejection
		if nodes, rejection = r.read(nodes[:0], src); rejection != nil {
			b.Fatal(rejection)
		}
	}
}

// BenchmarkHash is the identity: canonical form and SHA-256.
func BenchmarkHash(b *testing.B) {
	src := benchEvent(b)
	var c canonicalizer
	nodes, _ := scan(nil, src)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		c.eventID(src, nodes)
	}
}

// BenchmarkHashLibrary is what the canonicalizer saves: the library's own.
func BenchmarkHashLibrary(b *testing.B) {
	src := benchEvent(b)
	b.SetBytes(int64(len(src)))
	var v jsontext.Value
	for b.Loop() {
		v = append(v[:0], src...)
		if err := v.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
			b.Fatal(err)
		}
		sha256.Sum256(v)
	}
}

// BenchmarkEncode is flattening and encoding: the rows of a decoded event.
func BenchmarkEncode(b *testing.B) {
	src := benchEvent(b)
	tr := New(Options{})
	if r := tr.decode(src, now); r != nil {
		b.Fatal(r)
	}
	var rows Rows
	d := Delivery{MessageID: "1234567890123456", PublishedAt: now, IngestedAt: now, Source: "pubsub"}
	b.ReportAllocs()
	for b.Loop() {
		rows.Reset()
		tr.collectChanges(true)
		tr.appendEvent(&rows, d)
		tr.appendTransitions(&rows, d)
	}
	b.ReportMetric(float64(rows.Bytes()), "row-bytes")
}

// BenchmarkValues is the way back, for the embedded warehouse and for people.
func BenchmarkValues(b *testing.B) {
	src := benchEvent(b)
	var rows Rows
	if _, err := New(Options{}).Transform(&rows, src, Delivery{IngestedAt: now, Source: "pubsub"}); err != nil {
		b.Fatal(err)
	}
	var values []any
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if values, err = EventsLog.Table().Values(values[:0], rows.Row(EventsLog, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
