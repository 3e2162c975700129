package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"time"

	"leadsync/sync/records"
	"leadsync/transform"
)

// An export is the source's events as files tell them.
type export struct {
	files       []string
	stdin       io.Reader
	days        dayRange
	options     transform.Options
	transformer *transform.Transformer
	now         time.Time

	spool  *spool
	bases  []int64 // of each file, how many records come before it
	kinds  []string
	kindOf map[string]uint32
	span   window // of the events

	records, dead, erased, outside int64

	rows   transform.Rows
	values []any
}

// maxKinds bounds how many event types are told apart.
const maxKinds = 1000

// otherKind stands for those beyond.
const otherKind = "(others)"

// read spools the events of all files.
func (x *export) read(ctx context.Context) error {
	x.kindOf = make(map[string]uint32)
	for i, name := range x.files {
		x.bases = append(x.bases, x.records)
		if err := eachRecord(ctx, x.stdin, name, func(r records.Record) error { return x.add(i, r) }); err != nil {
			return err
		}
	}
	if x.days.given {
		x.span = window{x.days.since.Unix(), x.days.until.Unix()}
	}
	return nil
}

// eachRecord calls f for each record of the file of that name, "-" for
// standard input.
func eachRecord(ctx context.Context, stdin io.Reader, name string, f func(records.Record) error) error {
	src := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("read export: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		src = file
	}
	reader := records.NewReader(src)
	for {
		r, err := reader.Next()
		switch {
		case err == io.EOF: //nolint:errorlint // only io.EOF itself is the end; a failure may wrap it
			return nil
		case err != nil:
			return fmt.Errorf("read export %s: %w", name, err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read export %s: stopped after record %d: %w", name, r.Number-1, err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
}

// add spools a record's event, if it is one that can be compared.
func (x *export) add(file int, r records.Record) error {
	x.records++
	x.rows.Reset()
	event, err := x.transformer.Transform(&x.rows, r.Data, transform.Delivery{IngestedAt: x.now, Source: "backfill"})
	var rejection *transform.Rejection
	switch {
	case errors.As(err, &rejection):
		x.dead++
		return nil
	case event.Erased:
		x.erased++
		return nil
	case x.days.given && (event.OccurredAt.Before(x.days.since) || !event.OccurredAt.Before(x.days.until)):
		x.outside++
		return nil
	}
	e := toldEvent{
		id: event.ID, second: event.OccurredAt.Unix(), record: int64(r.Number), line: int64(r.Line),
		kind: x.kind(event.Type), file: uint16(file),
	}
	if err := x.describe(&e); err != nil {
		return err
	}
	if x.spool.events == 0 {
		x.span = window{e.second, e.second + 1}
	}
	x.span = window{min(x.span.from, e.second), max(x.span.to, e.second+1)}
	return x.spool.add(&e)
}

// kind returns the place of an event type.
func (x *export) kind(eventType []byte) uint32 {
	if k, ok := x.kindOf[string(eventType)]; ok {
		return k
	}
	name := string(eventType)
	if len(x.kinds) >= maxKinds {
		name = otherKind
	}
	k, ok := x.kindOf[name]
	if !ok {
		k = uint32(len(x.kinds))
		x.kinds, x.kindOf[name] = append(x.kinds, name), k
	}
	return k
}

// Places of the columns by which facts and changes are told.
var (
	factPlaces   = places(transform.EventsLog, "tenant_id", "object_name", "entity_id", "event_type")
	changePlaces = places(transform.TransitionsLog, "dimension", "from_value", "to_value", "origin")
)

func places(id transform.TableID, names ...string) (at [4]int) {
	for i, name := range names {
		at[i] = -1
		for j, c := range id.Table().Columns {
			if c.Name == name {
				at[i] = j
			}
		}
	}
	return at
}

// describe fills in what the event's rows say.
func (x *export) describe(e *toldEvent) (err error) {
	read := func(id transform.TableID, row int, at [4]int) (v [4]any, err error) {
		x.values, err = id.Table().Values(x.values[:0], x.rows.Row(id, row))
		if err != nil {
			return v, err
		}
		for i, place := range at {
			v[i] = x.values[place]
		}
		return v, nil
	}
	v, err := read(transform.EventsLog, 0, factPlaces)
	if err != nil {
		return fmt.Errorf("read rows of an event: %w", err)
	}
	e.fact = factOf(e.second, v)
	for i := range x.rows.Len(transform.TransitionsLog) {
		if v, err = read(transform.TransitionsLog, i, changePlaces); err != nil {
			return fmt.Errorf("read rows of an event: %w", err)
		}
		e.dims |= dimensionBit(v[0])
		e.changes ^= changeOf(v)
	}
	return nil
}

// hashSeed makes the hashes of this process.
var hashSeed = maphash.MakeSeed()

// factOf is the same for events of one type about the same entity in the same
// second: whoever tells of both tells one fact in two ways, most likely.
func factOf(second int64, tenantObjectEntityType [4]any) uint64 {
	return maphash.Comparable(hashSeed, struct {
		second int64
		v      [4]any
	}{second, tenantObjectEntityType})
}

// changeOf stands for one transition; those of an event are joined by XOR.
func changeOf(dimensionFromToOrigin [4]any) uint64 {
	return maphash.Comparable(hashSeed, dimensionFromToOrigin)
}

// dimensionBit returns the bit of a dimension.
func dimensionBit(name any) uint8 {
	for i, d := range []string{"owner", "life_status", "lead_pool", "status"} {
		if d == name {
			return 1 << i
		}
	}
	return 1 << 7 // there is no other
}

// place says where an event stands in the export.
func (x *export) place(e *toldEvent) string {
	return fmt.Sprintf("%s record %d, line %d", x.files[e.file], e.record, e.line)
}

// ordinal numbers a record among those of all files, from 0.
func (x *export) ordinal(e *toldEvent) int64 { return x.bases[e.file] + e.record - 1 }

func idText(id [16]byte) string { return hex.EncodeToString(id[:]) }
