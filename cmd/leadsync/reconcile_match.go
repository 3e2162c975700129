package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// The ways in which an export and the warehouse may differ.
const (
	missingEvent    = iota // the warehouse does not have it
	incompleteEvent        // it has not all the transitions that it tells of
	differentEvent         // it has another event about the same fact
	alteredEvent           // the transitions that it tells of have other values
	extraEvent             // the export does not have it
	numDifferences
)

var differenceNames = [numDifferences]string{"missing", "incomplete", "different", "altered", "extra"}

// A dayKind is a UTC day and an event type.
type dayKind struct {
	day  int64 // Unix seconds
	kind string
}

// An example is one event that differs: where it stands in the export, or when
// it occurred.
type example struct {
	fact      uint64
	place, id string
}

// A comparison is what was found when an export was compared with the
// warehouse, in memory bounded by the events of a window.
type comparison struct {
	export   *export
	lookup   *lookup
	limit    int64 // events of a window
	examples int   // to keep of each difference
	partial  bool  // extra events are not looked for

	absent     bits // by ordinal: to be healed
	lacking    bits
	copies     int64 // events that the export has again
	known      int64 // events that agree
	letters    int64 // events that stand in dead_letters
	unread     bool  // there are more dead letters than were looked through
	counts     [numDifferences]map[dayKind]int64
	shown      [numDifferences][]example
	totals     [numDifferences]int64
	candidates []example // extra events of the window
}

// compare compares everything.
func (c *comparison) compare(ctx context.Context) error {
	n := c.export.records
	c.absent, c.lacking = newBits(n), newBits(n)
	for i := range c.counts {
		c.counts[i] = make(map[dayKind]int64)
	}
	if c.export.spool.events == 0 && !c.export.days.given {
		return nil
	}
	windows, err := c.export.spool.windows(c.export.span, c.limit)
	if err != nil {
		return err
	}
	for _, w := range windows {
		if err := c.window(ctx, w); err != nil {
			return err
		}
	}
	if err := c.discountLetters(ctx); err != nil {
		return err
	}
	return c.export.spool.each(func(e *toldEvent) error {
		if c.absent.has(c.export.ordinal(e)) {
			c.count(missingEvent, e)
		}
		return nil
	})
}

// A matched event is one of the export's with what the warehouse says of it.
type matched struct {
	toldEvent
	found   bool
	seen    uint8  // dimensions
	changes uint64 // of the warehouse
}

// window compares the events of a span of time.
func (c *comparison) window(ctx context.Context, w window) error {
	events, places, facts, err := c.eventsOf(w)
	if err != nil {
		return err
	}
	instants := map[string]any{"From": sqlInstant(time.Unix(w.from, 0)), "To": sqlInstant(time.Unix(w.to, 0))}
	extra := make(map[dayKind]int64)
	c.candidates = c.candidates[:0]
	err = c.lookup.each(ctx, "reconcile_events", instants, func(v []any) error {
		at, ok := v[1].(time.Time)
		id, err := eventID(v[0])
		if err != nil || !ok {
			return errors.Join(fmt.Errorf("events_log: no event_id and time: %v", v[1]), err)
		}
		if i, ok := places[id]; ok {
			events[i].found = true
			return nil
		}
		c.extra(id, at.Unix(), v, facts, extra)
		return nil
	})
	if err != nil {
		return err
	}
	if len(events) > 0 {
		if err := c.transitions(ctx, instants, events, places); err != nil {
			return err
		}
	}
	c.judge(events, facts, extra)
	return nil
}

// eventsOf returns the export's events of a window, each once, the place of
// each by its id, and an entry for each fact that they are about.
func (c *comparison) eventsOf(w window) (events []matched, places map[[16]byte]int32, facts map[uint64]int32, err error) {
	places, facts = make(map[[16]byte]int32), make(map[uint64]int32)
	err = c.export.spool.each(func(e *toldEvent) error {
		if e.second < w.from || e.second >= w.to {
			return nil
		}
		if _, again := places[e.id]; again {
			c.copies++
			return nil
		}
		places[e.id], facts[e.fact] = int32(len(events)), 0
		events = append(events, matched{toldEvent: *e})
		return nil
	})
	return events, places, facts, err
}

// extra takes an event of the warehouse that the export does not have. facts
// counts those about a fact that the export tells of.
func (c *comparison) extra(id [16]byte, second int64, v []any, facts map[uint64]int32, extra map[dayKind]int64) {
	fact := factOf(second, [4]any{v[2], v[3], v[4], v[5]})
	if n, ok := facts[fact]; ok {
		facts[fact] = n + 1
	} else if c.partial {
		return
	}
	extra[dayKind{floorDay(second), asText(v[5])}]++
	if len(c.candidates) < c.examples+len(facts) {
		c.candidates = append(c.candidates, example{fact, time.Unix(second, 0).UTC().Format(time.RFC3339), idText(id)})
	}
}

// transitions reads what the warehouse knows of the events' transitions.
func (c *comparison) transitions(ctx context.Context, instants map[string]any, events []matched, places map[[16]byte]int32) error {
	return c.lookup.each(ctx, "reconcile_transitions", instants, func(v []any) error {
		id, err := eventID(v[0])
		if err != nil {
			return fmt.Errorf("transitions_log: %w", err)
		}
		if i, ok := places[id]; ok {
			events[i].seen |= dimensionBit(v[1])
			events[i].changes ^= changeOf([4]any{v[1], v[2], v[3], v[4]})
		}
		return nil
	})
}

// judge says what became of each event of a window.
func (c *comparison) judge(events []matched, facts map[uint64]int32, extra map[dayKind]int64) {
	paired := make(map[uint64]int32)
	for i := range events {
		e := &events[i]
		switch {
		case !e.found && facts[e.fact] > 0:
			facts[e.fact]--
			paired[e.fact]++
			extra[dayKind{floorDay(e.second), c.export.kinds[e.kind]}]--
			c.count(differentEvent, &e.toldEvent)
		case !e.found:
			c.absent.set(c.export.ordinal(&e.toldEvent))
		case e.dims&^e.seen != 0:
			c.lacking.set(c.export.ordinal(&e.toldEvent))
			c.count(incompleteEvent, &e.toldEvent)
		case e.changes != e.toldEvent.changes:
			c.count(alteredEvent, &e.toldEvent)
		default:
			c.known++
		}
	}
	if c.partial {
		return
	}
	for key, n := range extra {
		if n != 0 {
			c.counts[extraEvent][key] += n
			c.totals[extraEvent] += n
		}
	}
	for _, x := range c.candidates {
		if paired[x.fact] > 0 {
			paired[x.fact]--
		} else if len(c.shown[extraEvent]) < c.examples {
			c.shown[extraEvent] = append(c.shown[extraEvent], x)
		}
	}
}

// count counts an event of the export that differs.
func (c *comparison) count(difference int, e *toldEvent) {
	c.totals[difference]++
	c.counts[difference][dayKind{floorDay(e.second), c.export.kinds[e.kind]}]++
	if len(c.shown[difference]) < c.examples {
		c.shown[difference] = append(c.shown[difference], example{place: c.export.place(e), id: idText(e.id)})
	}
}

// discountLetters takes events out that are missing because they stand in
// dead_letters.
func (c *comparison) discountLetters(ctx context.Context) error {
	if c.absent.empty() {
		return nil
	}
	var rows transform.Rows
	dead := make(map[[16]byte]struct{})
	err := c.lookup.each(ctx, "reconcile_payloads", nil, func(v []any) error {
		payload, _ := v[0].([]byte)
		rows.Reset()
		event, err := c.export.transformer.Transform(&rows, payload, transform.Delivery{IngestedAt: c.export.now})
		if err != nil {
			return nil //nolint:nilerr // a letter that would die again is no event of the export
		}
		if int64(len(dead)) == c.limit {
			c.unread = true
			return errEnough
		}
		dead[event.ID] = struct{}{}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return c.export.spool.each(func(e *toldEvent) error {
		if _, ok := dead[e.id]; ok && c.absent.has(c.export.ordinal(e)) {
			c.absent.clear(c.export.ordinal(e))
			c.letters++
		}
		return nil
	})
}

// each calls f for each row of a statement's result.
func (l *lookup) each(ctx context.Context, statement string, data any, f func([]any) error) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	return l.warehouse.Query(ctx, sinks.Statement(l.dialect, statement, data), func([]string) error { return nil }, f)
}

func eventID(v any) (id [16]byte, err error) {
	b, err := hex.DecodeString(asText(v))
	if err != nil || len(b) != len(id) {
		return id, errors.New("an event_id is not 32 hex digits")
	}
	return [16]byte(b), nil
}

func floorDay(second int64) int64 {
	const day = 24 * 60 * 60
	return second - (second%day+day)%day
}

// bits are a set of records by their ordinals: an eighth of a byte each.
type bits []uint64

func newBits(n int64) bits      { return make(bits, (n+63)/64) }
func (b bits) has(i int64) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bits) set(i int64)      { b[i/64] |= 1 << (i % 64) }
func (b bits) clear(i int64)    { b[i/64] &^= 1 << (i % 64) }
func (b bits) empty() bool {
	for _, word := range b {
		if word != 0 {
			return false
		}
	}
	return true
}
