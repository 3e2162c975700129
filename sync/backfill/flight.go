package backfill

import (
	"sync/atomic"

	"leadsync/sync/pipeline"
	"leadsync/sync/records"
)

// A flight is a block on its way: its records as messages, until all of them
// are settled. It is used again then.
type flight struct {
	source *source
	piece  *piece
	size   int64 // what it takes of the budget

	block *records.Block // nil: the messages are there already
	after int64          // records that end here or before are done

	before, through *counted // records of the unit up to the block, and with it
	counts          int64    // offset where counting began

	records  []records.Record
	places   []place
	messages []pipeline.Message
	handed   []*pipeline.Message
	left     atomic.Int64 // messages that are not settled, and 1 while they are handed over
}

// A place is where a message's record stands: the message's receipt.
type place struct {
	flight *flight
	number int64
	offset int64
}

// counted is how many records there are up to some place of a unit.
type counted struct {
	known chan struct{} // closed when n is
	n     int64
}

func newCounted() *counted { return &counted{known: make(chan struct{})} }

// none is the count where counting begins.
var none = func() *counted {
	c := newCounted()
	close(c.known)
	return c
}()

// Settle implements [pipeline.Settler].
func (f *flight) Settle(msgs []*pipeline.Message) {
	var n [len(pipeline.Outcomes)]int64
	for _, m := range msgs {
		n[m.Outcome]++
		if m.Outcome == pipeline.Dead && f.source.plan.cfg.Dead != nil {
			f.source.plan.cfg.Dead(deadRecord(m))
		}
	}
	f.source.settled(f.piece, &n)
	f.leave(len(msgs))
}

// leave counts down the messages that are not settled.
func (f *flight) leave(n int) {
	if f.left.Add(-int64(n)) == 0 {
		f.source.landed(f)
	}
}

func deadRecord(m *pipeline.Message) DeadRecord {
	at := m.Receipt.(*place)
	return DeadRecord{
		Location: at.flight.piece.file.Location, Offset: at.offset,
		Number: at.number, From: at.flight.counts, Rejection: m.Rejection,
	}
}

// reset empties the flight for its next use.
func (f *flight) reset() {
	clear(f.records)
	clear(f.places)
	clear(f.messages)
	f.piece, f.block, f.after, f.before, f.through = nil, nil, 0, nil, nil
	f.records, f.places, f.messages = f.records[:0], f.places[:0], f.messages[:0]
}
