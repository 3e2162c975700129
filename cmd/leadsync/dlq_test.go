package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/config"
	"leadsync/sinks/duckdb"
	"leadsync/sync/pipeline"
	"leadsync/sync/replay"
	"leadsync/transform"
)

// A yard is an embedded warehouse that a worker fills.
type yard struct {
	path    string
	environ []string
}

func newYard(t *testing.T, environ ...string) *yard {
	t.Helper()
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	path := filepath.Join(t.TempDir(), "w.duckdb")
	return &yard{path: path, environ: append(os.Environ(), append(environ, "SINK=duckdb", "DUCKDB_PATH="+path)...)}
}

// with returns the yard with other settings.
func (y *yard) with(environ ...string) *yard {
	return &yard{path: y.path, environ: append(slices.Clone(y.environ), environ...)}
}

// options are what the yard's settings say of how events become rows.
func (y *yard) options(t *testing.T) transform.Options {
	t.Helper()
	cfg, err := config.Load(config.Input{Environ: y.environ})
	if err != nil {
		t.Fatal(err)
	}
	options, err := (&process{environ: y.environ}).transformOptions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return options
}

// ingest carries the payloads through the pipeline as a worker with the yard's
// settings does.
func (y *yard) ingest(t *testing.T, payloads ...[]byte) {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: y.path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	worker := pipeline.New(pipeline.Config{Sink: db, IngestSource: "pubsub", WorkerID: "w", Transform: y.options(t)})
	if err := worker.Run(ctx, deliveries(payloads)); err != nil {
		t.Fatal(err)
	}
}

// run runs leadsync dlq, which must end with the status, and returns all that it printed.
func (y *yard) run(t *testing.T, want int, args ...string) string {
	t.Helper()
	status, stdout, stderr := command(t, y.environ, append([]string{"dlq"}, args...)...)
	if status != want {
		t.Errorf("dlq %v: exit status %d, want %d\n%s%s", args, status, want, stdout, stderr)
	}
	return stdout + stderr
}

// expect tells of texts that are not printed.
func expect(t *testing.T, printed string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			t.Errorf("it does not say %q:\n%s", text, printed)
		}
	}
}

// largeEvent is an event whose field is larger than a row may be.
func largeEvent(field string) []byte {
	return fmt.Appendf(nil, `{"mid":"1","event_type":"object_create","create_time":%d,"extra_data":{"entity_id":"large","mapping_data":{"%s":["%s"]}}}`,
		time.Now().Unix(), field, strings.Repeat(canary, transform.MaxRow/len(canary)-100))
}

// Events of every reason are listed, among them those that no message of
// Pub/Sub is large enough for. Catches a value that is shown, and a letter in
// parts that is counted with them.
func TestDlqHides(t *testing.T) {
	y := newYard(t)
	poison := poisonOf(time.Now())
	delete(poison, transform.RowRejected) // the embedded warehouse takes it
	var payloads [][]byte
	for _, reason := range slices.Sorted(maps.Keys(poison)) {
		payloads = append(payloads, []byte(poison[reason]))
	}
	payloads = append(payloads, largeEvent("large"), bytes.Repeat([]byte(canary), transform.MaxPayload/len(canary)+1))
	y.ingest(t, payloads...)
	for _, args := range []string{"", "--format json", "--format csv", "--all"} {
		out := y.run(t, 0, append([]string{"list"}, strings.Fields(args)...)...)
		if i := strings.IndexAny(out, canary); i >= 0 {
			t.Errorf("list %s shows a value: …%.80s", args, out[max(0, i-20):])
		}
		for _, reason := range transform.Reasons {
			if reason != transform.RowRejected && !strings.Contains(out, string(reason)) {
				t.Errorf("list %s does not show %s", args, reason)
			}
		}
	}
	out := y.run(t, 0, "list")
	expect(t, out, "10 open of 10 dead letters, 10 causes", `{"extra_data":{"mapping_data":{"xxxxx":["xxx9xxxx9`)
}

// An event is too large until a policy drops its field. Catches a letter in
// parts that is put together wrongly, and one that is not replayed by the
// settings in force.
func TestDlqReplayMended(t *testing.T) {
	y := newYard(t)
	large := largeEvent("large")
	y.ingest(t, large, []byte(`{`))
	expect(t, y.run(t, 3, "replay", "--reason", "row_too_large"), "  dead again  1  row_too_large 1")
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("fields:\n  large: drop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mended := y.with("FIELD_POLICY_FILE=" + file)
	expect(t, mended.run(t, 3, "replay", "--prove", "--again"), "1 of 2 letters would become rows", "json_invalid: ends too early")
	expect(t, mended.run(t, 0, "replay", "--reason", "row_too_large", "--again"), "  written  1")
	// Its identity is that of the event as it was sent.
	want := transform.New(mended.options(t))
	var rows transform.Rows
	event, err := want.Transform(&rows, large, transform.Delivery{IngestedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, y.path, "SELECT event_id, entity_id, mapping_data IS NULL OR mapping_data = '{}' FROM events")
	if diff := cmp.Diff([]any{fmt.Sprintf("%x", event.ID), "large", true}, got); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
}

// Letters were written under a policy. Catches one of which values are hidden
// and that becomes another event than the original, and one that is refused
// although nothing of it was hidden.
func TestDlqReplayUnderPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("keys:\n  - id: k1\n    env: K1\nfields:\n  mobile: hash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	y := newYard(t, "FIELD_POLICY_FILE="+file, "K1=0123456789abcdef0123456789abcdef")
	ahead := time.Now().AddDate(1, 0, 1).Unix() // dies of its time
	event := func(fields string) []byte {
		return fmt.Appendf(nil, `{"mid":"1","event_type":"object_create","create_time":%d,"extra_data":{"entity_id":"e"%s}}`, ahead, fields)
	}
	plain := event("")
	y.ingest(t, plain, event(`,"mobile":"13800000000"`), []byte(`{"mobile":"13800000000"`))
	proof := y.run(t, 3, "replay", "--prove")
	expect(t, proof, "a field policy has hidden values of it", "a field policy has blurred it", "event_time_out_of_range: create_time is not", "0 of 3 letters")
	expect(t, y.run(t, 3, "replay"), "  letters     3", "  dead again  1  event_time_out_of_range 1", "  skipped     2  a field policy has hidden values")
	id := transform.DeadLetterID(transform.EventTimeOutOfRange, plain)
	if got := ask(t, y.path, "SELECT DISTINCT dead_letter_id FROM dead_letter_replays"); !cmp.Equal(got, []any{id}) {
		t.Errorf("replays of %v, want of %s", got, id)
	}
	expect(t, y.run(t, 0, "inspect", id[:9]), "it would die again", "waiting, for one from the future")
}

// A part of a letter is gone. Catches a replay that fails for it, and with it
// all others.
func TestDlqReplayTorn(t *testing.T) {
	y := newYard(t)
	y.ingest(t, largeEvent("large"), []byte(`{`))
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: y.path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Execute(t.Context(), "DELETE FROM dead_letters WHERE json_extract_string(attributes, '$.leadsync_part') = '2/2'"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	out := y.run(t, 3, "replay")
	expect(t, out, "  letters     2", "  dead again  1  json_invalid 1", "  skipped     1  a part of the payload is missing")
	for _, id := range ask(t, y.path, "SELECT dead_letter_id FROM dead_letter_status WHERE reason = 'row_too_large'") {
		expect(t, y.run(t, 0, "inspect", id.(string)), "a part of its payload is missing")
		expect(t, y.run(t, 1, "inspect", "--payload", id.(string)), "a part of its payload is missing")
	}
}

// Letters about a lead that was erased are left out. Catches a replay that
// brings it back.
func TestDlqReplayErased(t *testing.T) {
	y := newYard(t)
	y.bury(t, 3)
	if status, _, stderr := command(t, y.environ, "erase", "--yes", "--block", "somebody"); status != 0 {
		t.Fatal(stderr)
	}
	// The tombstone of a lead whose letter a worker has written just then.
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: y.path})
	if err != nil {
		t.Fatal(err)
	}
	tombstone := fmt.Sprintf("INSERT INTO erasures VALUES ('%s', now(), 'v1')", transform.DigestEntity("lead-1"))
	if _, err := db.Execute(t.Context(), tombstone); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, y.run(t, 0, "replay"), "  written   2", "  filtered  1")
	got := ask(t, y.path, "SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM events WHERE entity_id = 'lead-1'), (SELECT COUNT(*) FROM dead_letter_status WHERE is_open)")
	if !cmp.Equal(got, []any{int64(2), int64(0), int64(0)}) {
		t.Errorf("events, of the erased lead, open letters: %v", got)
	}
}

// bury writes letters of events that the warehouse refused.
func (y *yard) bury(t *testing.T, letters int) {
	t.Helper()
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: y.path})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), refusedLetters(letters)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// The process is killed at any moment, or told to end, again and again, and run
// once more. Catches a letter that is lost, rows without their transitions, a
// file that cannot be opened any more, and an end that is not told as one.
func TestDlqKilled(t *testing.T) {
	y := newYard(t)
	const letters = 6000 // more than a page
	y.bury(t, letters)
	ends := 0
	for wait := 150 * time.Millisecond; ends < 8; wait = wait * 5 / 4 {
		signal := syscall.SIGKILL
		if ends%2 == 1 {
			signal = syscall.SIGTERM
		}
		cmd, out := replaying(t, y.environ)
		kill := time.AfterFunc(wait, func() { _ = cmd.Process.Signal(signal) })
		err := cmd.Wait()
		if kill.Stop() || err == nil {
			if err != nil || ends < 2 {
				t.Errorf("it ended with %v, after %d others\n%s", err, ends, out)
			}
			break
		}
		var exit *exec.ExitError
		if signal == syscall.SIGTERM && (!errors.As(err, &exit) || exit.ExitCode() != 1 && exit.ExitCode() != -1 ||
			exit.ExitCode() == 1 && !strings.Contains(out.String(), "interrupted: run it again to go on")) {
			t.Errorf("told to end it ended with %v\n%s", err, out)
		}
		ends++
	}
	y.run(t, 0, "replay")
	got := ask(t, y.path, `SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM transitions), (SELECT COUNT(*) FROM dead_letter_status WHERE is_open),
		(SELECT COUNT(DISTINCT event_id) FROM dead_letter_replays WHERE outcome = 'written')`)
	if !cmp.Equal(got, []any{int64(letters), int64(letters), int64(0), int64(letters)}) {
		t.Errorf("events, transitions, open letters, replays: %v", got)
	}
}

// Catches numbers that do not add up, a letter that is called mended though it
// is not, and progress that is left on the terminal.
func TestReplayTally(t *testing.T) {
	var progress, out bytes.Buffer
	tally := &replayTally{progress: &progress, terminal: true}
	died := replay.Verdict{Fate: replay.Dead, Rejection: &transform.Rejection{Reason: transform.NotAnObject}}
	for _, v := range []replay.Verdict{
		{Fate: replay.Written}, {Fate: replay.Duplicate}, {Fate: replay.Filtered}, died, died,
		{Fate: replay.Hidden}, {Fate: replay.Torn}, {Fate: replay.GivenBack},
	} {
		tally.add(nil, v)
	}
	tally.guarded = 4
	tally.endProgress()
	if err := tally.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `  letters      12
  written       1
  duplicate     1
  filtered      1
  dead again    2  not_an_object 2
  skipped       1  a field policy has hidden values: the event would be another one than the original
  skipped       1  a part of the payload is missing
  interrupted   1
  skipped       4  ` + guardedWords() + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the summary (-want +got):\n%s", diff)
	}
	if n := tally.stillDead(); n != 9 {
		t.Errorf("%d are still dead, want 9", n)
	}
	if got := progress.String(); got != "\r1 letter: written 1\x1b[K\r\x1b[K" {
		t.Errorf("progress: %q", got)
	}
}

// Catches an instant that is read as another, or not at all.
func TestParseSince(t *testing.T) {
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	zone := time.FixedZone("", 8*60*60)
	for text, want := range map[string]string{
		"90m": "2026-06-10T10:30:00Z", "24h": "2026-06-09T12:00:00Z", "7d": "2026-06-03T12:00:00Z",
		"2026-06-01": "2026-05-31T16:00:00Z", "2026-06-01 10:00:00": "2026-06-01T02:00:00Z", "2026-06-01T10:00:00": "2026-06-01T02:00:00Z",
		"2026-06-01T10:00:00Z": "2026-06-01T10:00:00Z", "2026-06-01 10:00": "2026-06-01T02:00:00Z",
	} {
		if got, err := parseSince(text, now, zone); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
	for _, text := range []string{"d", "-1h", "0d", "7", "yesterday", "2026-13-01"} {
		if got, err := parseSince(text, now, zone); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// Catches a page of the documentation that shows what is not printed any more.
func TestDlqDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/dead-letters.md")
	if err != nil {
		t.Fatal(err)
	}
	printed, err := os.ReadFile("testdata/dlq.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```text\n(.*?)```").FindAllSubmatch(page, -1) {
		for part := range bytes.SplitSeq(bytes.TrimSpace(block[1]), []byte("\n\n")) {
			shown++
			if !bytes.Contains(printed, part) {
				t.Errorf("nothing prints this any more:\n%s", part)
			}
		}
	}
	if shown < 6 {
		t.Errorf("the page shows %d parts of what is printed", shown)
	}
	for _, reason := range transform.Reasons {
		if !bytes.Contains(page, []byte("`"+string(reason)+"`")) {
			t.Errorf("the page does not speak of %s", reason)
		}
	}
}
