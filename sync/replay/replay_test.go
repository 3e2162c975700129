package replay_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadsync/sinks"
	"leadsync/sinks/sinktest"
	"leadsync/sync/pipeline"
	"leadsync/sync/replay"
	"leadsync/transform"
)

// published is when the messages of all letters were.
var published = time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)

// event returns an event of these tests, in whose bubbles it is the year 2000.
func event(entity string) []byte {
	return fmt.Appendf(nil, `{"mid":"1","event_type":"object_update_status","create_time":%d,"extra_data":{"object_name":"lead",`+
		`"entity_id":"%s","to_leads_status":"b"}}`, published.Unix(), entity)
}

// letter returns a letter with the payload as it was received.
func letter(reason transform.Reason, payload []byte) *replay.Letter {
	return &replay.Letter{
		ID: transform.DeadLetterID(reason, payload), Reason: reason, MessageID: "m" + string(payload[:1]), PublishedAt: published,
		Payload: payload, Attributes: map[string]string{"a": "b"},
	}
}

// A run is a replay of letters into a warehouse in memory.
type run struct {
	memory   *sinktest.Memory
	verdicts map[string]replay.Verdict // by the letter's id
	calls    int                       // of Next
}

// over replays chunks of letters through the sink.
func (r *run) over(ctx context.Context, sink sinks.Sink, options transform.Options, chunks ...[]*replay.Letter) error {
	r.verdicts = map[string]replay.Verdict{}
	r.calls = 0
	source := replay.NewSource(replay.Config{
		Next: func(context.Context) ([]*replay.Letter, error) {
			if r.calls++; r.calls > len(chunks) {
				return nil, nil
			}
			return chunks[r.calls-1], nil
		},
		Record:    sink.Write,
		Tell:      func(l *replay.Letter, v replay.Verdict) { r.verdicts[l.ID] = v },
		Transform: options, WorkerVersion: "v2",
	})
	return pipeline.New(pipeline.Config{
		Sink: sink, Transform: options, IngestSource: "replay", WorkerID: "w", WorkerVersion: "v2", DrainTimeout: time.Second,
	}).Run(ctx, source)
}

// history returns the rows of dead_letter_replays: outcome, event and reason.
func history(m *sinktest.Memory) map[string][]any {
	rows := map[string][]any{}
	for _, row := range m.Rows(transform.DeadLetterReplays) {
		rows[row[0].(string)] = append(rows[row[0].(string)], row[2], row[3], row[4], row[6])
	}
	return rows
}

func eventID(payload []byte) string {
	var rows transform.Rows
	e, err := transform.New(transform.Options{}).Transform(&rows, payload, transform.Delivery{IngestedAt: published})
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(e.ID[:])
}

// One letter of every kind is replayed. Catches a fate that is wrong or not
// recorded, a letter that is tried although it cannot be, one that would die
// again and becomes a new letter, and a row that is not what it would have
// been.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, refused, gone := event("good"), event("refused"), event("gone")
		again := append([]byte(" "), good...) // the same event in other bytes
		mended := letter(transform.RowRejected, good)
		twice := letter(transform.RowRejected, again)
		rejected := letter(transform.EventTimeOutOfRange, refused)
		invalid := letter(transform.JSONInvalid, []byte(`{"entity_id":"x"`))
		filtered := letter(transform.RowRejected, gone)
		unreadable := letter(transform.JSONInvalid, []byte(`{"entity_id":"gone"`))
		hidden := letter(transform.RowRejected, event("hidden"))
		hidden.Payload = event("xxxxxx")
		torn := letter(transform.RowTooLarge, event("torn"))
		torn.Payload, torn.Torn = nil, true

		erased := &transform.Erased{}
		erased.Set([]transform.EntityDigest{transform.DigestEntity("gone")})
		r := &run{memory: sinktest.NewMemory(t)}
		faulty := sinktest.NewFaulty(t, r.memory)
		faulty.Else = sinktest.RefuseWhere(transform.EventsLog, "entity_id", "refused")
		err := r.over(t.Context(), faulty, transform.Options{Erased: erased},
			[]*replay.Letter{mended, twice, rejected, invalid, filtered}, []*replay.Letter{unreadable, hidden, torn})
		if err != nil {
			t.Fatal(err)
		}
		fates := map[string]replay.Fate{}
		for id, v := range r.verdicts {
			fates[id] = v.Fate
		}
		want := map[string]replay.Fate{
			mended.ID: replay.Written, twice.ID: replay.Duplicate, rejected.ID: replay.Dead, invalid.ID: replay.Dead,
			filtered.ID: replay.Filtered, unreadable.ID: replay.Filtered, hidden.ID: replay.Hidden, torn.ID: replay.Torn,
		}
		if diff := cmp.Diff(want, fates); diff != "" {
			t.Errorf("fates (-want +got):\n%s", diff)
		}
		id := eventID(good)
		if diff := cmp.Diff(map[string][]any{
			mended.ID: {"written", id, nil, "v2"}, twice.ID: {"duplicate", id, nil, "v2"}, rejected.ID: {"dead", nil, "row_rejected", "v2"},
			invalid.ID: {"dead", nil, "json_invalid", "v2"}, filtered.ID: {"filtered", nil, nil, "v2"}, unreadable.ID: {"filtered", nil, nil, "v2"},
		}, history(r.memory)); diff != "" {
			t.Errorf("dead_letter_replays (-want +got):\n%s", diff)
		}
		// Only what the warehouse refused is a new letter.
		if diff := cmp.Diff([]any{transform.DeadLetterID(transform.RowRejected, refused)}, r.memory.Column(transform.DeadLetters, "dead_letter_id")); diff != "" {
			t.Errorf("new letters (-want +got):\n%s", diff)
		}
		for name, want := range map[string]any{
			"entity_id": "good", "ingest_source": "replay", "message_id": mended.MessageID, "published_at": published,
			"sequence": fmt.Sprintf("%016x/03/%016x/%s", published.Unix(), published.UnixMicro(), id[:16]),
		} {
			if diff := cmp.Diff([]any{want}, r.memory.Column(transform.EventsLog, name)); diff != "" {
				t.Errorf("events_log.%s (-want +got):\n%s", name, diff)
			}
		}
		for i, row := range r.memory.Rows(transform.SyncBatches) {
			received, sum := row[4].(int64), int64(0)
			for _, n := range row[5:9] {
				sum += n.(int64)
			}
			if received != sum || row[3] != "replay" {
				t.Errorf("batch %d: %v", i, row)
			}
		}
	})
}

// The replay ends while the warehouse is away, and is run again. Catches a
// letter that is called mended although nothing is known of it, one that is
// given up, and a Run that waits for the warehouse.
func TestReplayInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := letter(transform.RowRejected, event("one")), letter(transform.RowRejected, event("two"))
		chunks := [][]*replay.Letter{{first}, {second}}
		r := &run{memory: sinktest.NewMemory(t)}
		// The first letter's rows, ledger and fate go through, then nothing does.
		faulty := sinktest.NewFaulty(t, r.memory, sinktest.Fault{}, sinktest.Fault{}, sinktest.Fault{})
		faulty.Else = sinktest.Hold(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.over(ctx, faulty, transform.Options{}, chunks...); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(map[string]replay.Fate{first.ID: replay.Written, second.ID: replay.GivenBack}, map[string]replay.Fate{
			first.ID: r.verdicts[first.ID].Fate, second.ID: r.verdicts[second.ID].Fate,
		}); diff != "" {
			t.Errorf("fates (-want +got):\n%s", diff)
		}
		if h := history(r.memory); len(h) != 1 || h[first.ID] == nil {
			t.Errorf("recorded: %v", h)
		}
		if err := r.over(t.Context(), r.memory, transform.Options{}, chunks[1]); err != nil {
			t.Fatal(err)
		}
		if h := history(r.memory); len(h) != 2 || len(r.memory.Rows(transform.EventsLog)) != 2 {
			t.Errorf("in the end: %v", h)
		}
	})
}

// What became of a letter is recorded also if the context ends right then.
// Catches a letter that is open although its rows are there, where that could
// be avoided.
func TestRecordedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := letter(transform.RowRejected, event("one"))
		r := &run{memory: sinktest.NewMemory(t)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow := sinktest.Fault{Before: func(ctx context.Context) error {
			cancel()
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		faulty := sinktest.NewFaulty(t, r.memory, sinktest.Fault{}, sinktest.Fault{}, slow)
		if err := r.over(ctx, faulty, transform.Options{}, []*replay.Letter{l}, []*replay.Letter{l}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if h := history(r.memory); len(h) != 1 || r.calls != 1 {
			t.Errorf("recorded: %v, in %d chunks", h, r.calls)
		}
	})
}

// Catches an error that is swallowed, with letters after it replayed.
func TestReplayFails(t *testing.T) {
	broken := errors.New("broken")
	l := letter(transform.RowRejected, event("one"))
	source := replay.NewSource(replay.Config{
		Next:   func(context.Context) ([]*replay.Letter, error) { return nil, broken },
		Record: func(context.Context, *transform.Rows) error { return nil },
	})
	if err := source.Run(t.Context(), nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &run{memory: sinktest.NewMemory(t)}
		faulty := sinktest.NewFaulty(t, r.memory, sinktest.Fault{}, sinktest.Fault{}, sinktest.Fail(broken))
		if err := r.over(t.Context(), faulty, transform.Options{}, []*replay.Letter{l}, []*replay.Letter{l}); !errors.Is(err, broken) || r.calls != 1 {
			t.Errorf("error %v after %d chunks", err, r.calls)
		}
	})
}

// Any payload, parted as the table parts it, with rows out of order and copied,
// must be put together; without one row it must not. Catches a letter of other
// bytes than were received, and one that is called whole although a policy has
// hidden a part.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 50, 100, 200, 300, 400, 500, 4 << 20, 4<<20 + 1, 9 << 20}).Draw(t, "size")
		payload := bytes.Repeat([]byte(`{"a":1,"mid":"x",`), size/17+1)[:size]
		attributes := rapid.SampledFrom([]map[string]string{nil, {}, {"a": "b"}, {"leadsync_part": "of the sender"}}).Draw(t, "attributes")
		var rows transform.Rows
		rows.AppendDeadLetter(transform.DeadLetter{
			Rejection: &transform.Rejection{Reason: transform.JSONInvalid}, Payload: payload, Attributes: attributes, DeadAt: published,
		})
		parts := partsOf(t, &rows)
		n := len(parts)
		drawn := rapid.Permutation(append(parts, parts...)).Draw(t, "rows")
		l := &replay.Letter{ID: transform.DeadLetterID(transform.JSONInvalid, payload), Reason: transform.JSONInvalid}
		if l.Join(drawn); l.Torn || !bytes.Equal(l.Payload, payload) || !l.IsWhole() {
			t.Fatalf("of %d parts: torn %t, %d bytes of %d", n, l.Torn, len(l.Payload), len(payload))
		}
		want := attributes
		if n > 1 {
			want = map[string]string{}
			if attributes["a"] != "" {
				want["a"] = "b"
			}
		}
		if len(want)+len(l.Attributes) > 0 && !cmp.Equal(want, l.Attributes) {
			t.Fatalf("attributes %v, want %v", l.Attributes, want)
		}
		if n > 1 {
			l = &replay.Letter{}
			if l.Join(parts[1:]); !l.Torn {
				t.Fatal("not torn without its first part")
			}
		}
		if size > 0 {
			l.Payload = append([]byte("y"), payload[1:]...)
			if l.IsWhole() {
				t.Fatal("whole with another byte")
			}
		}
	})
}

// partsOf returns the rows of a letter as they are read.
func partsOf(t *rapid.T, rows *transform.Rows) (parts []replay.Part) {
	table := transform.DeadLetters.Table()
	for i := range rows.Len(transform.DeadLetters) {
		values, err := table.Values(nil, rows.Row(transform.DeadLetters, i))
		if err != nil {
			t.Fatal(err)
		}
		var p replay.Part
		p.Payload, _ = values[5].([]byte)
		if text, ok := values[6].(string); ok {
			if err := json.Unmarshal([]byte(text), &p.Attributes); err != nil {
				t.Fatal(err)
			}
		}
		parts = append(parts, p)
	}
	return parts
}
