package bqtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
)

// withStorage starts a server that has table t and loads from a bucket b with
// the objects.
func withStorage(t *testing.T, objects map[string]string) *Server {
	t.Helper()
	storage, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(storage.Stop)
	storage.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "bkt"})
	for key, content := range objects {
		storage.CreateObject(fakestorage.Object{
			ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "bkt", Name: key}, Content: []byte(content),
		})
	}
	s := withTable(t)
	s.Storage(storage.URL())
	return s
}

// loader returns a job for table t.
func loader(c *bq.Client, id string, uris ...string) *bq.Loader {
	from := bq.NewGCSReference(uris...)
	from.SourceFormat = bq.JSON
	l := c.Dataset(ds).Table("t").LoaderFrom(from)
	l.JobID, l.CreateDisposition, l.WriteDisposition = id, bq.CreateNever, bq.WriteAppend
	return l
}

// run runs a job to its end.
func run(ctx context.Context, l *bq.Loader) (*bq.JobStatus, error) {
	job, err := l.Run(ctx)
	if err != nil {
		return nil, err
	}
	for {
		status, err := job.Status(ctx)
		if err != nil || status.Done() {
			return status, err
		}
		time.Sleep(time.Millisecond)
	}
}

const goodRow = `{"id":"x","at":"2026-11-05T01:02:03Z"}`

// TestLoadValues would catch a form that the service takes and this server
// does not, or the other way round.
func TestLoadValues(t *testing.T) {
	at := time.Date(2026, 11, 5, 1, 2, 3, 0, time.UTC)
	for _, test := range []struct {
		row  string // keys besides id and at
		want map[string]any
		err  string
	}{
		{row: `"n":9007199254740991,"ok":true,"f":0.5`, want: map[string]any{"n": int64(1<<53 - 1), "ok": true, "f": 0.5}},
		{row: `"n":"9223372036854775807","raw":"/wA=","tags":["a","张"]`, want: map[string]any{"n": int64(1<<63 - 1), "raw": []byte{255, 0}, "tags": []any{"a", "张"}}},
		{row: `"doc":{"a":[1,null]},"seen":"1990-01-02 03:04:05.123456 UTC"`, want: map[string]any{"doc": `{"a":[1,null]}`, "seen": time.Date(1990, 1, 2, 3, 4, 5, 123456000, time.UTC)}},
		{row: `"seen":"2050/1/2 3:04:05+01:30","doc":"{}"`, want: map[string]any{"seen": time.Date(2050, 1, 2, 1, 34, 5, 0, time.UTC), "doc": `"{}"`}},
		{row: `"changes":[{"field":"f"},{"field":"g","before":"\u0000\n"}]`, want: map[string]any{"changes": []any{map[string]any{"field": "f"}, map[string]any{"field": "g", "before": "\x00\n"}}}},
		{row: `"n":null,"doc":null,"tags":null,"changes":[]`},
		{row: `"N":1`, want: map[string]any{"n": int64(1)}},
		{row: `"n":9007199254740993`, err: "to integer"},
		{row: `"n":1.5`, err: "to integer"},
		{row: `"n":"secret"`, err: "secret"},
		{row: `"ok":1`, err: "to boolean"},
		{row: `"raw":"***"`, err: "base64"},
		{row: `"seen":"2026-02-30T00:00:00Z"`, err: "as a timestamp"},
		{row: `"seen":"2026-02-03T00:00:00.1234567Z"`, err: "as a timestamp"},
		{row: `"seen":1234`, err: "to timestamp"},
		{row: `"tags":"a"`, err: "repeated"},
		{row: `"tags":[null]`, err: "set to NULL"},
		{row: `"changes":[{"before":"b"}]`, err: "Missing required fields: changes.field"},
		{row: `"changes":[{"field":"f","more":1}]`, err: "No such field: changes.more"},
		{row: `"id":"y"`, err: "twice"},
		{row: `"unheard":1`, err: "No such field: unheard"},
		{row: `"at":null`, err: "twice"},
		{row: `"doc":1e400`, err: "JSON"},
	} {
		t.Run(test.row, func(t *testing.T) {
			s := withStorage(t, map[string]string{"o": goodRow + "\n" + `{"id":"x","at":"2026-11-05T01:02:03Z",` + test.row + "}\n"})
			status, err := run(deadline(t), loader(restClient(t, s), "", "gs://bkt/o"))
			if err != nil {
				t.Fatal(err)
			}
			if test.err != "" {
				if err := errors.Join(append(asErrors(status.Errors), status.Err())...); status.Err() == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("errors %v, want %q", err, test.err)
				}
				if n := s.NumRows("t"); n != 0 {
					t.Errorf("%d rows are there, want none", n)
				}
				return
			}
			if status.Err() != nil {
				t.Fatal(status.Err(), status.Errors)
			}
			want := map[string]any{"id": "x", "at": at}
			for k, v := range test.want {
				want[k] = v
			}
			if diff := cmp.Diff([]map[string]any{{"id": "x", "at": at}, want}, s.Rows("t")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := status.Statistics.Details.(*bq.LoadStatistics).OutputRows; got != 2 {
				t.Errorf("%d output rows, want 2", got)
			}
		})
	}
}

func asErrors(list []*bq.Error) []error {
	var errs []error
	for _, e := range list {
		errs = append(errs, e)
	}
	return errs
}

// TestLoadObjects would catch objects that are left out, read twice or missing
// without an error, and a row that is written although another was bad.
func TestLoadObjects(t *testing.T) {
	s := withStorage(t, map[string]string{
		"a/1.json": goodRow, "a/2.json": "\n" + goodRow + "\r\n" + goodRow + "\n", "a/3.txt": "no JSON", "b/1.json": goodRow,
		"bad": goodRow + "\n[]\n", "old": strings.ReplaceAll(goodRow, "2026", "1990") + "\n" + strings.ReplaceAll(goodRow, "2026", "2200"),
		"empty": "", "utf8": "{\"id\":\"\xff\"}", "days": days(4001), "fewer": days(4000),
	})
	c, ctx := restClient(t, s), deadline(t)
	for i, test := range []struct {
		uris []string
		rows int
		err  string
	}{
		{[]string{"gs://bkt/a/1.json", "gs://bkt/b/1.json"}, 2, ""},
		{[]string{"gs://bkt/a/*.json"}, 3, ""},
		{[]string{"gs://bkt/*"}, 0, "invalid"},
		{[]string{"gs://bkt/old"}, 2, ""},
		{[]string{"gs://bkt/empty"}, 0, ""},
		{[]string{"gs://bkt/bad"}, 0, "too many errors"},
		{[]string{"gs://bkt/utf8"}, 0, "too many errors"},
		{[]string{"gs://bkt/c/*"}, 0, "notFound"},
		{[]string{"gs://bkt/a/1.json", "gs://bkt/c"}, 0, "notFound"},
		{[]string{"gs://other/c"}, 0, "notFound"},
		{[]string{"gs://bkt/days"}, 0, "Too many partitions"},
		{[]string{"gs://bkt/fewer"}, 4000, ""},
	} {
		before := s.NumRows("t")
		status, err := run(ctx, loader(c, fmt.Sprintf("job-%d", i), test.uris...))
		if err != nil {
			t.Fatalf("%v: %v", test.uris, err)
		}
		if err := status.Err(); (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%v: error %v, want %q", test.uris, err, test.err)
		}
		if n := s.NumRows("t") - before; n != test.rows {
			t.Errorf("%v: %d rows, want %d", test.uris, n, test.rows)
		}
	}
}

func days(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"id\":\"x\",\"at\":\"%s\"}\n", time.Date(1965, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339))
	}
	return b.String()
}

// TestLoadJobs would catch a job that runs twice, is found where it is not, or
// is made although it must not be.
func TestLoadJobs(t *testing.T) {
	s := withStorage(t, map[string]string{"o": goodRow})
	c, ctx := restClient(t, s), deadline(t)
	if _, err := run(ctx, loader(c, "one", "gs://bkt/o")); err != nil {
		t.Fatal(err)
	}
	if _, err := run(ctx, loader(c, "one", "gs://bkt/o")); reason(err) != "409 duplicate" {
		t.Errorf("the same id again: %v, want 409 duplicate", err)
	}
	if n := s.NumRows("t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if _, err := c.JobFromIDLocation(ctx, "one", "US"); err != nil {
		t.Errorf("job in its place: %v", err)
	}
	if _, err := c.JobFromIDLocation(ctx, "one", "asia-east1"); reason(err) != "404 notFound" {
		t.Errorf("job in another place: %v, want 404 notFound", err)
	}
	edits := map[string]func(*bq.Loader, *bq.GCSReference){
		"404 notFound":       func(l *bq.Loader, _ *bq.GCSReference) { l.Location = "asia-east1" },
		"400 invalid":        func(l *bq.Loader, _ *bq.GCSReference) { l.JobID = "no spaces" },
		"501 notImplemented": func(_ *bq.Loader, from *bq.GCSReference) { from.MaxBadRecords = 1 },
	}
	for want, edit := range edits {
		l := loader(c, "", "gs://bkt/o")
		edit(l, l.Src.(*bq.GCSReference))
		if _, err := l.Run(ctx); reason(err) != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	s.Deny("t", true)
	if _, err := loader(c, "denied", "gs://bkt/o").Run(ctx); reason(err) != "403 accessDenied" {
		t.Errorf("denied: %v, want 403 accessDenied", err)
	}
	s.Deny("t", false)
	if err := s.Drop("t"); err != nil {
		t.Fatal(err)
	}
	status, err := run(ctx, loader(c, "late", "gs://bkt/o"))
	if err != nil || status.Err() == nil || !strings.Contains(status.Err().Error(), "Not found: Table") {
		t.Errorf("without a table: %v, %v; want a job that fails", status, err)
	}
}

// TestLoadFaults would catch a fault that does something else than its name
// says, and a job that outlives the server.
func TestLoadFaults(t *testing.T) {
	s := withStorage(t, map[string]string{"o": goodRow})
	c, ctx := restClient(t, s), deadline(t)
	faults := map[string]*LoadFault{
		"refused": {Code: 403, Reason: "quotaExceeded"},
		"taken":   {Code: 400, Reason: "invalid", Taken: true},
		"hung":    {Hang: true, Taken: true},
		"hidden":  {Hidden: 2},
		"failed":  {Fail: "backendError", Message: "it"},
		"slow":    {Pending: 30 * time.Millisecond, Running: 30 * time.Millisecond},
		"forever": {Running: time.Hour},
	}
	s.FaultLoad(func(l *Load) *LoadFault { return faults[l.ID] })
	insert := func(id string) error {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := loader(c, id, "gs://bkt/o").Run(ctx)
		return err
	}
	wantRows := func(what string, n int) {
		t.Helper()
		if got := s.NumRows("t"); got != n {
			t.Errorf("%s: %d rows, want %d", what, got, n)
		}
	}
	done := func(id string) *bq.JobStatus {
		for {
			job, err := c.JobFromID(ctx, id)
			if err == nil && job.LastStatus().Done() {
				return job.LastStatus()
			}
			if ctx.Err() != nil {
				t.Fatalf("job %s is not done: %v", id, err)
			}
		}
	}
	if err := insert("refused"); reason(err) != "403 quotaExceeded" {
		t.Errorf("refused: %v", err)
	}
	if _, err := c.JobFromID(ctx, "refused"); reason(err) != "404 notFound" {
		t.Errorf("refused: the job is there: %v", err)
	}
	if err := insert("taken"); reason(err) != "400 invalid" {
		t.Errorf("taken: %v", err)
	}
	done("taken")
	wantRows("taken", 1)
	if err := insert("hung"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hung: %v", err)
	}
	done("hung")
	wantRows("hung", 2)
	if err := insert("hidden"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.JobFromID(ctx, "hidden"); reason(err) != "404 notFound" {
			t.Errorf("hidden: %v", err)
		}
	}
	done("hidden")
	wantRows("hidden", 3)
	if err := insert("failed"); err != nil {
		t.Fatal(err)
	}
	if err := done("failed").Err(); err == nil || !strings.Contains(err.Error(), "backendError") {
		t.Errorf("failed: %v", err)
	}
	wantRows("failed", 3)
	seen := map[bq.State]bool{}
	if err := insert("slow"); err != nil {
		t.Fatal(err)
	}
	for !seen[bq.Done] {
		job, err := c.JobFromID(ctx, "slow")
		if err != nil {
			t.Fatal(err)
		}
		seen[job.LastStatus().State] = true
	}
	if !seen[bq.Pending] || !seen[bq.Running] {
		t.Errorf("slow: states %v, want all three", seen)
	}
	wantRows("slow", 4)
	if err := insert("forever"); err != nil {
		t.Fatal(err)
	}
	if n := s.NumLoads("t"); n != 7 {
		t.Errorf("%d jobs were asked for, want 7", n)
	}
}
