package transform

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// now is the time at which the tests' events are received.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Cutting back must leave the rows before the mark as they were, in every
// table: a rejected event must leave no trace in its batch.
func TestRowsCut(t *testing.T) {
	var rows Rows
	rows.AppendBatch(Batch{ID: "a"})
	rows.AppendDeadLetter(DeadLetter{Rejection: &Rejection{Reason: TooLarge}, Payload: []byte("x")})
	want := [][]byte{bytes.Clone(rows.Row(SyncBatches, 0)), bytes.Clone(rows.Row(DeadLetters, 0))}
	size, mark := rows.Bytes(), rows.Mark()
	rows.AppendBatch(Batch{ID: "b"})
	rows.AppendDeadLetter(DeadLetter{Rejection: &Rejection{Reason: TooLarge}, Payload: []byte("y")})
	rows.Cut(mark)
	rows.AppendBatch(Batch{ID: "c"})
	if rows.Len(SyncBatches) != 2 || rows.Len(DeadLetters) != 1 || rows.Bytes()-len(rows.Row(SyncBatches, 1)) != size {
		t.Errorf("%d and %d rows, %d bytes", rows.Len(SyncBatches), rows.Len(DeadLetters), rows.Bytes())
	}
	if !bytes.Equal(rows.Row(SyncBatches, 0), want[0]) || !bytes.Equal(rows.Row(DeadLetters, 0), want[1]) {
		t.Error("rows before the mark changed")
	}
}

// A payload must come back whole from its letter's rows, each small enough to
// be written, however large it was: else a poison message could not be put
// away and would come back for ever.
func TestDeadLetterParts(t *testing.T) {
	for _, size := range []int{0, 1, maxPart, maxPart + 1, MaxPayload + 7} {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(rand.Uint32())
		}
		var rows Rows
		rows.AppendDeadLetter(DeadLetter{Rejection: tooDeep(), Payload: payload, DeadAt: now, Attributes: map[string]string{"b": "\"", "a": "1", "c": "\xff"}})
		var got []byte
		ids := map[any]bool{}
		for i := range rows.Len(DeadLetters) {
			row := rows.Row(DeadLetters, i)
			if len(row) > MaxRow {
				t.Errorf("a row of %d bytes", len(row))
			}
			values, err := DeadLetters.Table().Values(nil, row)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, values[5].([]byte)...)
			ids[values[0]] = true
			want := `{"a":"1","b":"\"","c":"�"}`
			if n := rows.Len(DeadLetters); n > 1 {
				want = fmt.Sprintf(`{"a":"1","b":"\"","c":"�","leadsync_part":"%d/%d"}`, i+1, n)
			}
			if values[6] != want {
				t.Errorf("attributes %v, want %s", values[6], want)
			}
		}
		if !bytes.Equal(got, payload) || len(ids) != 1 {
			t.Errorf("payload of %d bytes came back as %d bytes under %d ids", size, len(got), len(ids))
		}
	}
}

// An event whose row is above the limit must leave nothing behind, and an
// extraordinary event must not leave its memory to every event after it.
func TestRowTooLarge(t *testing.T) {
	tr := New(Options{})
	var rows Rows
	payload := []byte(`{"mid":"1","event_type":"x","create_time":1763800000,"extra_data":{"a":"` + strings.Repeat("x", MaxRow) + `"}}`)
	_, err := tr.Transform(&rows, payload, Delivery{IngestedAt: now, Source: "pubsub"})
	r, ok := errors.AsType[*Rejection](err)
	if !ok || r.Reason != RowTooLarge || rows.Total() != 0 || rows.Bytes() != 0 {
		t.Fatalf("error %v, %d rows, %d bytes", err, rows.Total(), rows.Bytes())
	}
	payload = []byte(`{"mid":"1","event_type":"x","create_time":1763800000,"extra_data":{"a":[` + strings.Repeat("0,", MaxPayload/4) + `0]}}`)
	if _, err = tr.Transform(&rows, payload, Delivery{IngestedAt: now, Source: "pubsub"}); err != nil {
		t.Fatal(err)
	}
	if cap(tr.nodes) > keep {
		t.Errorf("%d nodes kept", cap(tr.nodes))
	}
}
