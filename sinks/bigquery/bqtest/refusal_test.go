package bqtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// storageCode returns the code in an error's details, -1 if it has none.
func storageCode(err error) storagepb.StorageError_StorageErrorCode {
	for _, d := range status.Convert(err).Details() {
		if e, ok := d.(*storagepb.StorageError); ok {
			return e.GetCode()
		}
	}
	return -1
}

// badRows are rows that the service refuses, each for one reason.
var badRows = map[string]func(w *writer) []byte{
	"no required column": func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) { m.Clear(m.Descriptor().Fields().ByName("id")) })
	},
	"no required nested column": func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) {
			l := m.Mutable(m.Descriptor().Fields().ByName("changes")).List()
			l.Append(l.NewElement())
		})
	},
	"invalid UTF-8": func(w *writer) []byte {
		return bytes.Replace(w.row("UTF"), []byte("UTF"), []byte{'U', 0xC3, 'F'}, 1)
	},
	"invalid UTF-8 in a list": func(w *writer) []byte {
		row := w.row("x", func(m *dynamicpb.Message) {
			m.Mutable(m.Descriptor().Fields().ByName("tags")).List().Append(protoreflect.ValueOf("UTF"))
		})
		return bytes.Replace(row, []byte("UTF"), []byte{'U', 0xC3, 'F'}, 1)
	},
	"no JSON":             withJSON(`{"a":`),
	"two JSON values":     withJSON(`1 2`),
	"large JSON number":   withJSON(`{"a":[18446744073709551616]}`),
	"precise JSON number": withJSON(`0.12345678901234567890`),
	"old partition": func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) { set(m, "at", time.Now().AddDate(-10, 0, -1).UnixMicro()) })
	},
	"future partition": func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) { set(m, "at", time.Now().AddDate(1, 0, 1).UnixMicro()) })
	},
	"milliseconds for microseconds": func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) { set(m, "at", time.Now().UnixMilli()) })
	},
	"year 10000": func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) { set(m, "seen", maxTimestamp+1) })
	},
	"unknown field": func(w *writer) []byte {
		return protowire.AppendVarint(protowire.AppendTag(w.row("x"), 99, protowire.VarintType), 1)
	},
	"unknown nested field": func(w *writer) []byte {
		inner := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "f")
		inner = protowire.AppendVarint(protowire.AppendTag(inner, 9, protowire.VarintType), 1)
		return protowire.AppendBytes(protowire.AppendTag(w.row("x"), 9, protowire.BytesType), inner)
	},
	"wrong wire type": func(w *writer) []byte {
		return protowire.AppendString(protowire.AppendTag(w.row("x"), 3, protowire.BytesType), "3")
	},
	"cut off": func(w *writer) []byte { row := w.row("x"); return row[:len(row)-1] },
}

func withJSON(text string) func(w *writer) []byte {
	return func(w *writer) []byte {
		return w.row("x", func(m *dynamicpb.Message) { set(m, "doc", text) })
	}
}

// TestBadRow would catch a kind of bad row that is taken, one that does not
// refuse its whole request, and an answer in another form than the service's.
func TestBadRow(t *testing.T) {
	s := withTable(t)
	w := newWriter(t, s)
	for name, bad := range badRows {
		t.Run(name, func(t *testing.T) {
			before := s.NumRows("t")
			resp, err := w.append(w.row("good"), bad(w), w.row("good"), bad(w))
			if status.Code(err) != codes.InvalidArgument || storageCode(err) < 0 {
				t.Errorf("error %v: want InvalidArgument with a StorageError", err)
			}
			var got []int64
			for _, e := range resp.GetRowErrors() {
				got = append(got, e.GetIndex())
				if e.GetCode() != storagepb.RowError_FIELDS_ERROR || e.GetMessage() == "" {
					t.Errorf("row error %v", e)
				}
			}
			if !slices.Equal(got, []int64{1, 3}) {
				t.Errorf("row errors for %v, want 1 and 3", got)
			}
			if n := s.NumRows("t"); n != before {
				t.Errorf("%d rows of a refused request were written", n-before)
			}
			if _, err := w.append(w.row("good")); err != nil {
				t.Errorf("good row after it: %v", err)
			}
		})
	}
	if n := s.Stats("t").Connections; n != 1 {
		t.Errorf("bad rows made the client use %d connections, want 1", n)
	}
}

// TestRequiredByTable would catch a required column that is asked for only
// where the writer's own schema asks for it.
func TestRequiredByTable(t *testing.T) {
	s := withTable(t)
	columns := schema()
	columns[0].Required = false
	w := newWriterFor(t, s, columns)
	_, err := w.append(w.row("x", func(m *dynamicpb.Message) { m.Clear(m.Descriptor().Fields().ByName("id")) }))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("error %v: want InvalidArgument", err)
	}
}

func newWriterFor(t *testing.T, s *Server, columns bq.Schema) *writer {
	t.Helper()
	m, dp := message(t, columns)
	w := newWriter(t, s, managedwriter.WithSchemaDescriptor(dp))
	w.m = m
	return w
}

// TestSchemaMismatch would catch a writer's schema that is taken though the
// table cannot hold its rows.
func TestSchemaMismatch(t *testing.T) {
	const extra = storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS
	const other = storagepb.StorageError_STORAGE_ERROR_CODE_UNSPECIFIED
	for name, test := range map[string]struct {
		edit func(s bq.Schema) bq.Schema
		code storagepb.StorageError_StorageErrorCode
		text string
	}{
		"extra field": {func(s bq.Schema) bq.Schema {
			return append(s, &bq.FieldSchema{Name: "more", Type: bq.StringFieldType})
		}, extra, "'more'"},
		"extra nested field": {func(s bq.Schema) bq.Schema {
			c := s[8]
			c.Schema = append(c.Schema, &bq.FieldSchema{Name: "more", Type: bq.StringFieldType})
			return s
		}, extra, "'changes.more'"},
		"required column left out": {func(s bq.Schema) bq.Schema { return s[1:] }, other, ".id is missing"},
		"required nested column left out": {func(s bq.Schema) bq.Schema {
			c := s[8]
			c.Schema = c.Schema[1:]
			return s
		}, other, ".changes.field is missing"},
		"string for integer":   {func(s bq.Schema) bq.Schema { s[2].Type = bq.StringFieldType; return s }, other, "type string, BigQuery field type INTEGER"},
		"integer for string":   {func(s bq.Schema) bq.Schema { s[0].Type = bq.IntegerFieldType; return s }, other, "type int64, BigQuery field type STRING"},
		"string for timestamp": {func(s bq.Schema) bq.Schema { s[1].Type = bq.StringFieldType; return s }, other, "BigQuery field type TIMESTAMP"},
		"string for bytes":     {func(s bq.Schema) bq.Schema { s[5].Type = bq.StringFieldType; return s }, other, "BigQuery field type BYTES"},
		"bytes for JSON":       {func(s bq.Schema) bq.Schema { s[6].Type = bq.BytesFieldType; return s }, other, "BigQuery field type JSON"},
		"integer for bool":     {func(s bq.Schema) bq.Schema { s[3].Type = bq.IntegerFieldType; return s }, other, "BigQuery field type BOOLEAN"},
		"string for record":    {func(s bq.Schema) bq.Schema { c := s[8]; c.Type, c.Schema = bq.StringFieldType, nil; return s }, other, "BigQuery field type RECORD"},
		"list for one":         {func(s bq.Schema) bq.Schema { s[2].Repeated = true; return s }, other, "mode NULLABLE"},
		"one for list":         {func(s bq.Schema) bq.Schema { s[7].Repeated = false; return s }, other, "mode REPEATED"},
	} {
		t.Run(name, func(t *testing.T) {
			s := withTable(t)
			w := newWriterFor(t, s, test.edit(schema()))
			_, err := w.append(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1))
			if status.Code(err) != codes.InvalidArgument || storageCode(err) != test.code || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v: want InvalidArgument with %v and %q", err, test.code, test.text)
			}
			if n := s.NumRows("t"); n != 0 {
				t.Errorf("%d rows were written", n)
			}
		})
	}
}

// TestUnknownColumnType would catch a value of a type that is not decoded here
// and is taken all the same.
func TestUnknownColumnType(t *testing.T) {
	s := New(t)
	m := metadata()
	m.Schema = append(m.Schema, &bq.FieldSchema{Name: "price", Type: bq.NumericFieldType})
	if err := s.CreateTable(project, ds, "t", m); err != nil {
		t.Fatal(err)
	}
	w := newWriterFor(t, s, m.Schema)
	if _, err := w.append(w.row("x")); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "not taken by this stand-in") {
		t.Errorf("error %v: want InvalidArgument", err)
	}
	w = newWriterFor(t, s, schema())
	if _, err := w.append(w.row("x")); err != nil {
		t.Errorf("row without the column: %v", err)
	}
}

// TestSchemaSubset would catch columns that a writer must know although the
// table can do without them, and names that are told apart by case.
func TestSchemaSubset(t *testing.T) {
	s := withTable(t)
	_, dp := message(t, schema()[:2])
	name := "ID"
	dp.Field[0].Name = &name
	w := newWriter(t, s, managedwriter.WithSchemaDescriptor(dp))
	w.m = normal(t, dp)
	m := dynamicpb.NewMessage(w.m)
	set(m, "ID", "a")
	set(m, "at", time.Now().UnixMicro())
	if _, err := w.append(marshal(t, m)); err != nil {
		t.Fatal(err)
	}
	if got := s.Rows("t")[0]["id"]; got != "a" {
		t.Errorf("id %v, want a", got)
	}
}

// TestDescriptor would catch a schema that stands on types it did not bring,
// or that is no schema at all.
func TestDescriptor(t *testing.T) {
	name, number := "id", int32(1)
	kind, label, other := descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, ".other.Message"
	root := "root"
	for what, dp := range map[string]*descriptorpb.DescriptorProto{
		"import": {Name: &root, Field: []*descriptorpb.FieldDescriptorProto{{Name: &name, Number: &number, Type: &kind, Label: &label, TypeName: &other}}},
		"empty":  {},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWriter(t, withTable(t), managedwriter.WithSchemaDescriptor(dp))
			if _, err := w.append(w.row("x")); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "Invalid proto schema") {
				t.Errorf("error %v: want InvalidArgument for the schema", err)
			}
		})
	}
}
