package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bq "cloud.google.com/go/bigquery"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// Where all is in order nothing may be found, or nobody would believe the
// rest; and to find that out nothing may be written, pulled or changed.
func TestDoctorFindsNothing(t *testing.T) {
	t.Parallel()
	c := newClinic(t, soundSubscription())
	c.apply(t)
	id := c.pubsub.Publish(testTopic, []byte(sampleEvent), nil)
	c.bigquery.FailREST(func(r *http.Request) error {
		asks := r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, ":testIamPermissions") || strings.HasSuffix(r.URL.Path, "/jobs")
		if !asks {
			t.Errorf("%s %s changes something", r.Method, r.URL.Path)
		}
		return nil
	})
	c.bigquery.OnQuery(func(q *bqtest.Query) (*bqtest.Result, error) {
		if !q.DryRun {
			t.Errorf("a query was run: %s", q.SQL)
		}
		return &bqtest.Result{}, nil
	})
	got := examine(t, c.environ)
	for _, f := range got.found {
		if f.Verdict != fine {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"settings", "batches", "memory", "shutdown", "time zone", "field policy", "credentials", "bigquery", "clock",
		"dataset", "schema", "writing", "expiry of rows", "queries", "pubsub", "delivery", "expiration", "ack deadline", "retry policy",
		"retention", "replay", "consuming", "dead letters", "dead letters: publish", "dead letters: forward"} {
		got.want(t, check, want{fine, "", ""})
	}
	if m := c.pubsub.Message(id); m.Deliveries != 0 {
		t.Errorf("a message was pulled %d times", m.Deliveries)
	}
	for _, table := range transform.Tables() {
		if n := c.bigquery.Stats(table.Name).Appends; n != 0 {
			t.Errorf("%s: %d appends", table.Name, n)
		}
	}
}

// Each case breaks one thing about Pub/Sub that only a server can show.
func TestDoctorPubSub(t *testing.T) {
	t.Parallel()
	with := func(change func(*pubsubpb.Subscription)) *pubsubpb.Subscription {
		s := soundSubscription()
		change(s)
		return s
	}
	viewer := "gcloud pubsub subscriptions add-iam-policy-binding leads --project=acme --member=serviceAccount:WORKER_ACCOUNT --role=roles/pubsub.viewer"
	tests := []struct {
		name         string
		subscription *pubsubpb.Subscription
		reactors     []pstest.ServerReactorOption
		wound        func(*testing.T, *clinic)
		status       int
		check        string
		want         want
	}{
		{name: "no subscription", status: 1, check: "pubsub",
			want: want{failed, "there is no subscription " + testSubscription, "gcloud pubsub subscriptions create leads --project=acme --topic=TOPIC --expiration-period=never"}},
		{name: "may not look", subscription: soundSubscription(), check: "subscription",
			reactors: []pstest.ServerReactorOption{pstest.WithErrorInjection("GetSubscription", codes.PermissionDenied, "no")},
			want:     want{skipped, "may not look at the subscription", viewer}},
		{name: "no answer", subscription: soundSubscription(), status: 1, check: "pubsub",
			reactors: []pstest.ServerReactorOption{pstest.WithErrorInjection("GetSubscription", codes.Unavailable, "away")},
			want:     want{failed, "does not answer", "PUBSUB_EMULATOR_HOST"}},
		{name: "who asks", subscription: soundSubscription(), status: 1, check: "pubsub",
			reactors: []pstest.ServerReactorOption{pstest.WithErrorInjection("GetSubscription", codes.Unauthenticated, "who")},
			want:     want{failed, "who", "gcloud auth application-default login"}},
		{name: "may not pull", subscription: soundSubscription(), status: 1, check: "consuming",
			wound: func(_ *testing.T, c *clinic) { c.permissions.lacks("pubsub.subscriptions.consume") },
			want: want{failed, "lacks pubsub.subscriptions.consume",
				"gcloud pubsub subscriptions add-iam-policy-binding leads --project=acme --member=serviceAccount:WORKER_ACCOUNT --role=roles/pubsub.subscriber"}},
		{name: "policies", subscription: with(func(s *pubsubpb.Subscription) {
			s.ExpirationPolicy.Ttl = durationpb.New(24 * time.Hour)
			s.PushConfig = &pubsubpb.PushConfig{PushEndpoint: "https://example.test"}
			s.DeadLetterPolicy = nil
		}), status: 2, check: "dead letters", want: want{warned, "no policy", "topics create leads-undelivered"}},
		{name: "dead letters vanish", subscription: soundSubscription(), status: 1, check: "dead letters",
			wound: func(t *testing.T, c *clinic) {
				if _, err := c.pubsub.GServer.DeleteSubscription(t.Context(), &pubsubpb.DeleteSubscriptionRequest{Subscription: "projects/acme/subscriptions/undelivered"}); err != nil {
					t.Fatal(err)
				}
			},
			want: want{failed, "nobody subscribes to " + testUndelivered + ": messages vanish there",
				"gcloud pubsub subscriptions create undelivered --project=acme --topic=" + testUndelivered}},
		{name: "dead letters expire", subscription: soundSubscription(), check: "dead letters",
			wound: func(t *testing.T, c *clinic) {
				c.subscribe(t, &pubsubpb.Subscription{Name: "projects/acme/subscriptions/forgotten", Topic: testUndelivered, AckDeadlineSeconds: 10})
			},
			want: want{warned, "projects/acme/subscriptions/forgotten is pulled by nobody: after 31 days",
				"gcloud pubsub subscriptions update forgotten --project=acme --expiration-period=never"}},
		{name: "dead-letter topic gone", subscription: soundSubscription(), status: 1, check: "dead letters",
			reactors: []pstest.ServerReactorOption{pstest.WithErrorInjection("GetTopic", codes.NotFound, "none")},
			want:     want{failed, "there is no topic " + testUndelivered, "gcloud pubsub topics create undelivered --project=acme"}},
		{name: "dead-letter topic of others", subscription: soundSubscription(), check: "dead letters",
			reactors: []pstest.ServerReactorOption{pstest.WithErrorInjection("GetTopic", codes.PermissionDenied, "no")},
			want:     want{skipped, "may not look at " + testUndelivered, "gcloud pubsub topics add-iam-policy-binding undelivered --project=acme"}},
		{name: "agent may not publish", subscription: soundSubscription(), check: "dead letters: publish",
			wound: func(_ *testing.T, c *clinic) { c.permissions.forget(testUndelivered) },
			want:  want{warned, "does not have roles/pubsub.publisher", "gcloud pubsub topics add-iam-policy-binding undelivered --project=acme"}},
		{name: "agent may not forward", subscription: soundSubscription(), check: "dead letters: forward",
			wound: func(_ *testing.T, c *clinic) { c.permissions.forget(testSubscription) },
			want:  want{warned, "does not have roles/pubsub.subscriber", "gcloud pubsub subscriptions add-iam-policy-binding leads --project=acme"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClinic(t, tt.subscription, tt.reactors...)
			if tt.wound != nil {
				tt.wound(t, c)
			}
			got := examine(t, append(c.environ, "SINK=duckdb", "DUCKDB_PATH="+filepath.Join(t.TempDir(), "w.duckdb")))
			got.want(t, tt.check, tt.want)
			if got.status != tt.status {
				t.Errorf("%d failures, want %d:\n%s", got.status, tt.status, got.text)
			}
		})
	}
}

// The topic that the worker publishes dead letters to must be there, keep them,
// be another than that of the events, and take what the worker publishes.
func TestDoctorLetterTopic(t *testing.T) {
	t.Parallel()
	c := newClinic(t, soundSubscription())
	environ := append(c.environ, "SINK=duckdb", "DUCKDB_PATH="+filepath.Join(t.TempDir(), "w.duckdb"))
	const lonely = "projects/acme/topics/lonely"
	if _, err := c.pubsub.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: lonely}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		topic  string
		denied string
		status int
		want   want
	}{
		{"undelivered", "", 0, want{fine, "pubsub.topics.publish", ""}},
		{"undelivered", "", 0, want{fine, "1 subscription keeps what comes to " + testUndelivered, ""}},
		{lonely, "", 1, want{failed, "nobody subscribes to " + lonely, "gcloud pubsub subscriptions create lonely --project=acme"}},
		{"none", "", 1, want{failed, "there is no topic projects/acme/topics/none", "gcloud pubsub topics create none --project=acme"}},
		{testTopic, "", 1, want{failed, "comes back as an event", "DEAD_LETTER_TOPIC=ANOTHER"}},
		{"undelivered", "pubsub.topics.publish", 1, want{failed, "lacks pubsub.topics.publish",
			"gcloud pubsub topics add-iam-policy-binding undelivered --project=acme --member=serviceAccount:WORKER_ACCOUNT --role=roles/pubsub.publisher"}},
	} {
		c.permissions.lacks(tt.denied)
		got := examine(t, append(environ, "DEAD_LETTER_TOPIC="+tt.topic))
		got.want(t, "letter topic", tt.want)
		if got.status != tt.status {
			t.Errorf("%s: %d failures, want %d:\n%s", tt.topic, got.status, tt.status, got.text)
		}
	}
}

// Emulators know no permissions: what they do not answer is skipped, with the
// commands that make sure of it where it counts.
func TestDoctorEmulator(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.apply(t)
	got := examine(t, c.environ)
	got.want(t, "consuming", want{skipped, "answers no questions about permissions", ""})
	got.want(t, "queries", want{skipped, "takes none", ""})
	if got.status != 0 {
		t.Errorf("%d failures:\n%s", got.status, got.text)
	}
}

// Each case breaks one thing about BigQuery.
func TestDoctorBigQuery(t *testing.T) {
	t.Parallel()
	accessDenied := &googleapi.Error{Code: http.StatusForbidden, Message: "Access Denied", Errors: []googleapi.ErrorItem{{Reason: "accessDenied"}}}
	const grant = "GRANT `roles/bigquery.dataEditor` ON SCHEMA `acme`.jing_leads TO \"serviceAccount:WORKER_ACCOUNT\""
	for _, tt := range []struct {
		name    string
		environ []string
		bare    bool // the dataset is not made
		wound   func(*testing.T, *clinic)
		status  int
		check   string
		want    want
	}{
		{name: "no dataset", bare: true, status: 1, check: "dataset",
			want: want{failed, "no dataset jing_leads in project acme", "leadsync schema apply --sink bigquery --project acme --dataset jing_leads --location EU"}},
		{name: "elsewhere", environ: []string{"BIGQUERY_LOCATION=asia-east1"}, status: 1, check: "dataset",
			want: want{failed, "acme:jing_leads is in EU, not in BIGQUERY_LOCATION=asia-east1", "BIGQUERY_LOCATION=EU"}},
		{name: "dataset of others", wound: func(_ *testing.T, c *clinic) {
			c.bigquery.FailREST(func(r *http.Request) error {
				if strings.HasSuffix(r.URL.Path, "/datasets/jing_leads") {
					return accessDenied
				}
				return nil
			})
		}, status: 1, check: "dataset", want: want{failed, "Access Denied", grant}},
		{name: "tables of others", wound: func(_ *testing.T, c *clinic) {
			c.bigquery.FailREST(func(r *http.Request) error {
				if strings.HasSuffix(r.URL.Path, "/tables/events_log") {
					return accessDenied
				}
				return nil
			})
		}, status: 2, check: "writing", want: want{failed, "look at table events_log", grant}},
		{name: "table missing", wound: func(t *testing.T, c *clinic) {
			if err := c.bigquery.Drop("transitions_log"); err != nil {
				t.Fatal(err)
			}
		}, status: 1, check: "schema", want: want{failed, "table transitions_log: create", "leadsync schema apply"}},
		{name: "column missing", environ: []string{"PROMOTED_FIELDS=lead_score"}, status: 1, check: "schema",
			want: want{failed, "table events_log: add column lead_score", "leadsync schema apply"}},
		{name: "may not write", wound: func(_ *testing.T, c *clinic) { c.bigquery.Deny("events_log", true) }, status: 1, check: "writing",
			want: want{failed, "PermissionDenied", grant}},
		{name: "storage away", wound: func(_ *testing.T, c *clinic) { c.bigquery.Down(true) }, status: 1, check: "writing",
			want: want{failed, "Unavailable", "BIGQUERY_STORAGE_ENDPOINT"}},
		{name: "no queries", wound: func(_ *testing.T, c *clinic) {
			c.bigquery.OnQuery(func(*bqtest.Query) (*bqtest.Result, error) { return nil, accessDenied })
		}, check: "queries", want: want{warned, "the worker does not need it",
			"gcloud projects add-iam-policy-binding acme --member=serviceAccount:WORKER_ACCOUNT --role=roles/bigquery.jobUser"}},
		{name: "table expires", wound: func(t *testing.T, c *clinic) {
			table := c.client(t).Dataset("jing_leads").Table("events_log")
			if _, err := table.Update(t.Context(), bq.TableMetadataToUpdate{ExpirationTime: time.Now().Add(time.Hour)}, ""); err != nil {
				t.Fatal(err)
			}
		}, status: 1, check: "expiry of rows", want: want{failed, "table events_log is deleted", "ALTER TABLE `acme`.jing_leads.events_log SET OPTIONS (expiration_timestamp = NULL)"}},
		{name: "server away", environ: []string{"BIGQUERY_ENDPOINT=http://me:hunter2@127.0.0.1:1"}, status: 1, check: "bigquery",
			want: want{failed, "127.0.0.1:1 does not answer", "let this machine reach 127.0.0.1:1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClinic(t, soundSubscription())
			if !tt.bare {
				c.apply(t)
			}
			if tt.wound != nil {
				tt.wound(t, c)
			}
			got := examine(t, append(c.environ, tt.environ...))
			got.want(t, tt.check, tt.want)
			if got.status != tt.status {
				t.Errorf("%d failures, want %d:\n%s", got.status, tt.status, got.text)
			}
			if strings.Contains(got.text, "hunter2") {
				t.Errorf("a password is in the output:\n%s", got.text)
			}
		})
	}
}

// client returns the vendor's client of the stand-in.
func (c *clinic) client(t *testing.T) *bq.Client {
	t.Helper()
	client, err := bq.NewClient(t.Context(), "acme", option.WithEndpoint(c.bigquery.RESTURL()), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// A server that takes connections and never answers must not keep the doctor:
// each check has its deadline, and what depends on it is skipped.
func TestDoctorDoesNotHang(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	addr := silent.Addr().String()
	environ := append(os.Environ(), "SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme", "PUBSUB_SUBSCRIPTION=leads", "PUBSUB_EMULATOR_HOST="+addr,
		"BIGQUERY_ENDPOINT=http://"+addr, "BIGQUERY_STORAGE_ENDPOINT="+addr, "BIGQUERY_INSECURE=true")
	begun := time.Now()
	got := examine(t, environ, "--timeout", "1s")
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	got.want(t, "bigquery", want{failed, addr + " does not answer", "network"})
	got.want(t, "pubsub", want{failed, addr + " does not answer", "network"})
	got.want(t, "writing", want{skipped, "because dataset was skipped", ""})
	if got.status != 2 {
		t.Errorf("%d failures:\n%s", got.status, got.text)
	}
}

// The clock is compared with that of the server that is used.
func TestDoctorClock(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	environ := append(os.Environ(), "SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme", "BIGQUERY_ENDPOINT="+server.URL,
		"BIGQUERY_STORAGE_ENDPOINT=127.0.0.1:1", "BIGQUERY_INSECURE=true")
	examine(t, environ).want(t, "clock", want{failed, "behind the server's", "timedatectl set-ntp true"})
}

// The embedded warehouse is looked at as it is: open in a worker, outdated, or
// no warehouse at all; and stays as it was.
func TestDoctorEmbedded(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	c := newClinic(t, soundSubscription())
	path := filepath.Join(t.TempDir(), "w.duckdb")
	environ := append(c.environ, "SINK=duckdb", "DUCKDB_PATH="+path)
	db, err := duckdb.Open(t.Context(), duckdb.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	got := examine(t, environ)
	got.want(t, "schema", want{skipped, "has it open, most likely a worker that runs", ""})
	if got.status != 0 {
		t.Errorf("held: %d failures:\n%s", got.status, got.text)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	examine(t, environ).want(t, "schema", want{fine, "as defined", ""})
	examine(t, append(environ, "PROMOTED_FIELDS=lead_score")).want(t, "schema",
		want{warned, "add column lead_score", "leadsync schema apply --duckdb-path " + path + ", or start the worker, which does it"})
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	examine(t, environ).want(t, "schema", want{failed, "not a DuckDB database", "set DUCKDB_PATH to another"})
	examine(t, append(environ, "DUCKDB_PATH="+filepath.Join(t.TempDir(), "none", "w"))).want(t, "embedded warehouse",
		want{failed, "there is no folder", "mkdir -p"})
}

// A policy that cannot be read is a failure a line, and secrets that everybody
// on the machine may read are told; no secret is.
func TestDoctorFieldPolicy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	policy, key := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "k1")
	environ := append(os.Environ(), "DUCKDB_PATH="+filepath.Join(dir, "w.duckdb"), "FIELD_POLICY_FILE="+policy)
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	examine(t, environ).want(t, "field policy", want{failed, "policy.yaml: no such file", "policy check"})
	write(policy, "keys:\n  - id: k1\n    file: k1\nfields:\n  mobile: hash\n", 0o644)
	examine(t, environ).want(t, "field policy", want{failed, fmt.Sprintf("%s:3: keys[0].file", policy), "policy check"})
	write(key, "hunter2hunter2hunter2", 0o600)
	got := examine(t, environ)
	got.want(t, "field policy", want{fine, "is valid, with 1 key", ""})
	if n := got.count(warned); n != 0 {
		t.Errorf("%d warnings:\n%s", n, got.text)
	}
	write(key, "hunter2hunter2hunter2", 0o644)
	write(policy, "keys:\n  - id: k1\n    file: k1\nfields:\n  mobile: hash\n", 0o666)
	got = examine(t, environ)
	got.want(t, "field policy", want{warned, key + " can be read by everybody", "chmod o-rwx " + key})
	got.want(t, "field policy", want{warned, policy + " can be changed by everybody", "chmod o-w " + policy})
	if strings.Contains(got.text, "hunter2") {
		t.Errorf("a secret is in the output:\n%s", got.text)
	}
}
