package exports_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"leadsync/sync/exports"
	"leadsync/transform"
)

// The schemas of Cloud Storage subscriptions.
const (
	withMetadata = `{"type":"record","namespace":"com.google.pubsub","name":"PubsubMessageWithMetadata","fields":[
		{"name":"subscription_name","type":"string"},{"name":"message_id","type":"string"},
		{"name":"publish_time","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"attributes","type":{"type":"map","values":"string"}},{"name":"data","type":%s}]}`
	withoutMetadata = `{"type":"record","namespace":"com.google.pubsub","name":"PubsubMessage","fields":[{"name":"data","type":"bytes"}]}`
	ofTopic         = `{"type":"record","name":"Event","fields":[{"name":"mid","type":"string"},{"name":"event_type","type":"string"},
		{"name":"create_time","type":"long"},{"name":"extra_data","type":{"type":"record","name":"Extra","fields":[
			{"name":"entity_id","type":["null","string"]},{"name":"score","type":"double"},{"name":"vip","type":"boolean"},
			{"name":"mapping_data","type":{"type":"map","values":{"type":"array","items":["null","string"]}}}]}}]}`
)

// The names of codecs.
const (
	null      = "null"
	deflate   = "deflate"
	snappyCRC = "snappy"
	zstandard = "zstandard"
)

var codecs = []string{null, deflate, snappyCRC, zstandard}

const mark = "0123456789abcdef"

// file writes an Avro file with seven records a block.
func file(t testing.TB, schema string, codec string, records ...any) []byte {
	t.Helper()
	s, err := avro.ParseBytesWithCache([]byte(schema), "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(dst []byte, s string) []byte { return append(binary.AppendVarint(dst, int64(len(s))), s...) }
	out := binary.AppendVarint([]byte("Obj\x01"), 2)
	for _, s := range []string{"avro.schema", schema, "avro.codec", codec} {
		out = text(out, s)
	}
	out = append(out, "\x00"+mark...)
	for block := range slices.Chunk(records, 7) {
		var data []byte
		for _, r := range block {
			b, err := avro.Marshal(s, r)
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, b...)
		}
		out = binary.AppendVarint(out, int64(len(block)))
		out = append(text(out, string(pack(codec, data))), mark...)
	}
	return out
}

// pack compresses a block.
func pack(codec string, data []byte) []byte {
	switch codec {
	case deflate:
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 9)
		_, _ = w.Write(data)
		_ = w.Close()
		return b.Bytes()
	case snappyCRC:
		return binary.BigEndian.AppendUint32(snappy.Encode(nil, data), crc32.ChecksumIEEE(data))
	case zstandard:
		w, _ := zstd.NewWriter(nil)
		defer w.Close()
		return w.EncodeAll(data, nil)
	default:
		return data
	}
}

// read returns the events of a file, up to the error that ends it.
func read(t testing.TB, src io.Reader) (events []exports.Event, err error) {
	t.Helper()
	a, err := exports.NewAvro(src)
	if err != nil {
		return nil, err
	}
	last := exports.Place{}
	for {
		e, place, err := a.Next()
		if err != nil {
			if _, _, again := a.Next(); again != err { //nolint:errorlint // the very same
				t.Errorf("Next after %v: %v", err, again)
			}
			return events, err
		}
		if place.Number != last.Number+1 || place.Offset < last.Offset || (place.Number%7 == 1) != (place.Offset > last.Offset) {
			t.Errorf("place %+v after %+v", place, last)
		}
		last = place
		events = append(events, e)
	}
}

func wrapped(m message) map[string]any {
	attributes := m.attributes
	if attributes == nil {
		attributes = map[string]string{}
	}
	return map[string]any{"subscription_name": "s", "message_id": m.id, "publish_time": m.publishedAt, "attributes": attributes, "data": m.payload}
}

// Every event, poison too, with and without metadata, by every codec. Catches a
// payload that is changed by a byte, metadata that is lost, and a wrong place.
func TestAvroMessages(t *testing.T) {
	var meta, bare []any
	var want, wantBare []exports.Event
	for _, m := range corpus(t) {
		m.publishedAt = m.publishedAt.Truncate(time.Microsecond)
		meta = append(meta, wrapped(m))
		bare = append(bare, map[string]any{"data": m.payload})
		want = append(want, exports.Event{Data: m.payload, MessageID: m.id, PublishedAt: m.publishedAt, Attributes: m.attributes})
		wantBare = append(wantBare, exports.Event{Data: m.payload})
	}
	for _, codec := range codecs {
		src := file(t, fmt.Sprintf(withMetadata, `"bytes"`), codec, meta...)
		got, err := read(t, iotest.HalfReader(bytes.NewReader(src)))
		if err != io.EOF || !slices.EqualFunc(want, got, same) { //nolint:errorlint // io.EOF itself
			t.Errorf("%s: %v (-want +got):\n%s", codec, err, cmp.Diff(want, got))
		}
		got, err = read(t, bytes.NewReader(file(t, withoutMetadata, codec, bare...)))
		if err != io.EOF || !slices.EqualFunc(wantBare, got, same) { //nolint:errorlint // io.EOF itself
			t.Errorf("%s without metadata: %v (-want +got):\n%s", codec, err, cmp.Diff(wantBare, got))
		}
	}
}

// Catches a record of the topic's own schema that becomes another event than
// its JSON would, and one that is no event and is hidden.
func TestAvroTopicSchema(t *testing.T) {
	record := map[string]any{"mid": "1", "event_type": "x\"\n", "create_time": int64(1), "extra_data": map[string]any{
		"entity_id": nil, "score": 0.25, "vip": true, "mapping_data": map[string]any{"a": []any{nil, "b"}},
	}}
	const text = `{"mid":"1","event_type":"x\"\n","create_time":1,"extra_data":{"entity_id":null,"score":0.25,"vip":true,"mapping_data":{"a":[null,"b"]}}}`
	meta := wrapped(message{id: "7", publishedAt: now})
	meta["data"] = record
	empty := wrapped(message{id: "8", publishedAt: now})
	for _, test := range []struct {
		src  []byte
		want exports.Event
	}{
		{file(t, ofTopic, null, record), exports.Event{Data: []byte(text)}},
		{file(t, fmt.Sprintf(withMetadata, ofTopic), null, meta), exports.Event{Data: []byte(text), MessageID: "7", PublishedAt: now}},
		{file(t, fmt.Sprintf(withMetadata, `"bytes"`), null, empty), exports.Event{
			Data: []byte(`{"subscription_name":"s","message_id":"8","publish_time":"2026-03-01T12:00:00Z","attributes":{},"data":""}`),
		}},
		{file(t, `{"type":"record","name":"r","fields":[{"name":"a","type":"float"},{"name":"b","type":"string"}]}`, null,
			map[string]any{"a": float32(2), "b": "\xff"}), exports.Event{Data: []byte("{\"a\":2,\"b\":\"\xff\"}")}},
	} {
		got, err := read(t, bytes.NewReader(test.src))
		if diff := cmp.Diff([]exports.Event{test.want}, got); diff != "" || err != io.EOF { //nolint:errorlint // io.EOF itself
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	// Extra is a type of the files before.
	other := bytes.Replace(file(t, withoutMetadata, null), []byte(`"bytes"`), []byte(`"Extra"`), 1)
	if _, err := exports.NewAvro(bytes.NewReader(other)); err == nil {
		t.Error("a type of another file is known")
	}
}

// rowSchema is that of events_log as BigQuery exports it.
func rowSchema(logical bool) string {
	var fields []string
	for _, c := range transform.EventsLog.Table().Columns {
		kind := `"string"`
		switch c.Type {
		case transform.Int64:
			kind = `"long"`
		case transform.Bool:
			kind = `"boolean"`
		case transform.JSON:
			kind = `{"type":"string","sqlType":"JSON"}`
		case transform.Timestamp:
			kind = `"long"`
			if logical {
				kind = `{"type":"long","logicalType":"timestamp-micros"}`
			}
		case transform.Record:
			kind = `{"type":"record","name":"Changes","namespace":"root","fields":[{"name":"field","type":"string"},
				{"name":"after_value","type":["null","string"]}]}`
		}
		switch c.Mode {
		case transform.Repeated:
			kind = `{"type":"array","items":` + kind + `}`
		case transform.Nullable:
			kind = `["null",` + kind + `]`
		}
		fields = append(fields, fmt.Sprintf(`{"name":%q,"type":%s}`, c.Name, kind))
	}
	return `{"type":"record","name":"Root","fields":[` + strings.Join(fields, ",") + `]}`
}

// Every event that has rows. Catches a row that differs by a byte from the
// original's, the delivery's columns left out.
func TestAvroRows(t *testing.T) {
	for _, logical := range []bool{true, false} {
		var records []any
		var want []*transform.Rows
		for _, m := range corpus(t) {
			rows, ok := made(t, exports.Event{Data: m.payload, MessageID: m.id, PublishedAt: m.publishedAt})
			if !ok {
				continue
			}
			r := make(map[string]any)
			for _, c := range cells(t, rows) {
				if r[c.Name] = c.value; c.Mode == transform.Repeated && c.value == nil {
					r[c.Name] = []any{}
				}
				if list, ok := c.value.([][]any); ok {
					changes := make([]map[string]any, len(list))
					for i := range list {
						changes[i] = map[string]any{"field": list[i][0], "after_value": list[i][2]}
					}
					r[c.Name] = changes
				}
				if at, ok := c.value.(time.Time); ok && !logical {
					r[c.Name] = at.UnixMicro()
				}
			}
			records, want = append(records, r), append(want, rows)
		}
		got, err := read(t, bytes.NewReader(file(t, rowSchema(logical), snappyCRC, records...)))
		if err != io.EOF || len(got) != len(want) { //nolint:errorlint // io.EOF itself
			t.Fatalf("%d events, %v, want %d", len(got), err, len(want))
		}
		for i, e := range got {
			rows, ok := made(t, e)
			if !ok || e.EventID == [16]byte{} {
				t.Fatalf("not taken for a row: %s", e.Data)
			}
			sameRows(t, want[i], rows, string(e.Data))
		}
	}
}

// A file cut off at every byte. Catches a cut that is taken for the end, an
// event before it that is lost, and one that is made of half a record.
func TestAvroCutOff(t *testing.T) {
	var records []any
	for i := range 20 {
		records = append(records, wrapped(message{payload: fmt.Appendf(nil, `{"n":%d}`, i), id: fmt.Sprint(i), publishedAt: now}))
	}
	for _, codec := range codecs {
		src := file(t, fmt.Sprintf(withMetadata, `"bytes"`), codec, records...)
		whole, _ := read(t, bytes.NewReader(src))
		ends := 0
		for n := range src {
			got, err := read(t, bytes.NewReader(src[:n]))
			switch {
			case err == io.EOF: //nolint:errorlint // io.EOF itself
				ends++ // between two blocks nobody can tell
			case !errors.Is(err, io.ErrUnexpectedEOF), len(got) > 0 && !strings.Contains(err.Error(), fmt.Sprintf("avro record %d, in the block at byte ", len(got)+1)):
				t.Fatalf("%s cut off at byte %d: %v", codec, n, err)
			}
			if len(got)%7 != 0 || !slices.EqualFunc(whole[:len(got)], got, same) {
				t.Fatalf("%s cut off at byte %d: %d events, or others than of the whole file", codec, n, len(got))
			}
		}
		if len(whole) != 20 || ends != 3 { // behind the header and two blocks
			t.Errorf("%s: %d records, %d cuts taken for the end", codec, len(whole), ends)
		}
	}
	// What reading fails with is not a cut.
	_, err := read(t, io.MultiReader(bytes.NewReader(file(t, withoutMetadata, null)), iotest.ErrReader(io.ErrClosedPipe)))
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a read that fails: %v", err)
	}
}
