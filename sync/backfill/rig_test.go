package backfill

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"leadsync/sinks/sinktest"
	"leadsync/sync/files"
	"leadsync/sync/pipeline"
	"leadsync/sync/simulate"
	"leadsync/transform"
)

var now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// payloads returns simulated events, copies and poison among them, each of one
// line.
func payloads(seed uint64, n int) [][]byte {
	var list [][]byte
	for d := range simulate.New(simulate.Options{Seed: seed, Events: n, Now: now}).Deliveries() {
		if len(d.Payload) > 0 && d.Payload[0] == '{' && !bytes.ContainsAny(d.Payload, "\n\r") && json.Valid(d.Payload) {
			list = append(list, d.Payload)
		}
	}
	return list
}

// lines returns the events one a line.
func lines(events [][]byte) []byte { return append(bytes.Join(events, []byte("\n")), '\n') }

func pretty(events [][]byte) []byte {
	var b bytes.Buffer
	for _, e := range events {
		if err := json.Indent(&b, e, "", "  "); err != nil {
			panic(err)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func array(events [][]byte) []byte {
	return slices.Concat([]byte("[\n"), bytes.Join(events, []byte(",\n")), []byte("\n]\n"))
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func zstded(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// A forms entry writes events down in one way.
var forms = map[string]func([][]byte) []byte{
	"lines.ndjson": lines,
	"crlf.ndjson": func(e [][]byte) []byte {
		return slices.Concat([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(lines(e), []byte("\n"), []byte("\r\n")))
	},
	"pretty.json": pretty,
	"joined.json": func(e [][]byte) []byte { return bytes.Join(e, []byte(" ")) },
	"array.json":  array,
	"lines.gz":    func(e [][]byte) []byte { return gzipped(lines(e)) },
	"members.gz": func(e [][]byte) []byte {
		return slices.Concat(gzipped(lines(e[:len(e)/2])), gzipped(lines(e[len(e)/2:])))
	},
	"lines.zst":    func(e [][]byte) []byte { return zstded(lines(e)) },
	"array.gz":     func(e [][]byte) []byte { return gzipped(array(e)) },
	"lines.avro":   avroOf,
	"pushed.jsonl": pushed,
}

// pushed wraps each event as a push subscription does.
func pushed(events [][]byte) []byte {
	var b bytes.Buffer
	for i, e := range events {
		text, err := json.Marshal(map[string]any{
			"message":      map[string]any{"data": e, "messageId": fmt.Sprint(i), "publishTime": now.Format(time.RFC3339)},
			"subscription": "projects/p/subscriptions/s",
		})
		if err != nil {
			panic(err)
		}
		b.Write(append(text, '\n'))
	}
	return b.Bytes()
}

func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// configOf returns the settings of a backfill in small pieces.
func configOf(t *testing.T, paths ...string) Config {
	store := files.New(nil)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return Config{
		Store: store, Paths: paths, Via: "append", PieceBytes: 20_000,
		Pipeline: pipeline.Config{
			MaxRows: 50, MaxDelay: time.Millisecond, DrainTimeout: 2 * time.Second,
			WorkerID: "w", WorkerVersion: "test", Now: func() time.Time { return now },
		},
	}
}

// runIt plans and runs.
func runIt(t *testing.T, cfg Config) (Summary, error) {
	t.Helper()
	p, err := NewPlan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p.Run(t.Context())
}

// deliveryColumns are the columns that tell how a copy came, not what it says.
var deliveryColumns = []string{"sequence", "message_id", "published_at", "ingested_at", "ingest_source"}

// texts returns the rows of events and their changes, apart from how they
// came, each once, in order.
func texts(rows func(transform.TableID) [][]any) []string {
	var all []string
	for _, id := range []transform.TableID{transform.EventsLog, transform.TransitionsLog} {
		for _, row := range rows(id) {
			var b strings.Builder
			for i, c := range id.Table().Columns {
				if !slices.Contains(deliveryColumns, c.Name) {
					fmt.Fprintf(&b, "%s=%v;", c.Name, row[i])
				}
			}
			all = append(all, b.String())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wanted returns what [texts] must be for the events.
func wanted(t *testing.T, events [][]byte, wants func(*transform.Event) bool) []string {
	t.Helper()
	var rows transform.Rows
	tr := transform.New(transform.Options{})
	for _, e := range events {
		before := rows.Mark()
		event, err := tr.Transform(&rows, e, transform.Delivery{IngestedAt: now, Source: "backfill"})
		if err == nil && wants != nil && !wants(&event) {
			rows.Cut(before)
		}
	}
	return texts(func(id transform.TableID) [][]any {
		var list [][]any
		for i := range rows.Len(id) {
			row, err := id.Table().Values(nil, rows.Row(id, i))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row)
		}
		return list
	})
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if !slices.Equal(want, got) {
		missing, extra := 0, 0
		for _, w := range want {
			if _, ok := slices.BinarySearch(got, w); !ok {
				missing++
			}
		}
		for _, g := range got {
			if _, ok := slices.BinarySearch(want, g); !ok {
				extra++
			}
		}
		t.Fatalf("%s: %d rows, want %d; %d are missing, %d are others", what, len(got), len(want), missing, extra)
	}
}

func value[T any](row []any, name string) T {
	at := slices.IndexFunc(transform.BackfillCheckpoints.Table().Columns, func(c transform.Column) bool { return c.Name == name })
	v, _ := row[at].(T)
	return v
}

// doneIn reads the checkpoints back.
func doneIn(m *sinktest.Memory) []Done {
	var list []Done
	for _, row := range m.Rows(transform.BackfillCheckpoints) {
		list = append(list, Done{
			Location: value[string](row, "location"), Version: value[string](row, "version"),
			Start: value[int64](row, "start_offset"), End: value[int64](row, "end_offset"),
			AtEnd: value[bool](row, "at_end"), Digest: value[string](row, "content_digest"),
		})
	}
	return list
}

// tiled fails unless the checkpoints of a location cover it once, up to size.
func tiled(t *testing.T, m *sinktest.Memory, location string, size int64) {
	t.Helper()
	var here []Done
	for _, d := range doneIn(m) {
		if d.Location == location {
			here = append(here, d)
		}
	}
	slices.SortFunc(here, func(a, b Done) int { return int(a.Start - b.Start) })
	at := int64(0)
	for i, d := range here {
		if d.Start != at || d.AtEnd != (i == len(here)-1) {
			t.Fatalf("%s: checkpoints do not follow each other: %+v", location, here)
		}
		at = d.End
	}
	if at != size || len(here) == 0 {
		t.Fatalf("%s: checkpoints end at %d of %d", location, at, size)
	}
}

// counted fails unless checkpoints and ledger say what the summary says.
func countedAs(t *testing.T, m *sinktest.Memory, s Summary) {
	t.Helper()
	got := Summary{Files: s.Files, Skipped: s.Skipped, Parts: s.Parts, Faulty: s.Faulty, Kept: s.Kept}
	for _, row := range m.Rows(transform.BackfillCheckpoints) {
		got.Pieces++
		got.Bytes += value[int64](row, "end_offset") - value[int64](row, "start_offset")
		got.Records += value[int64](row, "records")
		got.Written += value[int64](row, "written")
		got.Duplicates += value[int64](row, "duplicates")
		got.Filtered += value[int64](row, "filtered")
		got.Dead += value[int64](row, "dead")
	}
	if d := cmp.Diff(s, got); d != "" {
		t.Errorf("summary and checkpoints differ (-summary +checkpoints):\n%s", d)
	}
	var ledger int64
	for _, n := range m.Column(transform.SyncBatches, "received") {
		ledger += n.(int64)
	}
	if ledger != s.Records {
		t.Errorf("the ledger counts %d messages, the summary %d records", ledger, s.Records)
	}
}

// holds returns what a file holds, decompressed.
func holds(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, _, err := files.Decompress(f)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	data, err := io.ReadAll(src)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return data
}
