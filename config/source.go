package config

import (
	"fmt"
	"slices"
	"strings"
)

// source looks settings up: flags first, then the environment. It is the
// lookuper that the library is given; to it a variable set to "" counts as
// set, here it is unset, because that is how deployment tools clear one.
type source struct {
	flags, env map[string]string
}

func newSource(in Input) *source {
	env := make(map[string]string, len(in.Environ))
	for _, kv := range in.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	return &source{flags: in.Flags, env: env}
}

// Lookup returns the value of a variable without the space around it.
func (s *source) Lookup(name string) (string, bool) {
	for _, m := range []map[string]string{s.flags, s.env} {
		if v := strings.TrimSpace(m[name]); v != "" {
			return v, true
		}
	}
	return "", false
}

func (s *source) origin(name string) Origin {
	switch {
	case strings.TrimSpace(s.flags[name]) != "":
		return FromFlag
	case strings.TrimSpace(s.env[name]) != "":
		return FromEnvironment
	default:
		return FromDefault
	}
}

// cloudRun returns the name under which the process runs on Cloud Run, "" if
// it does not.
func (s *source) cloudRun() string {
	for _, name := range []string{"K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_WORKER_POOL"} {
		if v, ok := s.Lookup(name); ok {
			return v
		}
	}
	return ""
}

// OnCloudRun reports whether the environment is that of Cloud Run: of a
// service, a job or a worker pool.
func OnCloudRun(environ []string) bool { return newSource(Input{Environ: environ}).cloudRun() != "" }

// prefixes begin the names of our settings only. Other programs have
// variables that begin with PUBSUB_, LOG_ and the like.
var prefixes = []string{"BATCH_MAX_", "BIGQUERY_", "DUCKDB_", "MAX_OUTSTANDING_", "OPENPLATFORM_", "FIELD_POLICY_", "PROMOTED_", "DEAD_LETTER_", "DUPLICATE_", "BACKFILL_"}

// policyKeys begin the names of variables that a field policy may name.
const policyKeys = "FIELD_POLICY_KEY"

// unknown names the variables that look like settings and are none.
func (s *source) unknown() []string {
	known := map[string]bool{}
	for name := range variables(&Config{}) {
		known[name] = true
	}
	var list []string
	for name := range s.env {
		ours := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) &&
			!strings.HasPrefix(name, policyKeys)
		if _, set := s.Lookup(name); ours && set && !known[name] {
			list = append(list, fmt.Sprintf("%s is set and is no setting of this version", name))
		}
	}
	slices.Sort(list)
	return list
}
