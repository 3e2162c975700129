package config

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The defaults that operators rely on; a change of one must be meant.
func TestDefaults(t *testing.T) {
	got, err := Load(Input{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Sink: "duckdb", Dataset: "jing_leads", DuckDBPath: "leadsync.duckdb", SourceTimezone: "Asia/Shanghai",
		BatchRows: 500, BatchBytes: 1 << 20, BatchDelay: 250 * time.Millisecond, DuplicateWindow: 100000,
		MaxMessages: 10000, MaxBytes: 64 << 20, ShutdownTimeout: 9 * time.Second, WatchdogTimeout: 2 * time.Minute, TaskCount: 1, Port: 8080,
		LogLevel: "info", LogFormat: "auto", Service: "leadsync",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Zone"), cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if got.Zone.String() != "Asia/Shanghai" {
		t.Errorf("zone is %v", got.Zone)
	}
}

// Every variable must reach its field. Catches a tag that is misspelt or two
// fields on one variable.
func TestEveryVariable(t *testing.T) {
	got, err := Load(Input{Environ: []string{
		"SINK=bigquery", "GOOGLE_CLOUD_PROJECT=acme-prod", "PUBSUB_SUBSCRIPTION=projects/acme/subscriptions/leads",
		"PUBSUB_TOPIC=leads", "PUBSUB_EMULATOR_HOST=localhost:8085", "BIGQUERY_DATASET=d", "BIGQUERY_LOCATION=EU",
		"BIGQUERY_ENDPOINT=http://localhost:1", "BIGQUERY_STORAGE_ENDPOINT=localhost:2", "BIGQUERY_INSECURE=true",
		"BIGQUERY_REQUIRE_PARTITION_FILTER=true", "DUCKDB_PATH=/data/x.duckdb", "SOURCE_TIMEZONE=UTC",
		"BATCH_MAX_ROWS=7", "BATCH_MAX_BYTES=2MB", "BATCH_MAX_DELAY=1s", "DUPLICATE_WINDOW=0", "DEAD_LETTER_TOPIC=projects/p/topics/dead", "MAX_OUTSTANDING_MESSAGES=14",
		"MAX_OUTSTANDING_BYTES=16MiB", "SHUTDOWN_TIMEOUT=3s", "WATCHDOG_TIMEOUT=5s", "PORT=0", "LOG_LEVEL=debug", "LOG_FORMAT=json",
		"CPU_PROFILE_FILE=cpu.pprof", "FIELD_POLICY_FILE=policy.yaml", "PROMOTED_FIELDS=lead_score, envelope.openplatform",
		"BACKFILL_STAGING=gs://acme-staging/leadsync", "CLOUD_RUN_TASK_INDEX=2", "CLOUD_RUN_TASK_COUNT=3",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Sink: "bigquery", Project: "acme-prod", Subscription: "projects/acme/subscriptions/leads",
		Topic: "leads", PubSubEmulator: "localhost:8085", Dataset: "d", Location: "EU",
		Endpoint: "http://localhost:1", StorageEndpoint: "localhost:2", Insecure: true,
		RequirePartitionFilter: true, DuckDBPath: "/data/x.duckdb", SourceTimezone: "UTC", Zone: time.UTC,
		BatchRows: 7, BatchBytes: 2e6, BatchDelay: time.Second, DeadLetterTopic: "projects/p/topics/dead", MaxMessages: 14,
		MaxBytes: 16 << 20, ShutdownTimeout: 3 * time.Second, WatchdogTimeout: 5 * time.Second, LogLevel: "debug", LogFormat: "json",
		CPUProfile: "cpu.pprof", PolicyFile: "policy.yaml", PromotedFields: []string{"lead_score", "envelope.openplatform"}, Service: "leadsync",
		BackfillStaging: "gs://acme-staging/leadsync", TaskIndex: 2, TaskCount: 3,
	}
	sameZone := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	if diff := cmp.Diff(want, got, sameZone, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	for _, s := range got.Settings() {
		if s.Origin != FromEnvironment {
			t.Errorf("%s is said to come from the %s; is it in this test's environment?", s.Name, s.Origin)
		}
	}
}

// A flag wins over the environment and that over the default; "" is unset in
// both, as deployment tools clear a variable. The dump tells.
func TestPrecedence(t *testing.T) {
	got, err := Load(Input{
		Flags:   map[string]string{"BIGQUERY_DATASET": "flag", "PORT": "", "DUCKDB_PATH": " "},
		Environ: []string{"BIGQUERY_DATASET=environment", "PORT=9", "DUCKDB_PATH=", "BATCH_MAX_ROWS= 5 ", "MAX_OUTSTANDING_BYTES=", "SINK=\t"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Setting{
		"BIGQUERY_DATASET":      {"BIGQUERY_DATASET", "flag", FromFlag},
		"PORT":                  {"PORT", "9", FromEnvironment},
		"DUCKDB_PATH":           {"DUCKDB_PATH", "leadsync.duckdb", FromDefault},
		"BATCH_MAX_ROWS":        {"BATCH_MAX_ROWS", "5", FromEnvironment},
		"MAX_OUTSTANDING_BYTES": {"MAX_OUTSTANDING_BYTES", "64MiB", FromDefault},
		"SINK":                  {"SINK", "duckdb", FromDefault},
		"SHUTDOWN_TIMEOUT":      {"SHUTDOWN_TIMEOUT", "9s", FromDefault},
	}
	for _, s := range got.Settings() {
		if w, ok := want[s.Name]; ok && s != w {
			t.Errorf("%s is %q from %s, want %q from %s", s.Name, s.Value, s.Origin, w.Value, w.Origin)
		}
	}
}

// Cloud Run's disk is memory that ends with the instance, and it kills 10 s
// after SIGTERM: neither may be left to chance there.
func TestCloudRun(t *testing.T) {
	for _, name := range []string{"K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_WORKER_POOL"} {
		got, err := Load(Input{Environ: []string{name + "=leads"}})
		if err != nil {
			t.Fatal(err)
		}
		if got.Sink != "bigquery" || !got.CloudRun || got.Service != "leads" {
			t.Errorf("%s: sink %s, on cloud run %v, service %s", name, got.Sink, got.CloudRun, got.Service)
		}
		_, err = Load(Input{Environ: []string{name + "=leads", "SINK=duckdb", "SHUTDOWN_TIMEOUT=10s"}})
		if err == nil || !strings.Contains(err.Error(), "SINK: duckdb is refused on Cloud Run") ||
			!strings.Contains(err.Error(), "SHUTDOWN_TIMEOUT: 10s is not below 10s") {
			t.Errorf("%s with SINK=duckdb and SHUTDOWN_TIMEOUT=10s: error %v", name, err)
		}
	}
}

// Each case is one wrong setting; the message must name the variable and what
// would be right. A case that passes Load starts a worker that fails later, or
// loses data.
func TestRefused(t *testing.T) {
	tests := []struct{ env, want string }{
		{"SINK=postgres", `SINK: "postgres" is not one of bigquery, duckdb`},
		{"GOOGLE_CLOUD_PROJECT=Acme Prod", `GOOGLE_CLOUD_PROJECT: "Acme Prod" is not the id of a project`},
		{"PUBSUB_SUBSCRIPTION=projects/p/topics/t", `PUBSUB_SUBSCRIPTION: "projects/p/topics/t" is neither a short id nor projects/PROJECT/subscriptions/ID`},
		{"PUBSUB_SUBSCRIPTION=1abc", `PUBSUB_SUBSCRIPTION: "1abc" is not an id`},
		{"PUBSUB_TOPIC=google-leads", `PUBSUB_TOPIC: "google-leads" is not an id`},
		{"PUBSUB_TOPIC=projects/p/topics/x", `PUBSUB_TOPIC: "x" is not an id`},
		{"DEAD_LETTER_TOPIC=projects/p/subscriptions/dead", `DEAD_LETTER_TOPIC: "projects/p/subscriptions/dead" is neither a short id nor projects/PROJECT/topics/ID`},
		{"DUPLICATE_WINDOW=-1", `DUPLICATE_WINDOW: -1 is not between 0 and 10000000`},
		{"PUBSUB_EMULATOR_HOST=http://localhost", `PUBSUB_EMULATOR_HOST: "http://localhost" is not host:port`},
		{"BIGQUERY_DATASET=p.d", `BIGQUERY_DATASET: "p.d" is not the name of a dataset`},
		{"BIGQUERY_LOCATION=E U", `BIGQUERY_LOCATION: "E U" is not a location`},
		{"BIGQUERY_ENDPOINT=localhost:9050", `BIGQUERY_ENDPOINT: is not a URL`},
		{"BIGQUERY_STORAGE_ENDPOINT=localhost", `BIGQUERY_STORAGE_ENDPOINT: "localhost" is not host:port`},
		{"BIGQUERY_INSECURE=true", `BIGQUERY_INSECURE: needs BIGQUERY_ENDPOINT and BIGQUERY_STORAGE_ENDPOINT`},
		{"BIGQUERY_INSECURE=maybe", `BIGQUERY_INSECURE: "maybe" is not true or false`},
		{"DUCKDB_PATH=:memory:", `DUCKDB_PATH: ":memory:" would vanish with the process`},
		{"SOURCE_TIMEZONE=Mars/Base", `SOURCE_TIMEZONE: "Mars/Base" is not the name of a time zone`},
		{"SOURCE_TIMEZONE=Local", `SOURCE_TIMEZONE: "Local" is not the name of a time zone`},
		{"BATCH_MAX_ROWS=0", `BATCH_MAX_ROWS: 0 is not between 1 and 5000`},
		{"BATCH_MAX_ROWS=many", `BATCH_MAX_ROWS: "many" is not a whole number`},
		{"BATCH_MAX_BYTES=16MiB", `BATCH_MAX_BYTES: 16MiB is not between 1KiB and 8MiB`},
		{"BATCH_MAX_BYTES=1 parsec", `BATCH_MAX_BYTES: "1 parsec" is not a size such as`},
		{"BATCH_MAX_BYTES=9999999999GiB", `BATCH_MAX_BYTES: "9999999999GiB" is not a size such as`},
		{"BATCH_MAX_BYTES=-1", `BATCH_MAX_BYTES: "-1" is not a size such as`},
		{"BATCH_MAX_DELAY=5", `BATCH_MAX_DELAY: "5" is not a duration such as`},
		{"BATCH_MAX_DELAY=2m", `BATCH_MAX_DELAY: 2m0s is not between 1ms and 1m0s`},
		{"MAX_OUTSTANDING_MESSAGES=999", `MAX_OUTSTANDING_MESSAGES: 999 cannot hold two batches: needs 1000`},
		{"MAX_OUTSTANDING_BYTES=2097151", `MAX_OUTSTANDING_BYTES: 2097151 cannot hold two batches: needs 2MiB`},
		{"MAX_OUTSTANDING_BYTES=0", `MAX_OUTSTANDING_BYTES: 0 cannot hold two batches`},
		{"WATCHDOG_TIMEOUT=500ms", `WATCHDOG_TIMEOUT: 500ms is not between 1s and 1h0m0s`},
		{"WATCHDOG_TIMEOUT=2h", `WATCHDOG_TIMEOUT: 2h0m0s is not between 1s and 1h0m0s`},
		{"BACKFILL_STAGING=acme-staging", `BACKFILL_STAGING: "acme-staging" is not a place in a bucket such as gs://acme-staging/leadsync`},
		{"BACKFILL_STAGING=gs://acme-staging/a*", `BACKFILL_STAGING: "gs://acme-staging/a*" is not a place in a bucket`},
		{"CLOUD_RUN_TASK_COUNT=0", `CLOUD_RUN_TASK_COUNT: 0 is not between 1 and 10000`},
		{"CLOUD_RUN_TASK_INDEX=1", `CLOUD_RUN_TASK_INDEX: 1 is no task of 1: want 0 to 0`},
		{"SHUTDOWN_TIMEOUT=0s", `SHUTDOWN_TIMEOUT: 0s is not between`},
		{"PORT=65536", `PORT: 65536 is not between 0 and 65535`},
		{"PORT=-1", `PORT: -1 is not between`},
		{"LOG_LEVEL=loud", `LOG_LEVEL: "loud" is not one of debug, info, warn, error`},
		{"LOG_FORMAT=xml", `LOG_FORMAT: "xml" is not one of auto, json, text`},
	}
	for _, tt := range tests {
		_, err := Load(Input{Environ: []string{tt.env}})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v, want only %s…", tt.env, err, tt.want)
		}
	}
}

// A watchdog must not take a batch that waits to be filled for stuck.
func TestWatchdogOutlastsBatches(t *testing.T) {
	for timeout, want := range map[string]string{"19s": "WATCHDOG_TIMEOUT: 19s is less than twice BATCH_MAX_DELAY, 10s", "20s": ""} {
		_, err := Load(Input{Environ: []string{"WATCHDOG_TIMEOUT=" + timeout, "BATCH_MAX_DELAY=10s"}})
		if (err != nil) != (want != "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", timeout, err, want)
		}
	}
}

// All problems come at once, in the order of the settings, so that a
// deployment is not mended one restart at a time.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Load(Input{
		Environ:  []string{"PORT=x", "SINK=y", "BATCH_MAX_ROWS=0", "LOG_LEVEL=z"},
		Required: []string{"PUBSUB_SUBSCRIPTION", "SINK"},
	})
	want := `SINK: "y" is not one of bigquery, duckdb
PUBSUB_SUBSCRIPTION: is required here and not set
BATCH_MAX_ROWS: 0 is not between 1 and 5000
PORT: "x" is not a whole number
LOG_LEVEL: "z" is not one of debug, info, warn, error`
	if err == nil || err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
}

// The bound on memory follows the container's limit and stays sensible without
// one: a worker of 128 MiB must not hold 64 MiB of messages.
func TestOutstandingBytes(t *testing.T) {
	tests := []struct {
		limit int64
		want  Size
	}{
		{0, 64 << 20}, {math.MaxInt64, 64 << 20}, {4 << 30, 64 << 20},
		{200 << 20, 50 << 20}, {128 << 20, 32 << 20}, {16 << 20, 8 << 20},
	}
	for _, tt := range tests {
		if got := outstandingBytes(tt.limit); got != tt.want {
			t.Errorf("memory limit %d: %v, want %v", tt.limit, got, tt.want)
		}
	}
}

// Warnings name misspelt settings, and nothing that belongs to others.
func TestWarnings(t *testing.T) {
	got, err := Load(Input{Environ: []string{
		"BATCH_MAX_ROW=5", "DUCKDB_PATH=x", "BIGQUERY_PROJECT=", "FIELD_POLICY_FILES=policy.yaml", "FIELD_POLICY_KEY_K1=x",
		"PUBSUB_PROJECT_ID=p", "LOG_COLOR=1", "BATCH_ID=7", "PATH=/bin", "malformed",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"BATCH_MAX_ROW is set and is no setting of this version",
		"FIELD_POLICY_FILES is set and is no setting of this version",
	}
	if diff := cmp.Diff(want, got.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A secret must appear neither in the dump nor in an error; nor a URL's password.
func TestSecrets(t *testing.T) {
	type target struct {
		Token string `env:"TOKEN" secret:"true"`
		Count int    `env:"COUNT" secret:"true"`
		URL   string `env:"URL"`
		Unset string `env:"UNSET" secret:"true"`
	}
	src := newSource(Input{Environ: []string{"TOKEN=hunter2", "COUNT=hunter3", "URL=https://me:hunter4@example.test/x"}})
	var v target
	problems := decode(&v, src)
	if want := []problem{{"COUNT", "is not a whole number"}}; !cmp.Equal(want, problems, cmp.AllowUnexported(problem{})) {
		t.Errorf("problems are %v, want %v", problems, want)
	}
	want := []Setting{
		{"TOKEN", "(set)", FromEnvironment},
		{"COUNT", "(set)", FromEnvironment},
		{"URL", "https://me:xxxxx@example.test/x", FromEnvironment},
		{"UNSET", "", FromDefault},
	}
	if diff := cmp.Diff(want, list(&v, src)); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}

	_, err := Load(Input{Environ: []string{"BIGQUERY_ENDPOINT=ftp://me:hunter5@example.test"}})
	if err == nil || strings.Contains(err.Error(), "hunter5") {
		t.Errorf("error is %v", err)
	}
}

// Sizes are read as people write them, and what is shown reads back the same.
func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "17B": 17, "1kb": 1000, "1KiB": 1024, "1 MiB": 1 << 20, "8mib": 8 << 20, "2MB": 2e6, "1GiB": 1 << 30, "1gb": 1e9,
	} {
		var got, again Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q is shown as %q, which reads as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"MiB", "1.5MiB", "1TB", "0x10", "1 2", "9223372036854775808", "8589934592GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %d", text, s)
		}
	}
}
