package transform

import "time"

// A Batch is a row of the ledger: what became of the messages of one batch
// made durable.
type Batch struct {
	ID            string
	WorkerID      string
	WorkerVersion string
	Source        string // "pubsub", "push", "backfill" or "replay"

	// Counts of messages: Received is the sum of the others.
	Received, Written, Duplicates, Dead, Filtered int

	// MinOccurredAt and MaxOccurredAt are zero in a batch without events.
	MinOccurredAt, MaxOccurredAt time.Time
	StartedAt, CommittedAt       time.Time

	// Tallies are the counts by day and type; each pair once.
	Tallies []Tally
}

// A Tally counts a batch's messages about events of one day and type.
type Tally struct {
	Day       time.Time // start of the events' day in UTC; zero where unknown
	EventType string    // "" where unknown

	Written, Duplicates, Dead, Filtered int
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
	w.tallies(b.Tallies)
	w.end()
}

// tallies writes a column of [Tally]s, each a message like a row.
func (w *rowWriter) tallies(list []Tally) {
	cols := w.cols[w.next].Columns
	num := w.field(Record)
	var record []byte
	for _, t := range list {
		r := rowWriter{id: w.id, cols: cols, buf: record[:0]}
		r.time(t.Day)
		r.str(t.EventType)
		r.int(int64(t.Written))
		r.int(int64(t.Duplicates))
		r.int(int64(t.Dead))
		r.int(int64(t.Filtered))
		record = r.buf
		w.buf = appendBytesField(w.buf, num, record)
	}
}
