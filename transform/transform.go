package transform

import (
	"encoding/hex"
	"fmt"
	"time"
)

// MaxRow is the size above which an encoded row is not written, in bytes: a
// request of BigQuery's Storage Write API holds at least one whole row.
const MaxRow = 8 << 20

// Options are the settings of a [Transformer].
type Options struct {
	// Location is the zone of times that come without an offset. nil is
	// Asia/Shanghai, the source's own.
	Location *time.Location

	// Policy is applied to every event before a row is made of it. nil keeps
	// all values.
	Policy *Policy

	// Erased are the entities of whose events no row is made. It may be
	// changed at any time. nil: there are none.
	Erased *Erased

	// Oldest is the instant since which events are accepted. The zero value is
	// 10 years before they are ingested, which is as far back as BigQuery's
	// streams take them; a later instant than that changes nothing.
	Oldest time.Time
}

// A Delivery tells how a copy of an event reached us.
type Delivery struct {
	MessageID   string    // Pub/Sub's id; "" where there is none
	PublishedAt time.Time // zero where unknown
	IngestedAt  time.Time // now: also what an event's time is measured against
	Source      string    // "pubsub", "push", "backfill" or "replay"

	// EventID is the identity of an event that was made anew by [Rebuild], so
	// that its payload is not the one that the identity was made from. Zero
	// where the payload is the event's own.
	EventID [16]byte
}

// An Event is what the pipeline needs to know of an event that became rows.
type Event struct {
	ID         [16]byte // of its event_id
	OccurredAt time.Time

	// Type is the row's event_type. It is valid until the next event.
	Type []byte

	// Tenant is the row's tenant_id. It is valid until the next event.
	Tenant []byte

	// Erased says that the event is about an entity that was erased, so that
	// no row was appended.
	Erased bool
}

// A Transformer turns events into rows. It keeps its working memory between
// events and is for one goroutine.
type Transformer struct {
	location *time.Location
	redactor *redactor // nil where no value is hidden
	erased   *Erased

	reader reader
	src    []byte
	nodes  []node
	values [numValues]int  // node of each column's value; 0 is absent
	spare  [numParts][]int // nodes of the keys that no column holds

	unknown unknownFields

	canonical canonicalizer
	identity  [16]byte
	id        [2 * 16]byte // identity in hex
	sequence  []byte
	occurred  int64 // seconds
	changes   []change
	order     sorter
	labels    []member
	fields    []member
	buf       []byte
	unquoted  []byte // of the strings with escapes

	now         int64 // second for which the bounds were computed
	first, last int64 // the bounds of event times, in seconds
	oldest      time.Time
}

// New returns a Transformer.
func New(o Options) *Transformer {
	if o.Location == nil {
		loc, err := time.LoadLocation("Asia/Shanghai")
		if err != nil {
			loc = time.FixedZone("CST", 8*60*60) // no zone database here; there is no other offset since 1991
		}
		o.Location = loc
	}
	return &Transformer{location: o.Location, redactor: newRedactor(o.Policy), erased: o.Erased, oldest: o.Oldest, unknown: newUnknownFields()}
}

// Transform decodes one event and appends its rows to dst: one of events_log,
// then those of transitions_log. The same payload gives the same rows apart
// from the delivery's columns and the publish time within the sequence. An
// event about an erased entity gives none, and [Event.Erased] says so.
//
// The error is always a [*Rejection]; nothing was appended then.
func (t *Transformer) Transform(dst *Rows, payload []byte, d Delivery) (Event, error) {
	defer t.release(len(payload))
	return t.transform(dst, payload, d)
}

// transform is [Transformer.Transform]; what it has found of the event stays
// in t.
func (t *Transformer) transform(dst *Rows, payload []byte, d Delivery) (Event, error) {
	if r := t.decode(payload, d.IngestedAt); r != nil {
		return Event{}, r
	}

	if d.EventID != ([16]byte{}) {
		t.identity = d.EventID
	}
	event := Event{
		ID: t.identity, OccurredAt: time.Unix(t.occurred, 0).UTC(),
		Type: t.string(colEventType), Tenant: t.string(colTenantID), Erased: t.aboutErased(),
	}
	if event.Erased {
		return event, nil
	}
	if t.redactor != nil && t.redactor.full {
		return Event{}, &Rejection{
			Reason: RowTooLarge, Stage: StageTransform,
			Cause: fmt.Sprintf("encoded row above %d MiB", MaxRow>>20), Detail: "(with its hashes)",
		}
	}
	t.countUnknown()
	hex.Encode(t.id[:], event.ID[:])
	t.sequence = appendSequence(t.sequence[:0], t.occurred, rank(t.string(colEventType)), d.PublishedAt, t.id[:16])

	mark := dst.Mark()
	hasEntity := t.string(colEntityID) != nil
	t.collectChanges(hasEntity)
	size := t.appendEvent(dst, d)
	if hasEntity {
		size = max(size, t.appendTransitions(dst, d))
	}
	if size > MaxRow {
		dst.Cut(mark)
		return Event{}, &Rejection{
			Reason: RowTooLarge, Stage: StageTransform,
			Cause: fmt.Sprintf("encoded row above %d MiB", MaxRow>>20), Detail: fmt.Sprintf("(%d bytes)", size),
		}
	}
	return event, nil
}

// keep is how much working memory is kept for the next event, in nodes. An
// ordinary event has about a hundred; one of 10 MiB may have millions.
const keep = 1 << 14

// release forgets the memory that an extraordinary event took. That of an
// ordinary one, and its bytes, are kept until the next.
func (t *Transformer) release(size int) {
	if size > 64*keep || cap(t.nodes) > keep || cap(t.buf) > 64*keep || cap(t.unquoted) > 64*keep || t.redactor.size() > 64*keep {
		*t = Transformer{location: t.location, redactor: t.redactor.renewed(), erased: t.erased, oldest: t.oldest, unknown: t.unknown}
	}
}
