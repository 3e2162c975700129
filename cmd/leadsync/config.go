package main

import (
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"leadsync/config"
	"leadsync/transform"
)

// settingFlags are the settings that a person may type. The others are read
// from the environment alone.
type settingFlags struct {
	Sink         string `help:"Warehouse: bigquery or duckdb (SINK)." placeholder:"NAME" group:"settings"`
	Project      string `help:"Google Cloud project (GOOGLE_CLOUD_PROJECT)." placeholder:"ID" group:"settings"`
	Subscription string `help:"Pub/Sub subscription (PUBSUB_SUBSCRIPTION)." placeholder:"NAME" group:"settings"`
	Dataset      string `help:"BigQuery dataset (BIGQUERY_DATASET)." placeholder:"NAME" group:"settings"`
	Location     string `help:"Where the dataset is made (BIGQUERY_LOCATION)." placeholder:"PLACE" group:"settings"`
	DuckDBPath   string `name:"duckdb-path" help:"File of the embedded warehouse (DUCKDB_PATH)." placeholder:"FILE" group:"settings"`
	Timezone     string `help:"Zone of times without an offset (SOURCE_TIMEZONE)." placeholder:"ZONE" group:"settings"`
	FieldPolicy  string `help:"File that says which fields are hidden, and how (FIELD_POLICY_FILE)." placeholder:"FILE" group:"settings"`
	Port         string `help:"Port of health and metrics, 0 for any (PORT)." placeholder:"N" group:"settings"`
	LogLevel     string `help:"debug, info, warn or error (LOG_LEVEL)." placeholder:"LEVEL" group:"settings"`
	LogFormat    string `help:"json, text, or auto: text on a terminal, else json (LOG_FORMAT)." placeholder:"FORMAT" group:"settings"`
}

// byVariable returns what was given, by the variable that it overrides.
func (f *settingFlags) byVariable() map[string]string {
	return map[string]string{
		"SINK":                 f.Sink,
		"GOOGLE_CLOUD_PROJECT": f.Project,
		"PUBSUB_SUBSCRIPTION":  f.Subscription,
		"BIGQUERY_DATASET":     f.Dataset,
		"BIGQUERY_LOCATION":    f.Location,
		"DUCKDB_PATH":          f.DuckDBPath,
		"SOURCE_TIMEZONE":      f.Timezone,
		"FIELD_POLICY_FILE":    f.FieldPolicy,
		"PORT":                 f.Port,
		"LOG_LEVEL":            f.LogLevel,
		"LOG_FORMAT":           f.LogFormat,
	}
}

// config reads the settings. The variables in required must be set.
func (p *process) config(required ...string) (*config.Config, error) {
	cfg, err := config.Load(config.Input{
		Flags: p.flags, Environ: p.environ, MemoryLimit: debug.SetMemoryLimit(-1), Required: required,
	})
	if err != nil {
		return nil, fmt.Errorf("read settings:\n%w", err)
	}
	if err := p.promote(cfg.PromotedFields); err != nil {
		return nil, fmt.Errorf("read settings:\nPROMOTED_FIELDS: %w", err)
	}
	return cfg, nil
}

// promote gives the fields that the settings name their columns. What that
// changes is the tables' definition, so it happens once, before anything else.
func (p *process) promote(fields []string) error {
	if p.promoted {
		return nil
	}
	p.promoted = true
	return transform.Promote(fields...)
}

// logger returns the logger that the settings ask for. It names what is set
// and does nothing.
func (p *process) logger(cfg *config.Config) *slog.Logger { return p.loggerTo(p.stderr, cfg) }

// loggerTo returns the logger, writing to w what would go to standard error.
func (p *process) loggerTo(w io.Writer, cfg *config.Config) *slog.Logger {
	asJSON := cfg.LogFormat == "json" || cfg.LogFormat == "auto" && (cfg.CloudRun || !isTerminal(p.stderr))
	logger := newLogger(w, logOptions{level: cfg.LogLevel, json: asJSON, service: cfg.Service})
	for _, w := range cfg.Warnings() {
		logger.Warn("setting ignored", "cause", w)
	}
	return logger
}

// logsJSON reports whether a program rather than a person reads what the
// process writes to standard error. It does not need valid settings.
func (p *process) logsJSON() bool {
	return config.OnCloudRun(p.environ) || slices.Contains(p.environ, "LOG_FORMAT=json")
}

type configCommand struct{}

// Help describes the command.
func (*configCommand) Help() string {
	return `Prints every setting with its value and where that came from: a flag, the environment, or the default.
Secrets are redacted. Settings that are wrong are all named at once, with exit status 1.

PUBSUB_EMULATOR_HOST is the Pub/Sub client's own: host:port of an emulator. PUBSUB_TOPIC is checked and shown; no
command of this version publishes to it.

Example:

    SINK=bigquery leadsync config --dataset staging_leads`
}

// Run prints the settings in force.
func (*configCommand) Run(p *process) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintf(p.stderr, "leadsync: %s\n", w)
	}
	return printSettings(p.stdout, cfg.Settings())
}

func printSettings(w io.Writer, settings []config.Setting) error {
	var names, values int
	for _, s := range settings {
		names, values = max(names, len(s.Name)), max(values, printWidth(s.Value))
	}
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = "-"
		}
		fill := strings.Repeat(" ", max(0, values-printWidth(value)))
		if _, err := fmt.Fprintf(w, "%-*s  %s%s  %s\n", names, s.Name, value, fill, s.Origin); err != nil {
			return fmt.Errorf("print settings: %w", err)
		}
	}
	return nil
}
