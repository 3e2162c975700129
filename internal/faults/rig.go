package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"leadsync/sinks/bigquery/bqtest"
	"leadsync/sync/pull/pulltest"
	"leadsync/transform"
)

// Settings are what faults are played against.
type Settings struct {
	Binary  string   // the program: its commands run and schema apply are used
	Environ []string // the user's settings as the program reads them
	Sink    string   // "bigquery" or "duckdb"

	// Transform is how the program makes rows of events under these settings.
	Transform transform.Options

	// BatchDelay is how long an event may wait for its batch to fill, and
	// Shutdown how long the worker may take to end.
	BatchDelay, Shutdown time.Duration

	// Template is a file of the embedded warehouse with nothing in it, see
	// [Prepare]. "": workers make their files themselves.
	Template string

	// Outstanding is how many usual messages the worker may hold at once: a
	// small number makes it slow, so that less is published. 0 is many.
	Outstanding int
}

// A Rig is everything that a fault is played with: a Pub/Sub subscription, a
// warehouse, and the worker between them. Its methods are for one goroutine,
// unless they say otherwise.
type Rig struct {
	PubSub   *pulltest.Server
	BigQuery *bqtest.Server // nil with the embedded warehouse
	Database string         // path of the embedded warehouse's file; "" with BigQuery
	Dir      string         // a folder of the rig's own
	Worker   *Worker        // the one started last; nil before the first

	settings Settings
	environ  []string
	ctx      context.Context
	sent     *sent

	mark, settled time.Time // when the fault, or its end, was; when all was settled after it

	mu       sync.Mutex
	failures []string
}

const (
	project      = "selftest"
	subscription = "selftest"
)

// newRig starts the servers and, with BigQuery, creates the tables as the user
// would. No worker runs yet. ctx bounds all that is done with the rig.
func newRig(ctx context.Context, s Settings, f *Fault) (*Rig, error) {
	r := &Rig{settings: s, ctx: ctx, sent: newSent(s.Transform)}
	if err := r.open(f); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *Rig) open(f *Fault) (err error) {
	if r.Dir, err = tempDir(); err != nil {
		return err
	}
	if r.PubSub, err = pulltest.Start("projects/" + project + "/subscriptions/" + subscription); err != nil {
		return err
	}
	overlay := append(own(r.settings.Sink), "PUBSUB_EMULATOR_HOST="+r.PubSub.Addr())
	if r.settings.Sink == "duckdb" {
		r.Database = filepath.Join(r.Dir, "warehouse.duckdb")
		overlay = append(overlay, "DUCKDB_PATH="+r.Database)
		if r.settings.Template != "" && !f.Empty {
			if err := copyFile(r.Database, r.settings.Template); err != nil {
				return err
			}
		}
	} else {
		if r.BigQuery, err = bqtest.Start(); err != nil {
			return err
		}
		overlay = append(overlay, "BIGQUERY_ENDPOINT="+r.BigQuery.RESTURL(),
			"BIGQUERY_STORAGE_ENDPOINT="+r.BigQuery.StorageAddr(), "BIGQUERY_INSECURE=true")
	}
	r.environ = append(append(append([]string(nil), r.settings.Environ...), overlay...), f.Environ...)
	if r.BigQuery != nil {
		return r.Apply()
	}
	return nil
}

// close ends everything that the rig has started.
func (r *Rig) close() error {
	var errs []error
	r.sent.stop()
	if r.Worker != nil {
		errs = append(errs, r.Worker.Kill())
		r.Worker.client.CloseIdleConnections()
	}
	if r.PubSub != nil {
		r.PubSub.Close()
	}
	if r.BigQuery != nil {
		r.BigQuery.Close()
	}
	if r.Dir != "" {
		errs = append(errs, os.RemoveAll(r.Dir))
	}
	return errors.Join(errs...)
}

// Context ends when the time for the fault is over.
func (r *Rig) Context() context.Context { return r.ctx }

// Command returns a command of the program under the rig's settings, which
// further ones may replace.
func (r *Rig) Command(args []string, environ ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, r.settings.Binary, args...) //nolint:gosec // that is what the settings are for
	cmd.Env = append(append([]string(nil), r.environ...), environ...)
	return cmd
}

// Apply runs "leadsync schema apply".
func (r *Rig) Apply() error {
	if out, err := r.Command([]string{"schema", "apply"}).CombinedOutput(); err != nil {
		return fmt.Errorf("leadsync schema apply: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Launch starts a worker, which becomes the rig's, and does not wait until it
// works. Settings given here replace others. The one before must have ended.
func (r *Rig) Launch(environ ...string) error {
	// The process does not end with the time: then it is stopped as ever.
	cmd := exec.Command(r.settings.Binary, "run") //nolint:gosec,noctx // close ends it
	cmd.Env = r.Command(nil, environ...).Env
	w, err := launch(cmd)
	if err != nil {
		return err
	}
	r.Worker = w
	return nil
}

// Start starts a worker, which becomes the rig's, and returns when it says
// that it works.
func (r *Rig) Start(environ ...string) error {
	if err := r.Launch(environ...); err != nil {
		return err
	}
	return r.Worker.await(r.ctx)
}

// Stop ends the worker as a platform does.
func (r *Rig) Stop() error { return r.Worker.Stop(r.settings.Shutdown + 5*time.Second) }

// Broken marks the moment in which the fault was injected, and Healed that in
// which its cause was gone. The time to recover counts from the last of them
// to when every message was acknowledged.
func (r *Rig) Broken() { r.mark = time.Now() }

// Healed marks the moment in which the cause of the fault was gone.
func (r *Rig) Healed() { r.mark = time.Now() }

// Settle waits until every message that was published is acknowledged.
func (r *Rig) Settle() error {
	if err := r.PubSub.Wait(r.ctx); err != nil {
		return err
	}
	r.settled = time.Now()
	return nil
}

// recovered waits until every message is acknowledged, and expects that none
// was given back and that the worker is ready again.
func (r *Rig) recovered() error {
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.ExpectGreen(recovery)
	return nil
}

// untouched is recovered, and expects that no message was delivered twice.
func (r *Rig) untouched() error {
	if err := r.recovered(); err != nil {
		return err
	}
	r.expectFirstDelivery()
	return nil
}

// mended is untouched, from now on: the cause of the fault is gone.
func (r *Rig) mended() error {
	r.Healed()
	return r.untouched()
}

// Expect notes a failure unless ok. It may be called concurrently.
func (r *Rig) Expect(ok bool, format string, args ...any) {
	if ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// Within reports whether something comes to hold within the time, which it
// looks for again and again.
func (r *Rig) Within(d time.Duration, ok func() bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-timer.C:
			return ok()
		case <-r.ctx.Done():
			return false
		}
	}
}

// Sleep waits, at most until the time for the fault is over.
func (r *Rig) Sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

// ExpectRed expects readiness to fail within the time with a cause that holds
// all the words, and the process to count as alive all the same.
func (r *Rig) ExpectRed(within time.Duration, words ...string) {
	within += r.settings.BatchDelay // before that nothing has been tried
	var status int
	var body string
	red := r.Within(within, func() bool {
		status, body = r.Worker.Get(r.ctx, "/readyz")
		return status == 503 && holds(body, words)
	})
	r.Expect(red, "/readyz did not fail within %v with a cause that names %s: %d %s", within, strings.Join(words, ", "), status, strings.TrimSpace(body))
	status, body = r.Worker.Get(r.ctx, "/healthz")
	r.Expect(status == 200, "/healthz fails: %d %s", status, strings.TrimSpace(body))
}

// ExpectGreen expects readiness within the time.
func (r *Rig) ExpectGreen(within time.Duration) {
	var status int
	var body string
	green := r.Within(within, func() bool {
		status, body = r.Worker.Get(r.ctx, "/readyz")
		return status == 200
	})
	r.Expect(green, "/readyz is not green after %v: %d %s", within, status, strings.TrimSpace(body))
}

func holds(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// ExpectNoNack expects that no message was given back, so that no delivery
// attempt was burnt.
func (r *Rig) ExpectNoNack() {
	n := r.PubSub.Stats().Nacks
	r.Expect(n == 0, "%d messages were given back", n)
}
