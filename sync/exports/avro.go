package exports

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hamba/avro/v2"

	"leadsync/transform"
)

// IsAvro reports whether a file that begins so is an Avro container file. Four
// bytes are enough to tell.
func IsAvro(head []byte) bool { return len(head) >= 4 && string(head[:4]) == "Obj\x01" }

// A Place is where a record of an Avro file stands.
type Place struct {
	Number int   // of the record in the file, counted from 1
	Offset int64 // of the block that holds it, in bytes from the start of the file
}

// An Avro reads the events of an Avro container file: what a Cloud Storage
// subscription writes, with or without metadata, with or without its topic's
// schema; or rows of events_log as BigQuery exports them. It is for one
// goroutine.
type Avro struct {
	file   *container
	schema *avro.RecordSchema
	event  func(record) (Event, bool)

	block   block
	decoder *decoder
	number  int // of the record read last
	err     error
}

// NewAvro reads the file's header, and reads ahead by some KiB. The error says
// what it is that cannot be read: the header, its schema, its codec (null,
// deflate, snappy and zstandard are known), or src, whose error it wraps.
func NewAvro(src io.Reader) (*Avro, error) {
	file, err := newContainer(src)
	if err != nil {
		return nil, err
	}
	// A cache of its own: files may have different schemas of one name.
	schema, err := avro.ParseBytesWithCache(file.meta["avro.schema"], "", &avro.SchemaCache{})
	if err != nil {
		return nil, fmt.Errorf("read avro schema: %w", err)
	}
	a := &Avro{file: file, decoder: newDecoder()}
	var ok bool
	if a.schema, ok = schema.(*avro.RecordSchema); !ok {
		return nil, fmt.Errorf("avro file holds values of type %s; records are wanted", schema.Type())
	}
	names := make(map[string]bool)
	for _, f := range a.schema.Fields() {
		names[f.Name()] = true
	}
	switch {
	case names["event_id"] && names["sequence"] && names["occurred_at"]:
		a.event = rowOf
	case names["data"] && !names["mid"]:
		a.event = messageOf
	default: // the event itself, by the topic's schema
		a.event = func(record) (Event, bool) { return Event{}, false }
	}
	return a, nil
}

// Next returns the next event and its place, [io.EOF] after the last. Data is
// memory of its own, cut short if it is larger than an event may be.
//
// A record that is no event comes out as JSON, so that the transform says what
// is wrong with it. Another error means that the file cannot be read on: it is
// cut off, damaged, or src failed. It names the record's number and its block's
// offset, and is returned by every later call too; what came before is whole.
// It wraps [io.ErrUnexpectedEOF] where the file is cut off, and src's error
// where that failed.
//
// Memory stays bounded whatever the file says: a block may have 64 MiB.
func (a *Avro) Next() (Event, Place, error) {
	if a.err == nil {
		a.err = a.advance()
	}
	if a.err != nil {
		return Event{}, Place{}, a.err
	}
	r, err := a.decoder.record(a.schema)
	if err != nil {
		a.err = a.at(fmt.Errorf("decode: %w", damaged(err)))
		return Event{}, Place{}, a.err
	}
	a.number++
	a.block.records--
	e, ok := a.event(r)
	if !ok {
		e = Event{Data: appendJSON(nil, r)}
	}
	e.Data = limited(e.Data)
	return e, Place{Number: a.number, Offset: a.block.offset}, nil
}

// advance goes to the next block if this one has no more records.
func (a *Avro) advance() (err error) {
	if a.block.records > 0 {
		return nil
	}
	if a.block.data != nil {
		if a.decoder.Peek(); a.decoder.Error == nil {
			return a.at(errors.New("the block has bytes behind its last record"))
		}
	}
	if a.block, err = a.file.next(); err == io.EOF { //nolint:errorlint // io.EOF itself is the end
		return err
	}
	if err != nil {
		return a.at(err)
	}
	a.decoder.Reset(a.block.data)
	a.decoder.Error = nil
	return nil
}

// at returns the error with the place where it was met.
func (a *Avro) at(err error) error {
	return fmt.Errorf("avro record %d, in the block at byte %d: %w", a.number+1, a.block.offset, err)
}

// messageOf reads a message as a Cloud Storage subscription writes it. By its
// topic's schema the data is a record too.
func messageOf(r record) (e Event, ok bool) {
	for _, f := range r {
		switch v := f.value.(type) {
		case []byte:
			if f.name == "data" {
				e.Data = v
			}
		case string:
			switch f.name {
			case "data":
				e.Data = []byte(v)
			case "message_id":
				e.MessageID = v
			}
		case time.Time:
			if f.name == "publish_time" {
				if e.PublishedAt, ok = inRange(v); !ok {
					return Event{}, false
				}
			}
		case record:
			switch f.name {
			case "data":
				e.Data = appendJSON(nil, v)
			case "attributes":
				e.Attributes = attributesOf(v)
			}
		}
	}
	return e, len(e.Data) > 0
}

func attributesOf(r record) map[string]string {
	if len(r) == 0 {
		return nil
	}
	a := make(map[string]string, len(r))
	for _, f := range r {
		a[f.name], _ = f.value.(string)
	}
	return a
}

// rowOf makes the event of a row of events_log again.
func rowOf(fields record) (e Event, ok bool) {
	r := make(row, len(fields))
	for _, f := range fields {
		c := columns()[f.name]
		if list, isList := f.value.([]any); f.value == nil || f.name == "changes" || isList && len(list) == 0 {
			continue
		}
		if c == nil {
			return e, false // a column that is not known here
		}
		if r[f.name], ok = fitted(c, f.value); !ok {
			return e, false
		}
	}
	return r.event()
}

// fitted returns the value as [transform.Rebuild] wants that of the column;
// ok is false where the column cannot have it.
func fitted(c *transform.Column, v any) (any, bool) {
	switch v := v.(type) {
	case string:
		one := c.Mode != transform.Repeated
		return v, one && c.Type == transform.String || c.Type == transform.JSON && jsontext.Value(v).IsValid()
	case int64:
		if c.Type == transform.Timestamp { // whose logical type was left out
			return inRange(time.UnixMicro(v))
		}
		return v, c.Type == transform.Int64
	case bool:
		return v, c.Type == transform.Bool
	case time.Time:
		at, ok := inRange(v)
		return at, ok && c.Type == transform.Timestamp
	case []any:
		noText := func(v any) bool { _, ok := v.(string); return !ok }
		return v, c.Type == transform.String && c.Mode == transform.Repeated && !slices.ContainsFunc(v, noText)
	default:
		return nil, false
	}
}
