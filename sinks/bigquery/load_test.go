package bigquery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"leadsync/sinks"
	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/sinktest"
	"leadsync/transform"
)

const bucketName = "staging"

// A bucket is a [Staging] of its own over Cloud Storage's HTTP API.
type bucket struct {
	url    string
	client *http.Client

	mu   sync.Mutex
	fail func(what, name string) error // asked before every create, write, close and delete
}

// stagingOf returns a bucket that the server loads from.
func stagingOf(t testing.TB, server *bqtest.Server) (*bucket, *fakestorage.Server) {
	t.Helper()
	storage, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(storage.Stop)
	storage.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucketName})
	server.Storage(storage.URL())
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &bucket{url: storage.URL(), client: &http.Client{Transport: transport}}, storage
}

func (b *bucket) URL(name string) string { return "gs://" + bucketName + "/folder/" + name }

func (b *bucket) failing(f func(what, name string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

func (b *bucket) ask(what, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		return nil
	}
	return b.fail(what, name)
}

// An upload is an object that is sent when it is closed: the server would let
// nobody else in as long as one is on its way.
type upload struct {
	bucket  *bucket
	ctx     context.Context
	name    string
	content bytes.Buffer
}

func (b *bucket) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := b.ask("create", name); err != nil {
		return nil, err
	}
	return &upload{bucket: b, ctx: ctx, name: name}, nil
}

func (b *bucket) do(req *http.Request) error {
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 && (req.Method != http.MethodDelete || resp.StatusCode != http.StatusNotFound) {
		return fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return nil
}

func (u *upload) Write(p []byte) (int, error) {
	if err := u.bucket.ask("write", u.name); err != nil {
		return 0, err
	}
	return u.content.Write(p)
}

func (u *upload) Close() error {
	if err := u.bucket.ask("close", u.name); err != nil {
		return err
	}
	path := fmt.Sprintf("%s/upload/storage/v1/b/%s/o?uploadType=media&name=%s", u.bucket.url, bucketName, url.QueryEscape("folder/"+u.name))
	req, err := http.NewRequestWithContext(u.ctx, http.MethodPost, path, &u.content)
	if err != nil {
		return err
	}
	return u.bucket.do(req)
}

func (b *bucket) Delete(ctx context.Context, name string) error {
	if err := b.ask("delete", name); err != nil {
		return err
	}
	path := fmt.Sprintf("%s/storage/v1/b/%s/o/%s", b.url, bucketName, url.PathEscape("folder/"+name))
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return err
	}
	return b.do(req)
}

// objects returns the keys in the bucket.
func objects(t testing.TB, storage *fakestorage.Server) []string {
	t.Helper()
	list, err := storage.ListObjectsWithOptionsPaginated(bucketName, fakestorage.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range list.Objects {
		keys = append(keys, o.Name)
	}
	return keys
}

// begin begins a load that is closed at the end of the test.
func begin(t testing.TB, loader sinks.Loader, id string) sinks.Load {
	t.Helper()
	load, err := loader.Begin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := load.Close(); err != nil {
			t.Errorf("close load: %v", err)
		}
	})
	return load
}

func mustWrite(t testing.TB, load sinks.Load, rows *transform.Rows) {
	t.Helper()
	if err := load.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// jobIDs keeps the ids of the jobs that the server is asked for, and does
// what fault says.
type jobIDs struct {
	mu    sync.Mutex
	list  []string
	fault func(l *bqtest.Load) *bqtest.LoadFault
}

func watch(server *bqtest.Server) *jobIDs {
	j := &jobIDs{}
	server.FaultLoad(func(l *bqtest.Load) *bqtest.LoadFault {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.list = append(j.list, l.ID)
		if j.fault != nil {
			return j.fault(l)
		}
		return nil
	})
	return j
}

func (j *jobIDs) set(f func(l *bqtest.Load) *bqtest.LoadFault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fault = f
}

func (j *jobIDs) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := j.list
	j.list = nil
	return list
}

// TestLoadJobsValues loads rows of all tables by jobs and appends the same
// rows to streams. It catches a value of any type that is another by one way.
func TestLoadJobsValues(t *testing.T) {
	streamed, c1 := start(t)
	loaded, c2 := start(t)
	staging, storage := stagingOf(t, loaded)
	var rows transform.Rows
	oddEvents(t, &rows)
	if err := openSink(t, c1).Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	jobs := watch(loaded)
	load := begin(t, openSink(t, c2).LoadJobs(staging), "values")
	mustWrite(t, load, &rows)
	if n := loaded.NumRows("events_log"); n != 0 {
		t.Errorf("%d rows are there before the commit", n)
	}
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range transform.NumTables {
		id := transform.TableID(i)
		want, got := values(streamed, id), values(loaded, id)
		if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b []any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })); diff != "" {
			t.Errorf("%s (-stream +load):\n%s", id, diff)
		}
		if id != transform.Erasures && len(got) == 0 {
			t.Errorf("no row of %s was loaded", id)
		}
	}
	if keys := objects(t, storage); len(keys) != 0 {
		t.Errorf("staged objects are left: %v", keys)
	}
	if ids := jobs.take(); len(ids) != transform.NumTables-1 || !strings.Contains(ids[len(ids)-1], "backfill_checkpoints") || !strings.Contains(ids[len(ids)-2], "sync_batches") {
		t.Errorf("jobs %v, want one a table with rows, the ledger's after all others", ids)
	}
}

// oddEvents fills rows of every table that transform makes.
func oddEvents(t testing.TB, rows *transform.Rows) {
	t.Helper()
	transformer := transform.New(transform.Options{})
	now := time.Now()
	d := transform.Delivery{MessageID: "m", PublishedAt: now, IngestedAt: now, Source: "backfill"}
	for _, extra := range []string{
		`{}`, `{"entity_id":"e","entity_type":"leads","mapping_data":{"a":["x","y"],"b":[null,"\u0000\u001f\"\\\n"],"c":[]}}`,
		`{"entity_id":"e","mapping_data":{"owner":["a","b"],"life_status":["1","2"]},"mapping_data_text":{"owner":["甲","乙"]},"members":"a,b,c"}`,
		`{"entity_id":"e","members":[],"mapping_data":null,"timeline_data":"x","entity_change_mapping":[9223372036854775807,1.5e300,{"":null}]}`,
		`{"entity_id":"e","notes":"tab\tline\r\n\u2028end 🙂","new_key":9007199254740993}`,
		`{"mapping_data":"{\"a\":1}","mapping_data_text":"null","entity_change_mapping":true}`,
	} {
		for i, kind := range []string{"object_create", "object_change_owner", "object_update", "unheard_of"} {
			payload := fmt.Sprintf(`{"mid":"941","event_type":%q,"create_time":%d,"extra_data":%s}`, kind, now.Unix()-int64(i), extra)
			if _, err := transformer.Transform(rows, []byte(payload), d); err != nil {
				t.Fatalf("%s: %v", payload, err)
			}
		}
	}
	rows.AppendDeadLetter(transform.DeadLetter{
		Rejection: &transform.Rejection{Reason: "json_invalid", Stage: "decode"}, Payload: []byte{0, 0xff, '\n', '{'},
		Attributes: map[string]string{"a": "\x00\xff\n"}, PublishedAt: now, DeadAt: now, Attempts: 3,
	})
	rows.AppendBatch(transform.Batch{
		ID: "b", WorkerID: "w", Source: "backfill", Received: 1<<63 - 1, Written: 1 << 53, MinOccurredAt: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		MaxOccurredAt: time.Date(2050, 1, 1, 0, 0, 0, 1000, time.UTC), StartedAt: now, CommittedAt: now,
		Tallies: []transform.Tally{{Day: now.Truncate(24 * time.Hour), EventType: "x", Written: 1}, {Dead: 1}},
	})
	rows.AppendReplay(transform.Replay{DeadLetterID: "l", ReplayedAt: now, Outcome: "written", EventID: "e", WorkerVersion: "v"})
	rows.AppendCheckpoint(transform.Checkpoint{Location: "/a", End: 1, Digest: "d", Via: "load", CommittedAt: now, WorkerID: "w"})
}

// eventsAt returns rows of events "e<from>" and so on of a day, and a batch.
func eventsAt(from, to int, at time.Time) *transform.Rows {
	rows := new(transform.Rows)
	for i := from; i < to; i++ {
		row := eventRow(fmt.Sprintf("e%d", i), strings.Repeat("n", 1000))
		row[slices.IndexFunc(transform.EventsLog.Table().Columns, func(c transform.Column) bool { return c.Name == "occurred_at" })] = at
		sinktest.Append(rows, transform.EventsLog, row)
	}
	now := time.Now()
	rows.AppendBatch(transform.Batch{ID: fmt.Sprint(from), WorkerID: "w", Source: "backfill", Received: to - from, StartedAt: now, CommittedAt: now})
	return rows
}

// TestLoadJobsShards writes from many goroutines what needs many objects, of
// days that no stream takes. It catches rows that are lost between objects, or
// torn at their ends.
func TestLoadJobsShards(t *testing.T) {
	server, c := start(t)
	staging, storage := stagingOf(t, server)
	loader := openSink(t, c).LoadJobs(staging)
	loader.(*jobLoader).shardBytes = 100 << 10
	load := begin(t, loader, "shards")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				from := (w*10 + i) * 30
				if err := load.Write(t.Context(), eventsAt(from, from+30, time.Date(1990+w*8, 1, i+1, 0, 0, 0, 0, time.UTC))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if keys := objects(t, storage); len(keys) < 15 {
		t.Errorf("objects %v, want at least 15 before the commit", keys)
	}
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 2400, false)
	if n := server.NumRows("sync_batches"); n != 80 {
		t.Errorf("%d batches, want 80", n)
	}
}

// TestLoadJobsRefuses writes rows that no table takes among good ones. It
// catches one that spoils the others' load, and one that is not named.
func TestLoadJobsRefuses(t *testing.T) {
	server, c := start(t)
	staging, _ := stagingOf(t, server)
	load := begin(t, openSink(t, c).LoadJobs(staging), "refuses")
	rows := new(transform.Rows)
	bad := eventRow("bad", "n")
	bad[slices.IndexFunc(transform.EventsLog.Table().Columns, func(c transform.Column) bool { return c.Name == "tenant_id" })] = nil
	for _, row := range [][]any{eventRow("e0", "n"), bad, eventRow("big", strings.Repeat("x", maxRow)), eventRow("e1", "n"), eventRow("not", "\xff")} {
		sinktest.Append(rows, transform.EventsLog, row)
	}
	var refused sinks.RowErrors
	if err := load.Write(t.Context(), rows); !errors.As(err, &refused) {
		t.Fatalf("error %v, want row errors", err)
	}
	want := sinks.RowErrors{{Row: 1, Code: "ROW_INVALID"}, {Row: 2, Code: "ROW_TOO_LARGE"}, {Row: 4, Code: "ROW_INVALID"}}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 2, false)
}

// TestLoadJobsWorst loads the largest row whose JSON is longest: every byte of
// it becomes six.
func TestLoadJobsWorst(t *testing.T) {
	server, c := start(t)
	staging, _ := stagingOf(t, server)
	load := begin(t, openSink(t, c).LoadJobs(staging), "worst")
	rows := new(transform.Rows)
	sinktest.Append(rows, transform.EventsLog, eventRow("e0", strings.Repeat("\x00", maxRow-1000)))
	mustWrite(t, load, rows)
	if err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, server, 1, false)
}
