package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"leadsync/sinks/duckdb"
	"leadsync/sync/pull/pulltest"
)

// A worker that is started while the one before it still has the embedded
// warehouse must wait for it and say for whom, and take over. Catches one that
// gives up, and one that pulls what it cannot write.
func TestRunWaitsForItsFile(t *testing.T) {
	if !duckdb.Available {
		t.Skip("this build has no embedded warehouse")
	}
	t.Parallel()
	k := newKilled(t, "SINK=duckdb", "DUCKDB_PATH="+filepath.Join(t.TempDir(), "w.duckdb"))
	first := k.cloud.start(t)
	second := k.cloud.launch(t)
	holder := fmt.Sprint("PID ", first.cmd.Process.Pid)
	eventually(t, "the second says for whom it waits", func() bool {
		return strings.Contains(second.text(), "the worker waits") && strings.Contains(second.text(), holder)
	})
	k.pubsub.Publish(pulltest.Message{Data: []byte(`{"mid":"1","event_type":"x","create_time":"now"}`)})
	if err := k.pubsub.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := k.pubsub.Stats(); stats.Deliveries != 1 || stats.Streams != 1 {
		t.Errorf("two workers pulled: %+v", stats)
	}
	first.stop(t)
	second.await(t)
	second.stop(t)
}
