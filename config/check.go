package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of settings. A batch is one append request, which BigQuery's client
// should keep to about 8 MiB; its service takes about 5,000 rows well.
const (
	maxBatchRows  = 5000
	minBatchBytes = 1 * kibi
	maxBatchBytes = 8 * mebi
	maxBatchDelay = time.Minute
	maxDuplicates = 10_000_000 // some 300 MB
	maxShutdown   = 10 * time.Minute
	cloudRunGrace = 10 * time.Second
	minWatchdog   = time.Second
	maxWatchdog   = time.Hour
	maxTasks      = 10_000 // what Cloud Run takes
)

var (
	projectPattern  = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]*$`)
	resourcePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$`)
	datasetPattern  = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	locationPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
	stagingPattern  = regexp.MustCompile(`^gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^?#*\[\]\s\pC]*)?$`)
)

// checker collects what is wrong. A variable that could not be read at all is
// not judged again.
type checker struct {
	unread   []problem
	problems []problem
}

func (k *checker) ok(name string, ok bool, format string, args ...any) {
	if ok || slices.ContainsFunc(k.unread, func(p problem) bool { return p.name == name }) {
		return
	}
	k.problems = append(k.problems, problem{name, fmt.Sprintf(format, args...)})
}

func (k *checker) oneOf(name, value string, allowed ...string) {
	k.ok(name, slices.Contains(allowed, value), "%q is not one of %s", value, strings.Join(allowed, ", "))
}

// optional checks a value's form if there is one.
func (k *checker) optional(name, value string, pattern *regexp.Regexp, want string) {
	k.ok(name, value == "" || pattern.MatchString(value), "%q is not %s", value, want)
}

// check returns what is wrong with the settings, in the order of their fields.
func (c *Config) check(unread []problem) []problem {
	k := &checker{unread: unread}
	k.oneOf("SINK", c.Sink, BigQuery, DuckDB)
	k.ok("SINK", c.Sink != DuckDB || !c.CloudRun,
		"duckdb is refused on Cloud Run: its file would vanish with the instance; use bigquery")
	c.checkGoogle(k)
	k.ok("DUCKDB_PATH", c.Sink != DuckDB || c.DuckDBPath != ":memory:",
		"%q would vanish with the process; name a file", c.DuckDBPath)
	zone, err := time.LoadLocation(c.SourceTimezone)
	k.ok("SOURCE_TIMEZONE", err == nil && c.SourceTimezone != "Local",
		"%q is not the name of a time zone such as Asia/Shanghai", c.SourceTimezone)
	c.Zone = zone
	c.checkLimits(k)
	k.oneOf("LOG_LEVEL", c.LogLevel, "debug", "info", "warn", "error")
	k.oneOf("LOG_FORMAT", c.LogFormat, "auto", "json", "text")
	return k.problems
}

func (c *Config) checkGoogle(k *checker) {
	k.optional("GOOGLE_CLOUD_PROJECT", c.Project, projectPattern, "the id of a project")
	c.checkResource(k, "PUBSUB_SUBSCRIPTION", c.Subscription, "subscriptions")
	c.checkResource(k, "PUBSUB_TOPIC", c.Topic, "topics")
	c.checkResource(k, "DEAD_LETTER_TOPIC", c.DeadLetterTopic, "topics")
	k.ok("PUBSUB_EMULATOR_HOST", c.PubSubEmulator == "" || isHostPort(c.PubSubEmulator),
		"%q is not host:port", c.PubSubEmulator)
	k.optional("BIGQUERY_DATASET", c.Dataset, datasetPattern, "the name of a dataset: letters, digits and underscores, without its project")
	k.optional("BIGQUERY_LOCATION", c.Location, locationPattern, "a location such as EU or asia-east1")
	u, err := url.Parse(c.Endpoint)
	k.ok("BIGQUERY_ENDPOINT", c.Endpoint == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "",
		"is not a URL such as https://host:port") // not quoted: it may hold a password
	k.ok("BIGQUERY_STORAGE_ENDPOINT", c.StorageEndpoint == "" || isHostPort(c.StorageEndpoint),
		"%q is not host:port", c.StorageEndpoint)
	k.ok("BIGQUERY_INSECURE", !c.Insecure || c.Endpoint != "" && c.StorageEndpoint != "",
		"needs BIGQUERY_ENDPOINT and BIGQUERY_STORAGE_ENDPOINT: Google's own servers are never spoken to without TLS")
}

// checkResource checks the name of a subscription or topic.
func (c *Config) checkResource(k *checker, name, value, collection string) {
	if value == "" {
		return
	}
	id := value
	if strings.Contains(value, "/") {
		parts := strings.Split(value, "/")
		full := len(parts) == 4 && parts[0] == "projects" && parts[2] == collection && projectPattern.MatchString(parts[1])
		if !full {
			k.ok(name, false, "%q is neither a short id nor projects/PROJECT/%s/ID", value, collection)
			return
		}
		id = parts[3]
	}
	k.ok(name, resourcePattern.MatchString(id) && !strings.HasPrefix(id, "goog"),
		"%q is not an id: 3 to 255 letters, digits and -._~+%%, the first a letter, not goog at the start", id)
}

func (c *Config) checkLimits(k *checker) {
	k.ok("BATCH_MAX_ROWS", c.BatchRows >= 1 && c.BatchRows <= maxBatchRows,
		"%d is not between 1 and %d", c.BatchRows, maxBatchRows)
	k.ok("BATCH_MAX_BYTES", c.BatchBytes >= minBatchBytes && c.BatchBytes <= maxBatchBytes,
		"%v is not between %v and %v", c.BatchBytes, minBatchBytes, maxBatchBytes)
	k.ok("BATCH_MAX_DELAY", c.BatchDelay >= time.Millisecond && c.BatchDelay <= maxBatchDelay,
		"%v is not between 1ms and %v", c.BatchDelay, maxBatchDelay)
	k.ok("DUPLICATE_WINDOW", c.DuplicateWindow >= 0 && c.DuplicateWindow <= maxDuplicates,
		"%d is not between 0 and %d", c.DuplicateWindow, maxDuplicates)
	k.ok("MAX_OUTSTANDING_MESSAGES", c.MaxMessages >= 2*c.BatchRows,
		"%d cannot hold two batches: needs %d, or a smaller BATCH_MAX_ROWS", c.MaxMessages, 2*c.BatchRows)
	k.ok("MAX_OUTSTANDING_BYTES", c.MaxBytes >= 2*c.BatchBytes,
		"%v cannot hold two batches: needs %v, or a smaller BATCH_MAX_BYTES", c.MaxBytes, 2*c.BatchBytes)
	k.ok("SHUTDOWN_TIMEOUT", c.ShutdownTimeout > 0 && c.ShutdownTimeout <= maxShutdown,
		"%v is not between 0s and %v", c.ShutdownTimeout, maxShutdown)
	k.ok("SHUTDOWN_TIMEOUT", !c.CloudRun || c.ShutdownTimeout < cloudRunGrace,
		"%v is not below %v, when Cloud Run kills", c.ShutdownTimeout, cloudRunGrace)
	k.ok("WATCHDOG_TIMEOUT", c.WatchdogTimeout >= minWatchdog && c.WatchdogTimeout <= maxWatchdog,
		"%v is not between %v and %v", c.WatchdogTimeout, minWatchdog, maxWatchdog)
	k.ok("WATCHDOG_TIMEOUT", c.WatchdogTimeout < minWatchdog || c.WatchdogTimeout >= 2*min(c.BatchDelay, maxBatchDelay),
		"%v is less than twice BATCH_MAX_DELAY, %v: a batch that waits to be filled would pass for stuck", c.WatchdogTimeout, c.BatchDelay)
	k.optional("BACKFILL_STAGING", c.BackfillStaging, stagingPattern, "a place in a bucket such as gs://acme-staging/leadsync")
	k.ok("CLOUD_RUN_TASK_COUNT", c.TaskCount >= 1 && c.TaskCount <= maxTasks, "%d is not between 1 and %d", c.TaskCount, maxTasks)
	k.ok("CLOUD_RUN_TASK_INDEX", c.TaskIndex >= 0 && c.TaskIndex < max(1, c.TaskCount),
		"%d is no task of %d: want 0 to %d", c.TaskIndex, c.TaskCount, max(1, c.TaskCount)-1)
	k.ok("PORT", c.Port >= 0 && c.Port <= 65535, "%d is not between 0 and 65535", c.Port)
}

func isHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
