package exports_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"leadsync/sync/exports"
)

// A block of a hostile file: what it says of itself, and what it holds.
func hostile(t testing.TB, schema string, codec string, records, size int64, data []byte) []byte {
	t.Helper()
	src := file(t, schema, codec)
	src = binary.AppendVarint(src, records)
	src = binary.AppendVarint(src, size)
	src = append(src, data...)
	return append(src, mark...)
}

// Catches memory or time that follows from what a file says rather than from
// what it holds, and damage that is not told.
func TestAvroHostile(t *testing.T) {
	const large = 1 << 40
	zeros := make([]byte, 80<<20)
	deflated, packed := pack(deflate, zeros), pack(zstandard, zeros)
	snapped := append(binary.AppendUvarint(nil, 1<<32-1), "xxxxxxxx"...)
	varint := func(list ...int64) (b []byte) {
		for _, n := range list {
			b = binary.AppendVarint(b, n)
		}
		return b
	}
	long := func(records, size int64, data []byte) []byte {
		return hostile(t, withoutMetadata, null, records, size, data)
	}
	nulls := `{"type":"record","name":"r","fields":[{"name":"a","type":{"type":"array","items":"null"}},{"name":"b","type":"long"}]}`
	endless := `{"type":"record","name":"r","fields":[{"name":"b","type":"long"},{"name":"a","type":"r"}]}`
	meta := strings.Replace(string(file(t, withoutMetadata, null)), "avro.codec\x08null", "avro.codec\x06lz4", 1)
	for name, test := range map[string]struct {
		src  []byte
		want string
	}{
		"block of a tebibyte":   {long(1, large, nil), "a block of 1 records in"},
		"negative block":        {long(1, -1, nil), "a block of"},
		"negative records":      {long(-1, 1, []byte("x")), "a block of"},
		"records without bytes": {long(large, 0, nil), "a block of"},
		"data of a tebibyte":    {long(1, 6, varint(large)), "ReadBYTES"},
		"data behind the block": {long(1, 1, varint(60)), "too early"},
		"bytes left":            {long(1, 3, append(varint(1), "xx"...)), "behind its last record"},
		"bytes left over":       {long(1, 4, append(varint(1), "xxx"...)), "behind its last record"},
		"wrong mark":            {append(long(1, 2, append(varint(1), 'x'))[:len(long(1, 2, append(varint(1), 'x')))-1], 'x'), "mark"},
		"endless number":        {append(file(t, withoutMetadata, null), bytes.Repeat([]byte{0xff}, 20)...), "overflow"},
		"deflate bomb":          {hostile(t, withoutMetadata, deflate, 1, int64(len(deflated)), deflated), "above 64 MiB"},
		"zstandard bomb":        {hostile(t, withoutMetadata, zstandard, 1, int64(len(packed)), packed), "decompress"},
		"snappy bomb":           {hostile(t, withoutMetadata, snappyCRC, 1, int64(len(snapped)), snapped), "above 64 MiB"},
		"no deflate":            {hostile(t, withoutMetadata, deflate, 1, 1, []byte{1}), "too early"},
		"no check sum":          {hostile(t, withoutMetadata, snappyCRC, 1, 1, []byte{1}), "no check sum"},
		"wrong check sum":       {hostile(t, withoutMetadata, snappyCRC, 1, 7, []byte("\x01\x00x1234")), "wrong check sum"},
		"endless nulls":         {hostile(t, nulls, null, 1, 7, varint(large, 0)), "million items"},
		"endless records":       {hostile(t, endless, null, 1, 200, make([]byte, 200)), "nested deeper"},
		"branch":                {hostile(t, ofTopic, null, 1, 5, varint(0, 0, 0, 2, 0)), "decode"},
		"no record":             {file(t, `"string"`, null), "records are wanted"},
		"no such codec":         {[]byte(meta), `compressed by "lz4"`},
		"no schema":             {[]byte("Obj\x01\x00" + strings.Repeat("m", 16)), "schema"},
		"header of a tebibyte":  {append([]byte("Obj\x01"), varint(1, large)...), "bytes in one of its values"},
		"endless header":        {append([]byte("Obj\x01"), varint(large, 0, 0, 0, 0)...), "twice"},
		"no avro":               {[]byte("Obj\x02 and so on"), "not an avro file"},
		"nothing":               {nil, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			events, err := read(t, bytes.NewReader(test.src))
			runtime.ReadMemStats(&after)
			if len(events) > 1 || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%d events, %v, want %q", len(events), err, test.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<30 {
				t.Errorf("%d MiB for a file of %d bytes", n>>20, len(test.src))
			}
		})
	}
	if exports.IsAvro(nil) || exports.IsAvro([]byte("Obj")) || exports.IsAvro([]byte(`{"mid":1}`)) || !exports.IsAvro([]byte("Obj\x01x")) {
		t.Error("IsAvro")
	}
}

// FuzzAvro catches a panic, a file that never ends, and an error without a place.
func FuzzAvro(f *testing.F) {
	m := corpus(f)[0]
	for _, codec := range codecs {
		f.Add(file(f, fmt.Sprintf(withMetadata, `"bytes"`), codec, wrapped(m), wrapped(m)))
	}
	f.Add(file(f, withoutMetadata, null, map[string]any{"data": m.payload}))
	f.Add(file(f, rowSchema(true), null))
	f.Fuzz(func(t *testing.T, src []byte) {
		a, err := exports.NewAvro(bytes.NewReader(src))
		for err == nil {
			_, _, err = a.Next()
		}
		if err != io.EOF && !strings.Contains(err.Error(), "avro") { //nolint:errorlint // io.EOF itself
			t.Error(err)
		}
	})
}
