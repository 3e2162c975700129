package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/sync/backfill"
)

// The line must tell bytes, speed, what is left and the dead, follow a change of
// speed, and say nothing where nothing is known. Catches an average over all
// time, a division by nothing, an end that is told of a whole that nobody knows,
// and a line that a terminal of 80 columns would break.
func TestBackfillLine(t *testing.T) {
	start := time.Unix(1e9, 0)
	steady := func(p *pace, seconds, from, bytes, records int64) {
		for i := range seconds {
			p.add(start.Add(time.Duration(from+i)*time.Second), backfill.Progress{
				Bytes: bytes * (from + i), TotalBytes: 40 << 30, Records: records * (from + i), Dead: 1234,
			})
		}
	}
	tests := map[string]struct {
		feed func(p *pace)
		want string
	}{
		"nothing yet":       {func(p *pace) { p.add(start, backfill.Progress{TotalBytes: 1 << 20}) }, "0 B of 1.0 MiB (0%), 0 events/s, 0 dead"},
		"steady":            {func(p *pace) { steady(p, 61, 0, 100<<20, 180_000) }, "5.9 GiB of 40.0 GiB (14%), 180,000 events/s, 5m 49s left, 1,234 dead"},
		"unknown size":      {func(p *pace) { p.add(start, backfill.Progress{Bytes: 2048, TotalBytes: -1}) }, "2.0 KiB read, 0 events/s, 0 dead"},
		"nothing to read":   {func(p *pace) { p.add(start, backfill.Progress{}) }, "0 B read, 0 events/s, 0 dead"},
		"more than promise": {func(p *pace) { p.add(start, backfill.Progress{Bytes: 30, TotalBytes: 20}) }, "30 B of 20 B (100%), 0 events/s, 0 dead"},
		"stopped": {func(p *pace) {
			steady(p, 10, 0, 100<<20, 180_000)
			for i := range 60 {
				p.add(start.Add(time.Duration(10+i)*time.Second), p.last)
			}
		}, "900.0 MiB of 40.0 GiB (2%), 0 events/s, 1,234 dead"},
		"large": {func(p *pace) {
			for i := range int64(2) {
				p.add(start.Add(time.Duration(i)*time.Second), backfill.Progress{Bytes: 999<<40 + i<<10, TotalBytes: 999 << 50, Records: i * 9_999_999, Dead: 1e12})
			}
		}, "999.0 TiB of 999.0 PiB (0%), 9,999,999 events/s, 1,000,000,000,000 dead"},
	}
	for name, test := range tests {
		var p pace
		test.feed(&p)
		if got := p.line(); got != test.want || len(got) >= 80 {
			t.Errorf("%s: %q (%d bytes), want %q", name, got, len(got), test.want)
		}
		if len(p.points) > 40 {
			t.Errorf("%s: it keeps %d points", name, len(p.points))
		}
	}
}

// Where no terminal is there must be a log line every ten seconds with the
// figures, nothing in between, and nothing after the end. Catches a log that is
// flooded, or silent for as long as a backfill takes.
func TestBackfillLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		progress := backfill.Progress{TotalBytes: 1000}
		logger := slog.New(slog.NewTextHandler(&out, nil))
		stop := logProgress(logger, func() backfill.Progress {
			progress.Bytes += 100
			progress.Records += 50
			return progress
		})
		time.Sleep(29 * time.Second)
		stop()
		time.Sleep(time.Minute)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		want := `msg="backfill progress" bytes=300 total_bytes=1000 percent=30 records=150 dead=0 pieces_already_there=0 events_per_second=5 bytes_per_second=10 seconds_left=70`
		if len(lines) != 2 || !strings.HasSuffix(lines[1], want) {
			t.Errorf("log:\n%s\nwant two lines, the second with %s", &out, want)
		}
	})
}

// On a terminal the line must be there at once, be written over, make room for
// the log, and be gone at the end. Catches a log line that is glued to it.
func TestBackfillLiveLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		line := &liveLine{w: &out}
		if _, err := line.Write([]byte("first\n")); err != nil {
			t.Fatal(err)
		}
		stop := showProgress(line, func() backfill.Progress { return backfill.Progress{Bytes: 1} })
		time.Sleep(300 * time.Millisecond)
		if n, err := line.Write([]byte("log\n")); n != 4 || err != nil {
			t.Errorf("wrote %d bytes: %v", n, err)
		}
		stop()
		stop()
		const text = "\r1 B read, 0 events/s, 0 dead\x1b[K"
		if want := "first\n" + text + "\r\x1b[Klog\n" + text + "\r\x1b[K"; out.String() != want {
			t.Errorf("wrote %q, want %q", &out, want)
		}
	})
}

// Sizes for people keep one digit behind the point and change their unit in
// time.
func TestSized(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 1536 << 20: "1.5 GiB",
		1<<63 - 1: "8.0 EiB",
	} {
		if got := sized(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
