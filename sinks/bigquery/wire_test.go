package bigquery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

// messages returns the message type of every table, made from the descriptor
// that the streams are given.
func messages(t testing.TB) (list [transform.NumTables]protoreflect.MessageDescriptor) {
	t.Helper()
	for i := range list {
		table := transform.TableID(i).Table()
		d, err := descriptorOf(table)
		if err != nil {
			t.Fatal(err)
		}
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String(table.Name + ".proto"), MessageType: []*descriptorpb.DescriptorProto{d},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = file.Messages().Get(0)
	}
	return list
}

// checkWire reads every row by reflection, with the descriptor, and compares
// it with what [transform.Table.Values] reads and with its own bytes.
func checkWire(t *rapid.T, types [transform.NumTables]protoreflect.MessageDescriptor, rows *transform.Rows) {
	for i, d := range types {
		id := transform.TableID(i)
		for k := range rows.Len(id) {
			row := rows.Row(id, k)
			m := dynamicpb.NewMessage(d)
			if err := proto.Unmarshal(row, m); err != nil {
				t.Fatalf("%s: row %d: %v", id, k, err)
			}
			want, err := id.Table().Values(nil, row)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, messageValues(t, id.Table().Columns, m)); diff != "" {
				t.Fatalf("%s: row %d (-columns +message):\n%s", id, k, diff)
			}
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, row) {
				t.Fatalf("%s: row %d: the message has other bytes:\n%x\n%x", id, k, row, again)
			}
		}
	}
}

func messageValues(t *rapid.T, cols []transform.Column, m protoreflect.Message) []any {
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		t.Fatalf("%s: fields that the descriptor does not know: %x", m.Descriptor().Name(), unknown)
	}
	row := make([]any, len(cols))
	for i, c := range cols {
		f := m.Descriptor().Fields().ByName(protoreflect.Name(c.Name))
		if f == nil || int(f.Number()) != i+1 {
			t.Fatalf("column %s is not field %d of the descriptor", c.Name, i+1)
		}
		if !m.Has(f) {
			continue
		}
		if f.Cardinality() != protoreflect.Repeated {
			row[i] = scalar(t, &c, m.Get(f))
			continue
		}
		list := m.Get(f).List()
		var texts []string
		var records [][]any
		for k := range list.Len() {
			if c.Type == transform.Record {
				records = append(records, messageValues(t, c.Columns, list.Get(k).Message()))
			} else {
				texts = append(texts, list.Get(k).String())
			}
		}
		row[i] = texts
		if c.Type == transform.Record {
			row[i] = records
		}
	}
	return row
}

func scalar(t *rapid.T, c *transform.Column, v protoreflect.Value) any {
	switch c.Type {
	case transform.String, transform.JSON:
		return v.String()
	case transform.Int64:
		return v.Int()
	case transform.Bool:
		return v.Bool()
	case transform.Bytes:
		return v.Bytes()
	case transform.Timestamp:
		return time.UnixMicro(v.Int()).UTC()
	}
	t.Fatalf("column %s: no test for a single %v", c.Name, c.Type)
	return nil
}

// TestWireOfTransform draws events, dead letters and batches and compares what
// package transform encodes with what the descriptor that we send makes of it.
// It catches a wrong field number, wire type or order.
func TestWireOfTransform(t *testing.T) {
	types := messages(t)
	transformer := transform.New(transform.Options{})
	seen := map[transform.TableID]int{}
	rapid.Check(t, func(t *rapid.T) {
		var rows transform.Rows
		now := time.Now()
		d := transform.Delivery{MessageID: text(t, "message"), PublishedAt: now, IngestedAt: now, Source: "pubsub"}
		payload, err := json.Marshal(drawEvent(t, now))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transformer.Transform(&rows, payload, d); err != nil {
			t.Fatalf("transform %s: %v", payload, err)
		}
		rows.AppendDeadLetter(transform.DeadLetter{
			Rejection:   &transform.Rejection{Reason: "json_invalid", Stage: "decode"},
			Payload:     rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "payload"),
			Attributes:  rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "attributes"),
			PublishedAt: now, DeadAt: now, Attempts: rapid.IntRange(0, 9).Draw(t, "attempts"),
		})
		rows.AppendBatch(transform.Batch{
			ID: "b", WorkerID: "w", Source: "push", Received: rapid.IntRange(0, 1<<40).Draw(t, "received"),
			MinOccurredAt: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "min"), 0), StartedAt: now, CommittedAt: now,
			Tallies: []transform.Tally{
				{Day: now.UTC().Truncate(24 * time.Hour), EventType: text(t, "type"), Written: rapid.IntRange(0, 1<<40).Draw(t, "written")},
				{Duplicates: 1, Dead: 2, Filtered: 3},
			},
		})
		rows.AppendReplay(transform.Replay{
			DeadLetterID: "l", ReplayedAt: now, Outcome: "dead", EventID: text(t, "event"),
			Rejection: &transform.Rejection{Reason: "json_invalid", Stage: "decode"}, WorkerVersion: "v",
		})
		rows.AppendCheckpoint(transform.Checkpoint{
			Location: "/a", Version: text(t, "version"), Start: rapid.Int64Range(0, 1<<50).Draw(t, "start"), End: 1 << 51,
			AtEnd: rapid.Bool().Draw(t, "at_end"), Digest: "d", Selection: text(t, "selection"), Records: 10, Written: 1,
			Duplicates: 2, Dead: 3, Filtered: 4, Via: "load", CommittedAt: now, WorkerID: "w",
		})
		checkWire(t, types, &rows)
		for id := range transform.TableID(transform.NumTables) {
			seen[id] += rows.Len(id)
		}
	})
	for id := range transform.TableID(transform.NumTables) {
		// Tombstones are set by a statement: no row of them is ever encoded.
		if seen[id] == 0 && id != transform.Erasures {
			t.Errorf("no row of %s was drawn", id)
		}
	}
}

func text(t *rapid.T, name string) string {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "张三", "1", "a,b,c"})).Draw(t, name)
}

// drawEvent draws an event that has most keys that the columns are made from.
func drawEvent(t *rapid.T, now time.Time) map[string]any {
	value := rapid.OneOf(rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](map[string]any{"a": []any{1.5}}))
	extra, envelope := map[string]any{}, map[string]any{}
	mapping := map[string]any{}
	for _, name := range rapid.SliceOf(rapid.SampledFrom([]string{"owner", "life_status", "lead_pool", "leads_status", "name", "x y"})).Draw(t, "fields") {
		mapping[name] = rapid.SliceOfN(value, 0, 3).Draw(t, name)
	}
	columns := transform.EventsLog.Table().Columns
	for _, c := range columns {
		key, inside := bytes.CutPrefix([]byte(c.Source), []byte("extra_data."))
		switch {
		case c.Source == "" || !rapid.Bool().Draw(t, "has "+c.Source):
		case inside:
			extra[string(key)] = value.Draw(t, c.Source)
		default:
			envelope[c.Source] = value.Draw(t, c.Source)
		}
	}
	if rapid.Bool().Draw(t, "entity") {
		extra["entity_id"] = "entity"
	}
	if rapid.Bool().Draw(t, "mapping") {
		extra["mapping_data"], extra["mapping_data_text"] = mapping, mapping
	}
	extra["new_key"] = value.Draw(t, "new key")
	envelope["mid"], envelope["extra_data"] = "941", extra
	envelope["event_type"] = rapid.SampledFrom([]string{"object_create", "object_change_owner", "object_update", "unheard_of"}).Draw(t, "type")
	envelope["create_time"] = now.Unix() - rapid.Int64Range(0, 1e8).Draw(t, "age")
	return envelope
}

// TestWireOfColumns draws every column by its type alone, so that it also
// covers values that no event of today gives.
func TestWireOfColumns(t *testing.T) {
	types := messages(t)
	rapid.Check(t, func(t *rapid.T) {
		var rows transform.Rows
		for id := range transform.TableID(transform.NumTables) {
			sinktest.Append(&rows, id, drawColumns(t, id.Table().Columns))
		}
		checkWire(t, types, &rows)
	})
}

func drawColumns(t *rapid.T, cols []transform.Column) []any {
	row := make([]any, len(cols))
	for i, c := range cols {
		if c.Mode == transform.Nullable && rapid.Bool().Draw(t, "null") {
			continue
		}
		n := 1
		if c.Mode == transform.Repeated {
			n = rapid.IntRange(0, 3).Draw(t, "length")
		}
		var texts []string
		var records [][]any
		for range n {
			switch c.Type {
			case transform.String, transform.JSON:
				texts = append(texts, rapid.String().Draw(t, c.Name))
			case transform.Record:
				records = append(records, drawColumns(t, c.Columns))
			case transform.Int64:
				row[i] = rapid.Int64().Draw(t, c.Name)
			case transform.Bool:
				row[i] = rapid.Bool().Draw(t, c.Name)
			case transform.Bytes:
				row[i] = rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, c.Name)
			case transform.Timestamp:
				row[i] = time.UnixMicro(rapid.Int64().Draw(t, c.Name)).UTC()
			default:
				t.Fatal(fmt.Sprintf("no values for %v", c.Type))
			}
		}
		switch {
		case len(records) > 0:
			row[i] = records
		case len(texts) > 0 && c.Mode == transform.Repeated:
			row[i] = texts
		case len(texts) > 0:
			row[i] = texts[0]
		}
	}
	return row
}
