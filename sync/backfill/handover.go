package backfill

import (
	"context"
	"slices"

	"leadsync/sync/exports"
	"leadsync/sync/pipeline"
)

// handOver makes messages of a flight and hands them over.
func (s *source) handOver(ctx context.Context, f *flight, submit pipeline.Submit) {
	s.open(f)
	n := len(f.messages)
	f.left.Store(int64(n) + 1)
	handed := 0
	if f.number(ctx) {
		handed = s.submit(ctx, f, submit)
	}
	if handed < n {
		f.piece.broken.Store(true)
	}
	f.leave(n - handed + 1)
}

// submit returns how many messages were handed over, or else settled by it.
func (s *source) submit(ctx context.Context, f *flight, submit pipeline.Submit) int {
	n, step := len(f.handed), max(1, len(f.handed))
	if s.limit != nil {
		step = s.limit.Burst()
	}
	for from := 0; from < n; from += step {
		to := min(from+step, n)
		if s.limit != nil && s.limit.WaitN(ctx, to-from) != nil {
			return from
		}
		if submit(ctx, f.handed[from:to], f) != nil {
			return to // they are settled all the same
		}
	}
	return n
}

// open makes the messages of a flight's block.
func (s *source) open(f *flight) {
	if f.block != nil {
		f.records, _ = f.block.Records(f.records) // fails only if it was released
		first := 0
		for first < len(f.records) && f.records[first].Offset+f.records[first].Size <= f.after {
			first++
		}
		f.records = slices.Delete(f.records, 0, first)
		for i := range f.records {
			r := &f.records[i]
			f.add(exports.Unwrap(r.Data), r.Offset)
		}
	}
	f.handed = f.handed[:0]
	for i := range f.messages {
		m := &f.messages[i]
		m.Receipt = &f.places[i]
		f.handed = append(f.handed, m)
	}
}

// add appends the message of an event.
func (f *flight) add(e exports.Event, offset int64) {
	f.messages = append(f.messages, pipeline.Message{
		ID: e.MessageID, Data: e.Data, Attributes: e.Attributes, PublishedAt: e.PublishedAt, EventID: e.EventID,
	})
	f.places = append(f.places, place{flight: f, offset: offset})
}

// number counts the records on from those before. Blocks come in the order of
// their unit, and each is counted before it is handed over, so that the wait is
// for one that another splitter has at hand. It reports whether it was counted
// before ctx ended.
func (f *flight) number(ctx context.Context) bool {
	select {
	case <-f.before.known:
	case <-ctx.Done():
		return false
	}
	for i := range f.places {
		f.places[i].number = f.before.n + int64(i) + 1
	}
	f.through.n = f.before.n + int64(len(f.places))
	close(f.through.known)
	return true
}
