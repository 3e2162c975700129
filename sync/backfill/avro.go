package backfill

import (
	"context"
	"errors"
	"io"

	"leadsync/sync/exports"
)

// Events of Avro are handed over so many bytes at a time, or so many of them.
const (
	avroBytes  = 1 << 20
	avroEvents = 1000
)

// avro reads an Avro file, which is one piece: it cannot be read from its
// middle.
func (r *reading) avro(ctx context.Context, src io.Reader) error {
	all := &counter{src: io.TeeReader(src, &r.tap)}
	a, err := exports.NewAvro(all)
	if err != nil {
		return err
	}
	r.start, r.after, r.counts = 0, 0, 0
	r.begin()
	r.maybe = false
	f, size := r.flight(r.piece), int64(0)
	for ctx.Err() == nil {
		event, place, err := a.Next()
		if err == nil {
			r.pos = place.Offset
			f.add(event, place.Offset)
			size += int64(len(event.Data))
		}
		if err != nil || size >= avroBytes || len(f.messages) == avroEvents {
			r.launch(ctx, f, size)
			f, size = r.flight(r.piece), 0
		}
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, all)
			r.pos = all.n
			if err == nil {
				r.close(ctx, true)
			}
			return err
		}
		if err != nil {
			r.piece.broken.Store(true) // a piece of it could not be told by its bytes
			return err
		}
	}
	return nil
}

// A counter counts what is read.
type counter struct {
	src io.Reader
	n   int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.src.Read(b)
	c.n += int64(n)
	return n, err
}
