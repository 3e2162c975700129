package bigquery

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"leadsync/sinks"
)

// health knows whether a table's writes go through. It is safe for concurrent
// use.
type health struct {
	table    string
	patience time.Duration
	log      *slog.Logger

	mu    sync.Mutex
	held  int       // writes that have met a failure and go on
	since time.Time // of the failure that nothing has succeeded after; zero when there is none
	class sinks.Class
	cause error
	told  bool // the log has heard of it
}

// hold counts a write that has met a failure and will try again.
func (h *health) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held++
}

// leave takes back what hold counted. With the last such write nothing is
// being held back any more, whatever became of it.
func (h *health) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held--; h.held == 0 {
		if h.told {
			h.log.Info("no write is held back any more", "table", h.table, "held_for", h.age().String())
		}
		h.clear()
	}
}

// failed notes a failure that began at since.
func (h *health) failed(class sinks.Class, cause error, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since.IsZero() {
		h.since = since
	}
	h.class, h.cause = class, cause
	h.tell()
}

// tell logs a failure once it is worth telling.
func (h *health) tell() {
	if h.told || !h.lasting() {
		return
	}
	h.told = true
	h.log.Warn("writes are held back", "table", h.table, "class", string(h.class),
		"error", h.cause.Error(), "remedy", remedy(h.cause, h.class))
}

// succeeded notes that rows were made durable.
func (h *health) succeeded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told {
		h.log.Info("writes go through again", "table", h.table, "held_for", h.age().String())
	}
	h.clear()
}

// age returns for how long the failure has lasted.
func (h *health) age() time.Duration { return time.Since(h.since).Round(time.Millisecond) }

func (h *health) clear() {
	h.since, h.class, h.cause, h.told = time.Time{}, "", nil, false
}

// lasting reports that the failure is worth telling: what only a person can
// mend at once, anything else when it has outlasted a few tries.
func (h *health) lasting() bool {
	return !h.since.IsZero() && (h.class == sinks.Setup || time.Since(h.since) >= h.patience)
}

// ready returns the cause for which writes are held back, nil if there is none.
func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.lasting() {
		return nil
	}
	h.tell() // what people are shown is found in the log, too
	return fmt.Errorf("table %s: writes are held back for %v (%s): %w; %s",
		h.table, h.age(), h.class, h.cause, remedy(h.cause, h.class))
}
