package pipeline

import (
	"time"

	"leadsync/transform"
)

// Limits of what tells one tally from another, so that no stream of events can
// bloat the ledger's row: it stays below a tenth of what a row may have. What
// is beyond is counted without day and type.
const (
	maxTallies   = 5000 // as many as the largest batch has events
	maxEventType = 100  // bytes
)

// tallies are the counts of a batch by day and type of its events. The first
// is that of messages of which neither is known.
type tallies struct {
	list   []transform.Tally
	places map[tallyKey]int32
}

type tallyKey struct {
	day       int64 // Unix time of its start
	eventType string
}

// find returns the place of the tally for an event. The type is copied when it
// is met first.
func (t *tallies) find(at time.Time, eventType []byte) int32 {
	seconds := at.Unix()
	const length = 24 * 60 * 60
	day := seconds - (seconds%length+length)%length
	if place, ok := t.places[tallyKey{day, string(eventType)}]; ok { // copies nothing
		return place
	}
	t.unknown()
	if len(t.list) == maxTallies || len(eventType) > maxEventType {
		return 0
	}
	place := int32(len(t.list))
	name := string(eventType)
	t.list = append(t.list, transform.Tally{Day: time.Unix(day, 0).UTC(), EventType: name})
	if t.places == nil {
		t.places = map[tallyKey]int32{}
	}
	t.places[tallyKey{day, name}] = place
	return place
}

// unknown returns the place of the tally for what is no event.
func (t *tallies) unknown() int32 {
	if len(t.list) == 0 {
		t.list = append(t.list, transform.Tally{})
	}
	return 0
}

// counted returns the tallies that have counted anything.
func (t *tallies) counted() []transform.Tally {
	list := make([]transform.Tally, 0, len(t.list))
	for _, one := range t.list {
		if one.Written+one.Duplicates+one.Dead+one.Filtered > 0 {
			list = append(list, one)
		}
	}
	return list
}

// reset forgets the tallies and keeps their memory.
func (t *tallies) reset() {
	clear(t.list)
	t.list = t.list[:0]
	clear(t.places)
}
