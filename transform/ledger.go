package transform

import "time"

// A Batch is a row of the ledger: what became of the messages of one batch
// made durable.
type Batch struct {
	ID            string
	WorkerID      string
	WorkerVersion string
	Source        string // "pubsub", "push" or "backfill"

	// Counts of messages: Received is the sum of the others.
	Received, Written, Duplicates, Dead, Filtered int

	// MinOccurredAt and MaxOccurredAt are zero in a batch without events.
	MinOccurredAt, MaxOccurredAt time.Time
	StartedAt, CommittedAt       time.Time
}

// AppendBatch appends a row to sync_batches.
func (r *Rows) AppendBatch(b Batch) {
	w := r.begin(SyncBatches)
	w.str(b.ID)
	w.str(b.WorkerID)
	w.str(b.WorkerVersion)
	w.str(b.Source)
	w.int(int64(b.Received))
	w.int(int64(b.Written))
	w.int(int64(b.Duplicates))
	w.int(int64(b.Dead))
	w.int(int64(b.Filtered))
	w.time(b.MinOccurredAt)
	w.time(b.MaxOccurredAt)
	w.time(b.StartedAt)
	w.time(b.CommittedAt)
	w.end()
}
