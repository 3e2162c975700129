package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/transform/fieldpolicy"
)

// settings reads the settings and says what is wrong with each. d.cfg stays
// nil unless they are fit to be used.
func (d *doctor) settings() []finding {
	cfg, err := d.process.config()
	if err != nil {
		return wrongSettings(err)
	}
	d.cfg = cfg
	found := []finding{isFine("settings", "%s; leadsync config shows all", warehouseInForce(cfg))}
	for _, w := range cfg.Warnings() {
		name, _, _ := strings.Cut(w, " ")
		found = append(found, finding{"settings", warned, w, "unset " + name + ", or correct its name: leadsync config lists all there are"})
	}
	return found
}

// settingName begins what is said of a setting.
var settingName = regexp.MustCompile(`^([A-Z][A-Z0-9_]+): `)

// wrongSettings makes a failure of each setting that the error names.
func wrongSettings(err error) []finding {
	var found []finding
	for line := range strings.Lines(strings.TrimPrefix(err.Error(), "read settings:\n")) {
		line = strings.TrimSpace(line)
		m := settingName.FindStringSubmatch(line)
		if m == nil && len(found) > 0 {
			found[len(found)-1].Found += "; " + line // of a problem with several lines
			continue
		}
		mend := "correct it where it is set"
		if m != nil {
			mend = "correct " + m[1] + " where it is set, or unset it for its default"
		}
		found = append(found, finding{"settings", failed, line, mend})
	}
	return found
}

// warehouseInForce names where rows go.
func warehouseInForce(cfg *config.Config) string {
	where := "DUCKDB_PATH=" + cfg.DuckDBPath
	if cfg.Sink == config.BigQuery {
		where = "BIGQUERY_DATASET=" + cfg.Dataset
	}
	return "SINK=" + cfg.Sink + ", " + where
}

// Limits of memory, as [config.Config] and tuneCollector reckon: every
// outstanding byte is in memory about 1.8 times, as received and as rows, half
// as much again is room for the collector, and the program itself takes some
// 48 MiB.
const (
	ownMemory     = 48 << 20
	liveTenths    = 18
	comfortTenths = 27
)

// limits judges the settings that bound memory and time. memory is the
// process's limit in bytes, math.MaxInt64 for none.
func limits(cfg *config.Config, memory int64) []finding {
	return []finding{
		isFine("batches", "MAX_OUTSTANDING_MESSAGES=%d and MAX_OUTSTANDING_BYTES=%v hold two batches of %d events and %v",
			cfg.MaxMessages, cfg.MaxBytes, cfg.BatchRows, cfg.BatchBytes),
		memoryLimit(int64(cfg.MaxBytes), memory),
		shutdown(cfg.ShutdownTimeout),
	}
}

func memoryLimit(outstanding, memory int64) finding {
	const check = "memory"
	live, comfort := ownMemory+outstanding*liveTenths/10, ownMemory+outstanding*comfortTenths/10
	mend := func(factor int64) string {
		return fmt.Sprintf("MAX_OUTSTANDING_BYTES=%v (or unset it: the default follows the limit), or a memory limit of %d MiB",
			config.Size(max(2<<20, (memory-ownMemory)*10/factor>>20<<20)), comfort>>20+1)
	}
	switch {
	case memory <= 0 || memory == math.MaxInt64:
		return isFine(check, "no limit is set; up to about %d MiB are used", comfort>>20)
	case live > memory:
		return finding{check, failed, fmt.Sprintf("full queues need %d MiB, and the limit is %d MiB: the worker would be killed", live>>20, memory>>20), mend(comfortTenths)}
	case comfort > memory:
		return finding{check, warned, fmt.Sprintf("full queues leave little of the limit of %d MiB: collecting garbage would take the time", memory>>20), mend(comfortTenths)}
	}
	return isFine(check, "up to about %d MiB of the limit of %d MiB are used", comfort>>20, memory>>20)
}

// Cloud Run and docker stop kill 10 s after SIGTERM; and what an append takes
// on a bad day should fit in a drain.
const (
	usualGrace    = 10 * time.Second
	shortestDrain = 3 * time.Second
)

func shutdown(timeout time.Duration) finding {
	const check = "shutdown"
	switch {
	case timeout >= usualGrace:
		return finding{check, warned, fmt.Sprintf("SHUTDOWN_TIMEOUT=%v is not below the 10s after which Cloud Run and docker stop kill: "+
			"what is under way then comes again", timeout), "SHUTDOWN_TIMEOUT=9s, or raise the platform's grace (docker stop --time, terminationGracePeriodSeconds) above it"}
	case timeout < shortestDrain:
		return finding{check, warned, fmt.Sprintf("SHUTDOWN_TIMEOUT=%v may be less than a last append takes: "+
			"messages given back burn a delivery attempt", timeout), "SHUTDOWN_TIMEOUT=9s"}
	}
	return isFine(check, "SHUTDOWN_TIMEOUT=%v", timeout)
}

// zone says how naive times are read, and whether the machine knows the zone
// too: this program brings its own data.
func zone(cfg *config.Config) finding {
	data := "built in"
	for _, dir := range []string{"/usr/share/zoneinfo/", "/usr/lib/zoneinfo/", "/etc/zoneinfo/"} {
		if _, err := os.Stat(dir + cfg.SourceTimezone); err == nil {
			data = "the machine's"
			break
		}
	}
	return isFine("time zone", "times without an offset are read as %s, now UTC%s; zone data: %s",
		cfg.SourceTimezone, time.Now().In(cfg.Zone).Format("-07:00"), data)
}

// fieldPolicy reads the policy in force and looks at who may read its secrets.
func (d *doctor) fieldPolicy(context.Context) []finding {
	const check = "field policy"
	if d.cfg.PolicyFile == "" {
		return []finding{isFine(check, "FIELD_POLICY_FILE is not set: every field is stored as it comes")}
	}
	policy, err := d.process.fieldPolicy(d.cfg)
	if err != nil {
		var found []finding
		for line := range strings.Lines(strings.TrimPrefix(err.Error(), "read field policy:\n")) {
			found = append(found, finding{check, failed, strings.TrimSpace(line), "mend the file, then leadsync policy check"})
		}
		return found
	}
	found := []finding{isFine(check, "%s is valid, with %s", d.cfg.PolicyFile, plural(len(policy.Keys()), "key"))}
	keys, err := fieldpolicy.KeyFiles(d.cfg.PolicyFile)
	if err != nil {
		return append(found, finding{check, failed, err.Error(), "mend the file, then leadsync policy check"})
	}
	found = append(found, openFiles(check, fs.FileMode(0o002), "changed", "o-w", d.cfg.PolicyFile)...)
	return append(found, openFiles(check, fs.FileMode(0o006), "read", "o-rwx", keys...)...)
}

// openFiles finds the files whose mode lets everybody in.
func openFiles(check string, bits fs.FileMode, done, chmod string, paths ...string) []finding {
	var found []finding
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // between two looks at it
		case err != nil:
			found = append(found, finding{check, failed, err.Error(), "let the worker's user read it"})
		case info.Mode()&bits != 0:
			found = append(found, finding{check, warned, fmt.Sprintf("%s can be %s by everybody on this machine", path, done), "chmod " + chmod + " " + path})
		}
	}
	return found
}
