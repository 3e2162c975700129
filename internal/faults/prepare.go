package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Prepare makes what faults can share and enters it into the settings: a file
// of the embedded warehouse with its tables, which takes longer to make than
// most faults to play. The caller must call done after the last fault was
// played with them.
func Prepare(ctx context.Context, list []Settings) (done func() error, err error) {
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	done = func() error { return os.RemoveAll(dir) }
	ctx, cancel := context.WithTimeout(ctx, defaultLimit)
	defer cancel()
	for i := range list {
		s := &list[i]
		if s.Sink != "duckdb" {
			continue
		}
		s.Template = filepath.Join(dir, fmt.Sprintf("%d.duckdb", i))
		r := &Rig{settings: *s, ctx: ctx, environ: slices.Concat(s.Environ, own(s.Sink), []string{"DUCKDB_PATH=" + s.Template})}
		if err := r.Apply(); err != nil {
			return nil, errors.Join(err, done())
		}
	}
	return done, nil
}

// own are the settings that are the rig's and not the user's: what leads out
// of this machine, belongs to one place or to the user's own worker.
func own(sink string) []string {
	return []string{
		"PUBSUB_SUBSCRIPTION=" + subscription, "GOOGLE_CLOUD_PROJECT=" + project, "SINK=" + sink,
		"PORT=0", "LOG_FORMAT=json", "LOG_LEVEL=info",
		"K_SERVICE=", "CLOUD_RUN_JOB=", "CLOUD_RUN_WORKER_POOL=", "CPU_PROFILE_FILE=", "DEAD_LETTER_TOPIC=",
		"BIGQUERY_ENDPOINT=", "BIGQUERY_STORAGE_ENDPOINT=", "BIGQUERY_INSECURE=",
	}
}

func tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "leadsync-selftest-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the self-test: %w", err)
	}
	return dir, nil
}

func copyFile(to, from string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy the warehouse's file: %w", err)
	}
	defer func() { _ = src.Close() }() // it was only read
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy the warehouse's file: %w", err)
	}
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Close()); err != nil {
		return fmt.Errorf("copy the warehouse's file: %w", err)
	}
	return nil
}
