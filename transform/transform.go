package transform

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
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
}

// A Delivery tells how a copy of an event reached us.
type Delivery struct {
	MessageID   string    // Pub/Sub's id; "" where there is none
	PublishedAt time.Time // zero where unknown
	IngestedAt  time.Time // now: also what an event's time is measured against
	Source      string    // "pubsub", "push" or "backfill"
}

// An Event is what the pipeline needs to know of an event that became rows.
type Event struct {
	ID         [16]byte // of its event_id
	OccurredAt time.Time
}

// A Transformer turns events into rows. It keeps its working memory between
// events and is for one goroutine.
type Transformer struct {
	location *time.Location

	reader reader
	src    []byte
	nodes  []node
	values [numEventColumns]int // node of each column's value; 0 is absent
	spare  [2][]int             // nodes of the keys that no column holds: of the envelope, of extra_data

	canonical canonicalizer
	identity  [16]byte
	id        [2 * 16]byte // identity in hex
	sequence  []byte
	occurred  int64 // seconds
	changes   []change
	labels    []member
	fields    []member
	buf       []byte

	now         int64 // second for which the bounds were computed
	first, last int64 // the bounds of event times, in seconds
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
	return &Transformer{location: o.Location}
}

// Transform decodes one event and appends its rows to dst: one of events_log,
// then those of transitions_log. The same payload gives the same rows apart
// from the delivery's columns and the publish time within the sequence.
//
// The error is always a [*Rejection]; nothing was appended then.
func (t *Transformer) Transform(dst *Rows, payload []byte, d Delivery) (Event, error) {
	defer t.release(len(payload))
	if r := t.decode(payload, d.IngestedAt); r != nil {
		return Event{}, r
	}

	event := Event{ID: t.identity, OccurredAt: time.Unix(t.occurred, 0).UTC()}
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
	if size > 64*keep || cap(t.nodes) > keep || cap(t.buf) > 64*keep {
		*t = Transformer{location: t.location}
	}
}

// decode reads the payload up to the point where it is known to be an event,
// and finds the node of each column's value.
func (t *Transformer) decode(payload []byte, now time.Time) *Rejection {
	if len(payload) > MaxPayload {
		return &Rejection{
			Reason: TooLarge, Stage: StageDecode,
			Cause: fmt.Sprintf("above %d MiB", MaxPayload>>20), Detail: fmt.Sprintf("(%d bytes)", len(payload)),
		}
	}
	if r := t.parse(payload); r != nil {
		return r
	}
	if t.nodes[0].kind != '{' {
		return &Rejection{Reason: NotAnObject, Stage: StageDecode, Cause: "not a JSON object"}
	}
	t.src = payload
	t.values = [numEventColumns]int{}
	t.spare[0], t.spare[1] = t.spare[0][:0], t.spare[1][:0]

	extraData, createTime := 0, 0
	for i := 1; i < int(t.nodes[0].next); i = int(t.nodes[i+1].next) {
		switch key := text(t.src, &t.nodes[i]); string(key) {
		case "extra_data":
			extraData = i + 1
		case "create_time":
			createTime = i + 1
		default:
			t.place(envelopeColumns, key, i, 0)
		}
	}
	if t.string(colEventType) == nil {
		return missing(EventTypeMissing, "event_type")
	}
	if t.string(colTenantID) == nil {
		return missing(TenantMissing, "mid")
	}
	if r := t.readTime(createTime, now); r != nil {
		return r
	}
	if extraData == 0 || t.nodes[extraData].kind == 'n' {
		return nil
	}
	switch n := &t.nodes[extraData]; {
	case n.kind == '{':
		for i := extraData + 1; i < int(n.next); i = int(t.nodes[i+1].next) {
			t.place(extraDataColumns, text(t.src, &t.nodes[i]), i, 1)
		}
	case n.kind != '[' || int(n.next) > extraData+1:
		return &Rejection{Reason: ExtraDataInvalid, Stage: StageTransform, Cause: "extra_data is not an object"}
	}
	return nil
}

// parse finds the nodes and the identity of a JSON text.
func (t *Transformer) parse(payload []byte) *Rejection {
	var ok bool
	if t.nodes, ok = scan(t.nodes[:0], payload); ok {
		t.identity = t.canonical.eventID(payload, t.nodes)
		if !t.canonical.duplicate {
			return nil
		}
	}
	var r *Rejection
	if t.nodes, r = t.reader.read(t.nodes[:0], payload); r != nil {
		return r
	}
	t.identity = t.canonical.eventID(payload, t.nodes)
	return nil
}

// place notes the value behind the key at node i for its column, or the key as
// one that no column holds.
func (t *Transformer) place(columns map[string]int, key []byte, i, part int) {
	if col, ok := columns[string(key)]; ok {
		t.values[col] = i + 1
	} else {
		t.spare[part] = append(t.spare[part], i)
	}
}

func missing(reason Reason, key string) *Rejection {
	return &Rejection{Reason: reason, Stage: StageTransform, Cause: key + " is missing, empty or not text"}
}

// readTime reads the event's time from the value of create_time at node i, 0
// if there is none.
func (t *Transformer) readTime(i int, now time.Time) *Rejection {
	bad := &Rejection{Reason: EventTimeInvalid, Stage: StageTransform, Cause: "create_time is missing or not whole seconds"}
	if i == 0 {
		return bad
	}
	var digits []byte
	switch n := &t.nodes[i]; n.kind {
	case '0':
		digits = t.src[n.start:n.end]
		if !isInteger(digits) {
			return bad
		}
	case '"':
		digits = text(t.src, n)
		if !isDigits(digits) {
			return bad
		}
	default:
		return bad
	}
	if t.now != now.Unix() {
		t.now = now.Unix()
		t.first, t.last = now.AddDate(-10, 0, 0).Unix(), now.AddDate(1, 0, 0).Unix()
	}
	// BigQuery refuses a partition outside these bounds, and with it the
	// whole request.
	seconds, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || seconds < t.first || seconds > t.last {
		return &Rejection{Reason: EventTimeOutOfRange, Stage: StageTransform, Cause: "create_time is not within 10 years back and 1 year ahead"}
	}
	t.occurred = seconds
	return nil
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// rank orders the events of one second: creation comes before what follows
// from it.
func rank(eventType []byte) byte {
	switch string(eventType) {
	case "add_omni_user_success":
		return 0
	case "object_create":
		return 1
	case "object_source_info":
		return 2
	default:
		return 3
	}
}

// appendSequence appends SSSSSSSSSSSSSSSS/RR/PPPPPPPPPPPPPPPP/EEEEEEEEEEEEEEEE.
func appendSequence(dst []byte, seconds int64, rank byte, published time.Time, id []byte) []byte {
	micros := int64(0)
	if !published.IsZero() {
		micros = published.UnixMicro()
	}
	dst = appendHex(dst, uint64(seconds), 16)
	dst = append(dst, '/')
	dst = appendHex(dst, uint64(rank), 2)
	dst = append(dst, '/')
	dst = appendHex(dst, uint64(micros), 16)
	dst = append(dst, '/')
	return append(dst, id...)
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	const hexDigits = "0123456789abcdef"
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

// unheld notes that the column's value cannot be held by it, so that it goes
// to extra under its own key.
func (t *Transformer) unheld(col int) {
	part := 1
	if eventColumns[col].envelope {
		part = 0
	}
	t.spare[part] = append(t.spare[part], t.values[col]-1)
}

// appendExtra appends what no column holds, keys in the order sent; nothing if
// there is nothing.
func (t *Transformer) appendExtra(dst []byte) []byte {
	start := len(dst)
	for part, name := range []string{`"envelope":{`, `"extra_data":{`} {
		keys := t.spare[part]
		if len(keys) == 0 {
			continue
		}
		slices.Sort(keys)
		if len(dst) == start {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
		for i, key := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, t.src, t.nodes, key, asBigQuery)
			dst = append(dst, ':')
			dst = appendJSON(dst, t.src, t.nodes, key+1, asBigQuery)
		}
		dst = append(dst, '}')
	}
	if len(dst) > start {
		dst = append(dst, '}')
	}
	return dst
}
