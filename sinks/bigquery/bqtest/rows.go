package bqtest

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The instants a TIMESTAMP can hold, in microseconds.
var (
	minTimestamp = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxTimestamp = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
)

// decode turns a row's bytes into its values, or says why the table cannot
// take it.
func (b *binding) decode(row []byte, partition *rest.TimePartitioning, now time.Time) (map[string]any, error) {
	m := dynamicpb.NewMessage(b.message)
	if err := proto.Unmarshal(row, m); err != nil {
		return nil, fmt.Errorf("the row cannot be parsed: %w", err)
	}
	values, err := b.values(m, "")
	if err != nil {
		return nil, err
	}
	if partition != nil && partition.Field != "" {
		if err := checkPartitionValue(values, partition.Field, now); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// values returns a message's columns.
func (b *binding) values(m protoreflect.Message, path string) (map[string]any, error) {
	if len(m.GetUnknown()) > 0 {
		return nil, fmt.Errorf("the row has fields %sthat are not in the writer schema", in(path))
	}
	values := make(map[string]any, len(b.fields))
	for _, f := range b.fields {
		at := path + f.column.Name
		if !m.Has(f.field) {
			if f.column.Mode == "REQUIRED" {
				return nil, fmt.Errorf("field %s: REQUIRED field cannot be null", at)
			}
			continue
		}
		if !f.field.IsList() {
			v, err := f.value(m.Get(f.field), at)
			if err != nil {
				return nil, err
			}
			values[f.column.Name] = v
			continue
		}
		list := m.Get(f.field).List()
		items := make([]any, list.Len())
		for i := range items {
			v, err := f.value(list.Get(i), fmt.Sprintf("%s[%d]", at, i))
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		values[f.column.Name] = items
	}
	return values, nil
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return "in " + strings.TrimSuffix(path, ".") + " "
}

// value returns one value of a column, checked.
func (f *boundField) value(v protoreflect.Value, at string) (any, error) {
	switch f.column.Type {
	case "RECORD":
		return f.nested.values(v.Message(), at+".")
	case "STRING", "JSON":
		text := v.String()
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("field %s: invalid UTF-8", at)
		}
		if f.column.Type == "JSON" {
			if err := checkJSON(text); err != nil {
				return nil, fmt.Errorf("field %s: invalid JSON: %w", at, err)
			}
		}
		return text, nil
	case "TIMESTAMP":
		micros := v.Int()
		if micros < minTimestamp || micros > maxTimestamp {
			return nil, fmt.Errorf("field %s: timestamp is out of range", at)
		}
		return time.UnixMicro(micros).UTC(), nil
	case "BYTES":
		return append([]byte{}, v.Bytes()...), nil
	default: // INTEGER, BOOLEAN, FLOAT
		return v.Interface(), nil
	}
}

// checkPartitionValue refuses what streamed rows may not have: partitions
// more than ten years back or one year ahead. NULL has a partition of its own.
func checkPartitionValue(values map[string]any, field string, now time.Time) error {
	for name, v := range values {
		at, ok := v.(time.Time)
		if !ok || !strings.EqualFold(name, field) {
			continue
		}
		if at.Before(now.AddDate(-10, 0, 0)) || at.After(now.AddDate(1, 0, 0)) {
			return fmt.Errorf("field %s: the row is outside the allowed bounds of partitions, 10 years in the past to 1 year in the future", field)
		}
	}
	return nil
}
