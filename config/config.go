// Package config reads leadsync's settings: from flags, then the environment,
// then defaults. Everything is checked at once, so that one start names every
// problem, and what is in force can be shown with where it came from.
//
// It imports none of leadsync's packages and none of them imports it: the
// program hands each package the few values it needs.
package config

import (
	"math"
	"slices"
	"time"
)

// The sinks that SINK may name.
const (
	BigQuery = "bigquery"
	DuckDB   = "duckdb"
)

// Config is the settings in force. It is valid as [Load] returns it, and must
// not be changed after.
type Config struct {
	// Sink is the warehouse rows go to: [BigQuery] or [DuckDB]. The default
	// is DuckDB; on Cloud Run it is BigQuery, and DuckDB is refused.
	Sink string `env:"SINK"`

	// Project is the Google Cloud project. Empty: the clients take it from
	// the credentials they find.
	Project string `env:"GOOGLE_CLOUD_PROJECT"`

	// Subscription is what run pulls from: a short id or
	// projects/P/subscriptions/S.
	Subscription string `env:"PUBSUB_SUBSCRIPTION"`

	// Topic is what the webhook publishes to: a short id or
	// projects/P/topics/T.
	Topic string `env:"PUBSUB_TOPIC"`

	// DeadLetterTopic is where dead letters are published besides their table:
	// a short id or projects/P/topics/T. Empty: nowhere.
	DeadLetterTopic string `env:"DEAD_LETTER_TOPIC"`

	// PubSubEmulator is host:port of an emulator. The Pub/Sub client reads
	// the variable by itself; it stands here to be checked and shown.
	PubSubEmulator string `env:"PUBSUB_EMULATOR_HOST"`

	// Dataset is the BigQuery dataset of all tables and views, and Location
	// where it is made when it does not exist; empty: BigQuery's default.
	Dataset  string `env:"BIGQUERY_DATASET, default=jing_leads"`
	Location string `env:"BIGQUERY_LOCATION"`

	// Endpoint (a URL) and StorageEndpoint (host:port) name another server
	// than Google's; Insecure speaks to it without TLS and credentials.
	Endpoint        string `env:"BIGQUERY_ENDPOINT"`
	StorageEndpoint string `env:"BIGQUERY_STORAGE_ENDPOINT"`
	Insecure        bool   `env:"BIGQUERY_INSECURE, default=false"`

	// RequirePartitionFilter makes BigQuery refuse statements on the tables
	// that do not limit the days they read. The all-time views then need a
	// date too.
	RequirePartitionFilter bool `env:"BIGQUERY_REQUIRE_PARTITION_FILTER, default=false"`

	// DuckDBPath is the file of the embedded warehouse.
	DuckDBPath string `env:"DUCKDB_PATH, default=leadsync.duckdb"`

	// SourceTimezone names the zone in which the source's times without an
	// offset are read, and Zone is it.
	SourceTimezone string `env:"SOURCE_TIMEZONE, default=Asia/Shanghai"`
	Zone           *time.Location

	// PromotedFields are the keys of the source that have columns of their
	// own besides those defined: KEY or extra_data.KEY, or envelope.KEY. They
	// are judged where columns are made of them.
	PromotedFields []string `env:"PROMOTED_FIELDS"`

	// PolicyFile is the file that says which fields' values are hidden, and
	// how. Empty: none are. What is in it is judged where it is read.
	PolicyFile string `env:"FIELD_POLICY_FILE"`

	// A batch ends at the first of BatchRows events, BatchBytes of encoded
	// rows and BatchDelay since its first event. 500 events of 1.5 KB are
	// about three quarters of a megabyte, where an append's cost per row has
	// levelled off; a quarter of a second is little against the minute in
	// which an event should be queryable, and keeps a quiet stream at four
	// appends a second and table.
	BatchRows  int           `env:"BATCH_MAX_ROWS, default=500"`
	BatchBytes Size          `env:"BATCH_MAX_BYTES, default=1MiB"`
	BatchDelay time.Duration `env:"BATCH_MAX_DELAY, default=250ms"`

	// DuplicateWindow is how many of the latest events are remembered for up
	// to ten minutes, so that one that comes again is not written again: as
	// many as some minutes of a busy source bring, in 2 MB. 0: none are.
	DuplicateWindow int `env:"DUPLICATE_WINDOW, default=100000"`

	// MaxMessages and MaxBytes bound the messages pulled and not yet
	// acknowledged. Acknowledgements leave every 100 ms, and a message also
	// costs a goroutine: 10,000 allow some 50,000 events a second where
	// writes are quick, in about 40 MB. The default of MaxBytes is a quarter of the memory limit
	// and at most 64 MiB; see [outstandingBytes].
	MaxMessages int  `env:"MAX_OUTSTANDING_MESSAGES, default=10000"`
	MaxBytes    Size `env:"MAX_OUTSTANDING_BYTES"`

	// ShutdownTimeout bounds the drain after SIGTERM. Cloud Run kills after
	// 10 s.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT, default=9s"`

	// WatchdogTimeout is how long nothing may move while messages wait: then
	// streams are recycled, and in the end the process calls itself not alive.
	// It must be longer than the slowest good write.
	WatchdogTimeout time.Duration `env:"WATCHDOG_TIMEOUT, default=2m"`

	// BackfillStaging is where backfills put what BigQuery loads:
	// gs://BUCKET/PREFIX. Empty: they have no such place, and stream.
	BackfillStaging string `env:"BACKFILL_STAGING"`

	// TaskIndex and TaskCount are a backfill's share: the first task of one is
	// 0 of 1. Cloud Run sets them in a job.
	TaskIndex int `env:"CLOUD_RUN_TASK_INDEX, default=0"`
	TaskCount int `env:"CLOUD_RUN_TASK_COUNT, default=1"`

	// Port is where health and metrics are served; 0 takes any free one.
	Port int `env:"PORT, default=8080"`

	// LogLevel is debug, info, warn or error, and LogFormat auto, json or
	// text. auto is text where a person reads along, else json.
	LogLevel  string `env:"LOG_LEVEL, default=info"`
	LogFormat string `env:"LOG_FORMAT, default=auto"`

	// CPUProfile is a file that run writes a CPU profile to. Empty: none.
	CPUProfile string `env:"CPU_PROFILE_FILE"`

	// CloudRun says that the process runs on Cloud Run, and Service is its
	// name there; elsewhere it is "leadsync".
	CloudRun bool
	Service  string

	settings []Setting
	warnings []string
}

// Input is where settings come from.
type Input struct {
	// Flags holds what was given on the command line, by the name of the
	// variable it overrides. "" counts as not given.
	Flags map[string]string

	// Environ is the environment, as [os.Environ] returns it. A variable set
	// to "" counts as unset.
	Environ []string

	// MemoryLimit is the process's memory limit in bytes, as
	// debug.SetMemoryLimit(-1) returns it; 0 is none. The default of
	// MAX_OUTSTANDING_BYTES follows it.
	MemoryLimit int64

	// Required names variables that the command at hand cannot do without.
	Required []string
}

// A Setting is one variable in force, for people.
type Setting struct {
	Name   string // the variable
	Value  string // as text; a secret reads "(set)"; "" is unset
	Origin Origin // where the value came from
}

// Origin says where a setting's value came from.
type Origin string

// The origins, in order of precedence.
const (
	FromFlag        Origin = "flag"
	FromEnvironment Origin = "environment"
	FromDefault     Origin = "default"
)

// Load reads and checks all settings. The error names every variable that is
// wrong and what is wrong with it, each on a line of its own.
func Load(in Input) (*Config, error) {
	src := newSource(in)
	c := &Config{Service: "leadsync"}
	if name := src.cloudRun(); name != "" {
		c.CloudRun, c.Service = true, name
	}
	problems := decode(c, src)
	c.setDefaults(src, in.MemoryLimit)
	problems = append(problems, c.check(problems)...)
	for _, name := range in.Required {
		if _, ok := src.Lookup(name); !ok {
			problems = append(problems, problem{name, "is required here and not set"})
		}
	}
	if len(problems) > 0 {
		return nil, joined(problems)
	}
	c.settings = list(c, src)
	c.warnings = src.unknown()
	return c, nil
}

// Settings returns what is in force, in a stable order. Secrets are redacted.
func (c *Config) Settings() []Setting { return slices.Clone(c.settings) }

// Warnings names what is set and does nothing: variables that look like
// settings of leadsync and are none, most often misspelt. nil is none.
func (c *Config) Warnings() []string { return slices.Clone(c.warnings) }

// setDefaults fills the defaults that depend on other things.
func (c *Config) setDefaults(src *source, memoryLimit int64) {
	if src.origin("SINK") == FromDefault {
		c.Sink = DuckDB
		if c.CloudRun {
			c.Sink = BigQuery
		}
	}
	if src.origin("MAX_OUTSTANDING_BYTES") == FromDefault {
		c.MaxBytes = outstandingBytes(memoryLimit)
	}
}

// outstandingBytes returns the default of MAX_OUTSTANDING_BYTES for a memory
// limit, 0 for none.
//
// Every outstanding byte is in memory about 1.8 times, as received and as
// encoded rows, and the collector lets the heap grow to twice what is live:
// 3.6 times in all, hence a quarter of the limit. 64 MiB are 40,000 events of
// 1.5 KB, so that for usual events the limit on messages binds first, and large
// ones stay below a quarter of a gigabyte. It never falls below what two default batches need.
func outstandingBytes(memoryLimit int64) Size {
	const most, least = 64 * mebi, 8 * mebi
	if memoryLimit <= 0 || memoryLimit == math.MaxInt64 {
		return most
	}
	return min(most, max(least, Size(memoryLimit/4)))
}
