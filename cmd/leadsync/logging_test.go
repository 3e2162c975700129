package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Cloud Logging reads severity, message and time only under these names, and
// Error Reporting counts an error only with its type, service and place. A
// group or attribute set before must not move them.
func TestCloudLogging(t *testing.T) {
	var out bytes.Buffer
	logger := newLogger(&out, logOptions{level: "debug", json: true, service: "leads"})
	logger.Debug("d")
	logger.Info("i", "rows", 3)
	logger.Warn("w", "severity_of", "x")
	logger.With("table", "events_log").WithGroup("g").Error("e", "error", errors.New("cause"), "level", "inner")

	var severities []string
	var last map[string]any
	for line := range strings.Lines(out.String()) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		severities = append(severities, last["severity"].(string))
		if _, err := time.Parse(time.RFC3339Nano, last["time"].(string)); err != nil {
			t.Errorf("time of %s: %v", line, err)
		}
		_, typed := last["@type"]
		if isError := last["severity"] == "ERROR"; typed != isError {
			t.Errorf("@type in %s: %v", line, typed)
		}
	}
	if diff := cmp.Diff([]string{"DEBUG", "INFO", "WARNING", "ERROR"}, severities); diff != "" {
		t.Errorf("severities (-want +got):\n%s", diff)
	}

	place, ok := last["logging.googleapis.com/sourceLocation"].(map[string]any)
	if !ok || !strings.HasSuffix(place["file"].(string), "logging_test.go") || place["line"] == "0" ||
		!strings.HasSuffix(place["function"].(string), "TestCloudLogging") {
		t.Errorf("source location is %v", place)
	}
	reported, ok := last["context"].(map[string]any)["reportLocation"].(map[string]any)
	if !ok || reported["filePath"] != place["file"] || reported["lineNumber"].(float64) == 0 {
		t.Errorf("report location is %v", reported)
	}
	for _, key := range []string{"time", "logging.googleapis.com/sourceLocation", "context"} {
		delete(last, key)
	}
	want := map[string]any{
		"severity": "ERROR", "message": "e", "table": "events_log",
		"@type":          "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent",
		"serviceContext": map[string]any{"service": "leads", "version": thisBuild().version},
		"g":              map[string]any{"error": "cause", "level": "inner"},
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("error entry (-want +got):\n%s", diff)
	}
}

// The level is a setting, and text is for reading: no date, no JSON.
func TestTextLogging(t *testing.T) {
	var out bytes.Buffer
	logger := newLogger(&out, logOptions{level: "warn"})
	logger.Info("quiet")
	logger.Warn("loud", slog.Int("rows", 3))
	if got := out.String(); !strings.HasSuffix(got, " level=WARN msg=loud rows=3\n") || strings.Count(got, "\n") != 1 ||
		len(got) > len("time=15:04:05.000 level=WARN msg=loud rows=3\n") {
		t.Errorf("log is %q", got)
	}
}
