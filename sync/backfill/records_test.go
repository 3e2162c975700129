package backfill

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sinks/sinktest"
	"leadsync/sync/files"
	"leadsync/sync/records"
	"leadsync/transform"
)

// Catches dead letters that name another place than that of their record, or
// none, in files of several units, pieces and blocks; and a Dead that is told
// less than the table holds.
func TestDeadRecords(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		events := payloads(100+seed, 250)
		for range 30 {
			bad := [][]byte{[]byte(`{"mid":1}`), []byte(`{"a":`), []byte("nonsense"), []byte(`[1,2]`), []byte(`"text"`), []byte(`{"x":"` + strings.Repeat("y", 5000) + `"}`)}[rng.IntN(6)]
			events = slices.Insert(events, rng.IntN(len(events)), bad)
		}
		data := lines(events)
		if seed%2 == 1 {
			data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n\n"))
		}
		name, stored := "a.ndjson", data
		if seed%4 >= 2 {
			name, stored = "a.zst", zstded(data)
		}
		path := put(t, t.TempDir(), name, stored)
		m := sinktest.NewMemory(t)
		cfg := configOf(t, path)
		cfg.Sink = m
		var mu sync.Mutex
		var told []string
		cfg.Dead = func(d DeadRecord) {
			mu.Lock()
			defer mu.Unlock()
			if d.Location != path || d.Rejection == nil {
				t.Errorf("told of %+v", d)
			}
			told = append(told, placeText(d.Offset, d.Number, d.From))
		}
		if _, err := runIt(t, cfg); err != nil {
			t.Fatal(err)
		}
		want := deadPlaces(t, data, doneIn(m), name == "a.ndjson" && records.Splittable(data))
		slices.Sort(told)
		if !slices.Equal(want, told) {
			t.Fatalf("seed %d: told of\n%s\nwant\n%s", seed, strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
		if got := letterPlaces(t, m, path); !slices.Equal(want, got) {
			t.Fatalf("seed %d: letters of\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func placeText(offset, number, from int64) string {
	s := fmt.Sprintf("offset %d record %d", offset, number)
	if from > 0 {
		s += fmt.Sprintf(" from offset %d", from)
	}
	return s
}

// deadPlaces returns where the records are that are no events, as the whole
// file tells; in ranges they count from the start of theirs.
func deadPlaces(t *testing.T, data []byte, pieces []Done, ranges bool) []string {
	t.Helper()
	var list []string
	tr := transform.New(transform.Options{})
	r := records.NewReader(bytes.NewReader(data))
	count := map[int64]int64{}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		from := int64(0)
		for _, d := range pieces {
			if ranges && d.Start <= rec.Offset && rec.Offset < d.End {
				from = d.Start
			}
		}
		count[from]++
		var rows transform.Rows
		if _, err := tr.Transform(&rows, rec.Data, transform.Delivery{IngestedAt: now}); err != nil {
			list = append(list, placeText(rec.Offset, count[from], from))
		}
	}
	slices.Sort(list)
	return list
}

func letterPlaces(t *testing.T, m *sinktest.Memory, path string) []string {
	t.Helper()
	var list []string
	for _, a := range m.Column(transform.DeadLetters, "attributes") {
		text := fmt.Sprint(a)
		if !strings.Contains(text, path) {
			t.Errorf("letter of %s, want %s", text, path)
		}
		list = append(list, attribute(text, "offset")+" "+attribute(text, "record"))
	}
	slices.Sort(list)
	return list
}

// attribute returns an attribute out of a letter's JSON, with its name.
func attribute(text, name string) string {
	_, rest, _ := strings.Cut(text, `"`+name+`":"`)
	v, _, _ := strings.Cut(rest, `"`)
	return name + " " + v
}

// Catches a selection that lets pass what is not wanted, or leaves out what is,
// and one whose checkpoints count for all events.
func TestSelection(t *testing.T) {
	events := payloads(13, 400)
	middle := now.Add(-45 * 24 * time.Hour)
	for _, s := range []Selection{
		{Since: middle}, {Until: middle}, {EventTypes: []string{"object_create"}}, {Tenants: []string{"nobody"}},
		{Since: middle.Add(-time.Hour), Until: middle.Add(240 * time.Hour), Tenants: []string{"90001", "x"}},
	} {
		path := put(t, t.TempDir(), "a.ndjson", lines(events))
		m := sinktest.NewMemory(t)
		cfg := configOf(t, path)
		cfg.Sink, cfg.Selection = m, s
		sum, err := runIt(t, cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := wanted(t, events, func(e *transform.Event) bool {
			return (s.Since.IsZero() || !e.OccurredAt.Before(s.Since)) && (s.Until.IsZero() || e.OccurredAt.Before(s.Until)) &&
				(s.EventTypes == nil || slices.Contains(s.EventTypes, string(e.Type))) && (s.Tenants == nil || slices.Contains(s.Tenants, string(e.Tenant)))
		})
		same(t, s.String(), want, texts(m.Rows))
		countedAs(t, m, sum)
		for _, row := range m.Rows(transform.BackfillCheckpoints) {
			if value[string](row, "selection") != s.String() || s.String() == "" {
				t.Fatalf("checkpoint of %q, want %q", value[string](row, "selection"), s)
			}
		}
	}
	a := Selection{EventTypes: []string{"b", "a", "b"}, Since: now}
	b := Selection{EventTypes: []string{"a", "b"}, Since: now.In(time.FixedZone("", 3600))}
	if a.String() != b.String() || (Selection{}).String() != "" {
		t.Errorf("%s and %s are the same selection", a, b)
	}
}

// Catches a rate that is not kept, or kept by halting.
func TestRate(t *testing.T) {
	path := put(t, t.TempDir(), "a.ndjson", lines(payloads(14, 400)))
	synctest.Test(t, func(t *testing.T) {
		store := files.New(nil)
		defer store.Close()
		cfg := Config{Store: store, Paths: []string{path}, Via: "append", Sink: sinktest.NewMemory(t), Rate: 100}
		cfg.Pipeline.WorkerID = "w"
		start := time.Now()
		s, err := runIt(t, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < time.Duration(s.Records-20)*10*time.Millisecond || took > time.Duration(s.Records+60)*10*time.Millisecond {
			t.Errorf("%d records took %v at 100 a second", s.Records, took)
		}
	})
}

// Catches standard input that is not read to its end, and one that came before
// and is written again.
func TestStdin(t *testing.T) {
	events := payloads(15, 400)
	m := sinktest.NewMemory(t)
	for run := range 2 {
		cfg := configOf(t, files.Stdin)
		cfg.Store = files.New(bytes.NewReader(lines(events)))
		cfg.Sink, cfg.Done = m, doneIn(m)
		s, err := runIt(t, cfg)
		if want := int64((1 - run) * len(events)); err != nil || s.Records != want {
			t.Errorf("run %d: %+v, %v; want %d records", run, s, err, want)
		}
	}
	same(t, "standard input", wanted(t, events, nil), texts(m.Rows))
}
