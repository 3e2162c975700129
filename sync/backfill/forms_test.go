package backfill

import (
	"bytes"
	"testing"

	"github.com/hamba/avro/v2/ocf"

	"leadsync/sinks/sinktest"
)

// avroOf writes events as a Cloud Storage subscription without metadata does.
func avroOf(events [][]byte) []byte {
	var b bytes.Buffer
	w, err := ocf.NewEncoder(`{"type":"record","name":"message","fields":[{"name":"data","type":"bytes"}]}`, &b, ocf.WithBlockLength(100))
	if err != nil {
		panic(err)
	}
	for _, e := range events {
		if err := w.Encode(map[string]any{"data": e}); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Catches a form whose records get lost, come twice or come as others on the
// way through units, blocks and pieces, checkpoints that leave a gap, counts
// that do not add up, and a second run that reads again what is done.
func TestForms(t *testing.T) {
	events := payloads(1, 400)
	want := wanted(t, events, nil)
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			path := put(t, t.TempDir(), name, form(events))
			m := sinktest.NewMemory(t)
			cfg := configOf(t, path)
			cfg.Sink = m
			s, err := runIt(t, cfg)
			if err != nil {
				t.Fatal(err)
			}
			same(t, name, want, texts(m.Rows))
			tiled(t, m, path, int64(len(holds(t, path))))
			countedAs(t, m, s)
			if s.Records != int64(len(events)) {
				t.Errorf("%d records, want %d", s.Records, len(events))
			}
			if s.Pieces < 5 && name != "lines.avro" {
				t.Errorf("%d pieces: they are not cut", s.Pieces)
			}

			again := sinktest.NewMemory(t)
			cfg.Sink, cfg.Done = again, doneIn(m)
			second, err := runIt(t, cfg)
			if err != nil || second.Records != 0 || second.Skipped != s.Pieces {
				t.Errorf("second run: %+v, %v; want all %d pieces left out", second, err, s.Pieces)
			}
		})
	}
}
