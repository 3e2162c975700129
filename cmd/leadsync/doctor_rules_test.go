package main

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/bigquery"
)

// want is what a rule must say: its verdict, a part of what it found and of
// how to mend it.
type want struct {
	verdict verdict
	found   string
	mend    string
}

func (w want) check(t *testing.T, name string, f finding) {
	t.Helper()
	if f.Verdict != w.verdict || !strings.Contains(f.Found, w.found) || !strings.Contains(f.Mend, w.mend) {
		t.Errorf("%s: %+v, want %+v", name, f, w)
	}
	if (f.Verdict == failed || f.Verdict == warned) && f.Mend == "" {
		t.Errorf("%s: nothing is said of how to mend it", name)
	}
}

// Queues that do not fit the memory limit get the worker killed under load.
func TestMemoryLimit(t *testing.T) {
	for _, tt := range []struct {
		outstanding, limit int64
		want               want
	}{
		{64 << 20, math.MaxInt64, want{fine, "no limit is set", ""}},
		{64 << 20, 512 << 20, want{fine, "of the limit of 512 MiB", ""}},
		{64 << 20, 200 << 20, want{warned, "little of the limit of 200 MiB", "MAX_OUTSTANDING_BYTES=56MiB"}},
		{256 << 20, 256 << 20, want{failed, "need 508 MiB, and the limit is 256 MiB", "MAX_OUTSTANDING_BYTES=77MiB"}},
		{64 << 20, 32 << 20, want{failed, "the limit is 32 MiB", "MAX_OUTSTANDING_BYTES=2MiB"}},
	} {
		tt.want.check(t, "memory", memoryLimit(tt.outstanding, tt.limit))
	}
	// What the mend says must do.
	if f := memoryLimit(56<<20, 200<<20); f.Verdict != fine {
		t.Errorf("mended: %+v", f)
	}
}

// A drain must end before the platform kills, and be long enough for an append.
func TestShutdownRule(t *testing.T) {
	for timeout, w := range map[time.Duration]want{
		9 * time.Second:  {fine, "SHUTDOWN_TIMEOUT=9s", ""},
		10 * time.Second: {warned, "not below the 10s", "SHUTDOWN_TIMEOUT=9s"},
		time.Second:      {warned, "burn a delivery attempt", "SHUTDOWN_TIMEOUT=9s"},
	} {
		w.check(t, timeout.String(), shutdown(timeout))
	}
}

// A clock that is seconds off is told, one that is minutes off fails, in
// either direction; a server's whole seconds are no skew.
func TestSkew(t *testing.T) {
	date := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		off  time.Duration
		want want
	}{
		{0, want{fine, "within a second", ""}},
		{999 * time.Millisecond, want{fine, "within a second", ""}},
		{3500 * time.Millisecond, want{fine, "3s ahead", ""}},
		{-6 * time.Second, want{warned, "6.5s behind the server's", "set-ntp"}},
		{10 * time.Second, want{warned, "9.5s ahead", "set-ntp"}},
		{-3 * time.Minute, want{failed, "behind", "set-ntp"}},
		{3 * time.Minute, want{failed, "Google refuses tokens", "set-ntp"}},
	} {
		tt.want.check(t, tt.off.String(), skew(date, date.Add(tt.off)))
	}
	want{skipped, "does not tell", ""}.check(t, "no date", skew(time.Time{}, date))
}

// Each wrong setting is a failure of its own that names it.
func TestWrongSettings(t *testing.T) {
	err := errors.New("read settings:\nSINK: \"x\" is not one of bigquery, duckdb\nPROMOTED_FIELDS: promote field \"a\":\n  column a holds it")
	found := wrongSettings(err)
	if len(found) != 2 {
		t.Fatalf("%+v", found)
	}
	want{failed, `SINK: "x"`, "correct SINK where it is set"}.check(t, "sink", found[0])
	want{failed, "promote field \"a\":; column a holds it", "correct PROMOTED_FIELDS"}.check(t, "promoted", found[1])
}

// What keeps rows from being written is a failure, what only readers miss a
// warning, and a difference that apply refuses gets no advice to apply.
func TestJudgePlan(t *testing.T) {
	replace := func(object string) string { return "replace " + object }
	for _, tt := range []struct {
		change sinks.Change
		want   want
	}{
		{sinks.Change{Object: "table events_log", Action: "create"}, want{failed, "table events_log: create", "apply"}},
		{sinks.Change{Object: "table events_log", Action: "add column notes"}, want{failed, "add column notes", "apply"}},
		{sinks.Change{Object: "table events_log", Action: "relax column notes"}, want{failed, "relax", "apply"}},
		{sinks.Change{Object: "table events_log", Action: "describe"}, want{warned, "describe", "apply"}},
		{sinks.Change{Object: "view leads", Action: "create"}, want{warned, "view leads: create", "apply"}},
		{sinks.Change{Object: "table events_log", Action: "partition", Refused: "it cannot"}, want{failed, "partition: it cannot", "replace events_log"}},
	} {
		found := judgePlan(sinks.Plan{tt.change}, "apply", replace)
		if len(found) != 1 {
			t.Errorf("%+v: %+v", tt.change, found)
			continue
		}
		tt.want.check(t, tt.change.Action, found[0])
	}
	want{fine, "as defined", ""}.check(t, "no plan", judgePlan(nil, "", replace)[0])
}

// What BigQuery deletes by itself must be found, with the statement that stops it.
func TestExpiries(t *testing.T) {
	d := &doctor{cfg: &config.Config{Dataset: "jing_leads"}, survey: bigquery.Survey{Project: "acme"}}
	healthy := d.expiry(t.Context())
	want{fine, "no table and no partition", ""}.check(t, "healthy", healthy[0])
	d.survey.TableExpiration, d.survey.PartitionExpiration = 60*24*time.Hour, 12*time.Hour
	d.survey.Tables = []bigquery.TableSurvey{
		{Name: "events_log", Expires: time.Date(2030, 1, 2, 3, 0, 0, 0, time.UTC)},
		{Name: "dead_letters", PartitionExpiration: 30 * 24 * time.Hour},
		{Name: "erasures"},
	}
	wants := []want{
		{warned, "new tables of the dataset are deleted after 60 days", "bq query --use_legacy_sql=false --project_id=acme 'ALTER SCHEMA `acme`.jing_leads SET OPTIONS (default_table_expiration_days = NULL)'"},
		{warned, "rows of new tables of the dataset are deleted after 12h0m0s", "default_partition_expiration_days = NULL"},
		{failed, "table events_log is deleted with all rows on 2030-01-02", "'ALTER TABLE `acme`.jing_leads.events_log SET OPTIONS (expiration_timestamp = NULL)'"},
		{warned, "rows of dead_letters are deleted after 30 days", "partition_expiration_days = NULL)', unless"},
	}
	found := d.expiry(t.Context())
	if len(found) != len(wants) {
		t.Fatalf("%+v", found)
	}
	for i, w := range wants {
		w.check(t, "expiry", found[i])
	}
}

// Where the file of the embedded warehouse cannot be kept must be told before
// a worker finds out.
func TestPlaceRules(t *testing.T) {
	for _, tt := range []struct {
		name  string
		place place
		want  []want
	}{
		{"no folder", place{folder: "/f/x y", size: -1, free: -1, folderErr: fs.ErrNotExist}, []want{{failed, "there is no folder /f/x y", "mkdir -p '/f/x y'"}}},
		{"folder not ours", place{folder: "/f", size: -1, free: -1, folderErr: fs.ErrPermission}, []want{{failed, "nothing can be made in /f", "chown"}}},
		{"file not ours", place{folder: "/f", file: "/f/w", size: 1, free: -1, fileErr: fs.ErrPermission}, []want{{failed, "permission denied", "/f/w, or another DUCKDB_PATH"}}},
		{"new", place{folder: "/f", file: "/f/w", size: -1, free: 5 << 30}, []want{{fine, "/f/w is not there yet", ""}, {fine, "5120 MiB are free", ""}}},
		{"full", place{folder: "/f", file: "/f/w", size: 9 << 20, free: 9 << 20}, []want{{fine, "/f/w, 9MiB", ""}, {failed, "9 MiB are free in /f: a worker", "make room"}}},
		{"filling", place{folder: "/f", file: "/f/w", size: 9 << 20, free: 900 << 20}, []want{{fine, "", ""}, {warned, "900 MiB are free", "make room"}}},
		{"no room for a second", place{folder: "/f", file: "/f/w", size: 9 << 30, free: 5 << 30}, []want{{fine, "", ""}, {warned, "needs as much again", "make room"}}},
	} {
		found := tt.place.judge("embedded warehouse")
		if len(found) != len(tt.want) {
			t.Errorf("%s: %+v", tt.name, found)
			continue
		}
		for i, w := range tt.want {
			w.check(t, tt.name, found[i])
		}
	}
}

// What a place is like is read from the disk, which stays as it was.
func TestLookAt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "w.duckdb")
	if p := lookAt(file); p.folderErr != nil || p.fileErr != nil || p.size != -1 || p.free == 0 {
		t.Errorf("new: %+v", p)
	}
	if p := lookAt(filepath.Join(dir, "none", "w")); !errors.Is(p.folderErr, fs.ErrNotExist) {
		t.Errorf("no folder: %+v", p)
	}
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := lookAt(file); p.folderErr != nil || p.fileErr != nil || p.size != 5 {
		t.Errorf("a file: %+v", p)
	}
	if p := lookAt(filepath.Join(file, "w")); p.folderErr == nil {
		t.Errorf("a file for a folder: %+v", p)
	}
	if p := lookAt(dir); p.fileErr == nil {
		t.Errorf("a folder for a file: %+v", p)
	}
	if os.Getuid() == 0 {
		return // who may do everything
	}
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	if p := lookAt(file); !errors.Is(p.fileErr, fs.ErrPermission) {
		t.Errorf("a file that may only be read: %+v", p)
	}
}

// The kind of credentials is told, and never what is secret about them.
func TestDescribeCredentials(t *testing.T) {
	for _, tt := range []struct{ file, kind, account string }{
		{"", "the account that this machine runs as", ""},
		{`{"type":"service_account","client_email":"w@acme.iam.gserviceaccount.com","private_key":"hunter2"}`,
			"the key of w@acme.iam.gserviceaccount.com", "serviceAccount:w@acme.iam.gserviceaccount.com"},
		{`{"type":"authorized_user","refresh_token":"hunter2"}`, "a person's login", ""},
		{`{"type":"external_account","audience":"x"}`, "workload identity federation", ""},
		{`{"type":"impersonated_service_account"}`, "a person who acts as a service account", ""},
		{`{"type":"gdch_service_account"}`, "credentials of type gdch_service_account", ""},
	} {
		if kind, account := describeCredentials([]byte(tt.file)); kind != tt.kind || account != tt.account {
			t.Errorf("%s: %q, %q", tt.file, kind, account)
		}
	}
}

// A stream that opens is not yet the right to append to it, and a service that
// is away is one failure, not one a table.
func TestWriting(t *testing.T) {
	away := status.Error(codes.Unavailable, "away")
	d := &doctor{cfg: &config.Config{Dataset: "jing_leads"}, account: unknownAccount, survey: bigquery.Survey{Project: "acme", Tables: []bigquery.TableSurvey{
		{Name: "events_log", ReadOnly: true}, {Name: "dead_letters", StreamErr: away}, {Name: "erasures", StreamErr: away}, {Name: "sync_batches", Missing: true}, {Name: "transitions_log"},
	}}}
	found := d.writing(t.Context())
	wants := []want{
		{failed, "may not write rows of events_log", "GRANT `roles/bigquery.dataEditor`"},
		{failed, "away", "BIGQUERY_STORAGE_ENDPOINT"},
		{skipped, "there is no table sync_batches", ""},
		{fine, "the streams of 1 table open", ""},
	}
	if len(found) != len(wants) {
		t.Fatalf("%+v", found)
	}
	for i, w := range wants {
		w.check(t, "writing", found[i])
	}
}
