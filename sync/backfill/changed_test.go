package backfill

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"leadsync/sinks/sinktest"
)

// loaded runs a backfill of the folder with what m has done, and returns what
// it has written beyond.
func loaded(t *testing.T, cfg Config, m *sinktest.Memory) (Summary, error) {
	t.Helper()
	cfg.Sink, cfg.Done = m, doneIn(m)
	return runIt(t, cfg)
}

// Catches a changed file that is read without a word, or read in part before
// its change is noticed; one that is refused for ever though it was read again;
// and another file that suffers from it.
func TestChanged(t *testing.T) {
	events, others := payloads(4, 400), payloads(44, 50)
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := put(t, dir, name, form(events))
			m := sinktest.NewMemory(t)
			cfg := configOf(t, dir)
			if _, err := loaded(t, cfg, m); err != nil {
				t.Fatal(err)
			}
			changed := slices.Clone(events)
			changed[300] = others[0]
			changed[301] = others[1]
			put(t, dir, name, form(changed))
			put(t, dir, "other.ndjson", lines(others[2:]))

			before := texts(m.Rows)
			s, err := loaded(t, cfg, m)
			var refused *ChangedError
			if !errors.As(err, &refused) || refused.Location != path || !slices.Equal(s.Faulty, []string{path}) {
				t.Fatalf("got %+v, %v; want %s refused", s, err, path)
			}
			same(t, "rows of the changed file and the other", union(before, wanted(t, others[2:], nil)), texts(m.Rows))

			cfg.Changed = Keep
			if s, err := loaded(t, cfg, m); err != nil || s.Records > 0 || !slices.Equal(s.Kept, []string{path}) {
				t.Fatalf("kept: %+v, %v", s, err)
			}
			cfg.Changed = Again
			if s, err = loaded(t, cfg, m); err != nil || s.Records == 0 {
				t.Fatalf("again: %+v, %v", s, err)
			}
			if s.Records > int64(len(events))/2 && name != "lines.avro" {
				t.Errorf("again: %d records were read, want only what differs", s.Records)
			}
			same(t, "rows of all", wanted(t, slices.Concat(events, changed, others[2:]), nil), texts(m.Rows))
			cfg.Changed = Refuse
			if s, err := loaded(t, cfg, m); err != nil || s.Records > 0 {
				t.Fatalf("after it was read again: %+v, %v; want nothing to do", s, err)
			}
		})
	}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Catches a file that grew and is taken for a changed one, events that are
// lost where it grew (also in the middle of a line, and where one range ends),
// and pieces that are read again.
func TestGrown(t *testing.T) {
	events := payloads(5, 300)
	data := lines(events)
	want := wanted(t, events, nil)
	var ends []int
	at := 0
	for _, l := range bytes.SplitAfter(data, []byte("\n")) { // each line's end, and within some
		at += len(l)
		ends = append(ends, at-len(l)/3, at-1, at)
	}
	for _, step := range []int{13, 29, 53, 101} {
		dir := t.TempDir()
		m := sinktest.NewMemory(t)
		cfg := configOf(t, dir)
		cfg.PieceBytes = 3000
		records := int64(0)
		for i := 0; ; i += step {
			end := len(data)
			if i < len(ends) {
				end = min(ends[i], len(data))
			}
			put(t, dir, "a.ndjson", data[:end])
			s, err := loaded(t, cfg, m)
			if err != nil {
				t.Fatalf("step %d, end %d: %v", step, end, err)
			}
			records += s.Records
			if end == len(data) {
				break
			}
		}
		got := texts(m.Rows)
		for _, w := range want {
			if _, ok := slices.BinarySearch(got, w); !ok {
				t.Fatalf("step %d: an event is lost", step)
			}
		}
		if most := int64(2 * len(events)); records > most { // a cut line is one record, and the whole another
			t.Errorf("step %d: %d records were read, want at most %d", step, records, most)
		}
	}
}

// Catches a file that was cut off and passes for the one that was read. Where
// nothing can be decompressed any more, that is the error.
func TestCutOff(t *testing.T) {
	events := payloads(6, 200)
	for name, form := range forms {
		dir := t.TempDir()
		data := form(events)
		put(t, dir, name, data)
		m := sinktest.NewMemory(t)
		cfg := configOf(t, dir)
		if _, err := loaded(t, cfg, m); err != nil {
			t.Fatal(err)
		}
		put(t, dir, name, data[:len(data)*2/3])
		if s, err := loaded(t, cfg, m); !errors.As(err, new(*ChangedError)) && !errors.As(err, new(*FileError)) || s.Records > 0 {
			t.Errorf("%s: %+v, %v; want it refused", name, s, err)
		}
	}
}

// Catches a fault that takes with it what was read before, or another file, and
// errors that do not say where; and what was read of a faulty file that is read
// again when it is whole.
func TestFaulty(t *testing.T) {
	events, others := payloads(7, 400), payloads(77, 50)
	half := bytes.Join(events[:200], []byte(",\n"))
	for name, broken := range map[string][2][]byte{
		"a.gz":   {gzipped(lines(events))[:20_000], gzipped(lines(events))},
		"b.zst":  {zstded(lines(events))[:20_000], zstded(lines(events))},
		"c.json": {slices.Concat([]byte("["), half, []byte(" 17 } nonsense")), nil},
		"d.avro": {avroOf(events)[:150_000], avroOf(events)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := put(t, dir, name, broken[0])
			put(t, dir, "z.ndjson", lines(others))
			m := sinktest.NewMemory(t)
			cfg := configOf(t, dir)
			s, err := loaded(t, cfg, m)
			var fault *FileError
			if !errors.As(err, &fault) || fault.Location != path || !slices.Equal(s.Faulty, []string{path}) {
				t.Fatalf("got %v, want an error of %s", err, path)
			}
			read := s.Records - int64(len(others))
			if fault.Offset == 0 || fault.Record != read || read == 0 {
				t.Errorf("%v: after %d records", err, read)
			}
			same(t, "what comes before the fault", wanted(t, slices.Concat(events[:read], others), nil), texts(m.Rows))
			if s, err = loaded(t, cfg, m); !errors.As(err, &fault) || s.Records > 0 && name != "d.avro" {
				t.Errorf("again: %+v, %v; want the fault and nothing else", s, err)
			}
			if broken[1] == nil {
				return
			}
			put(t, dir, name, broken[1])
			if s, err = loaded(t, cfg, m); err != nil || s.Records != int64(len(events))-read && name != "d.avro" {
				t.Errorf("mended: %+v, %v; want the %d records behind the fault", s, err, int64(len(events))-read)
			}
			same(t, "the whole file", wanted(t, slices.Concat(events, others), nil), texts(m.Rows))
			if name != "d.avro" {
				tiled(t, m, path, int64(len(holds(t, path))))
			}
		})
	}
}

// Catches an empty file that stops anything, or is read again and again, and
// one that got its first events taken for a changed one.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	path := put(t, dir, "a.ndjson", nil)
	put(t, dir, "b.json", []byte("[]"))
	put(t, dir, "c.gz", gzipped([]byte(" \n\n")))
	m := sinktest.NewMemory(t)
	cfg := configOf(t, dir)
	if s, err := loaded(t, cfg, m); err != nil || s.Pieces != 3 || s.Records != 0 {
		t.Fatalf("%+v, %v; want three pieces without records", s, err)
	}
	if s, err := loaded(t, cfg, m); err != nil || s.Pieces != 0 || s.Skipped != 3 {
		t.Fatalf("second run: %+v, %v; want nothing to do", s, err)
	}
	events := payloads(8, 20)
	if err := os.WriteFile(path, lines(events), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := loaded(t, cfg, m); err != nil || s.Records != int64(len(events)) {
		t.Fatalf("grown: %+v, %v; want %d records", s, err, len(events))
	}
}
