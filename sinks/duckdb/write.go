//go:build cgo && !noduckdb

package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// Write makes the rows durable in one transaction, so that readers see all of
// them or none. See [sinks.Sink].
func (d *DB) Write(ctx context.Context, rows *transform.Rows) error {
	if d.cfg.ReadOnly {
		return fmt.Errorf("write to warehouse %s: it is open for reading only", d.cfg.Path)
	}
	if rows.Total() == 0 {
		return nil
	}
	if err := d.lock(ctx); err != nil {
		return fmt.Errorf("write to warehouse %s: %w", d.cfg.Path, err)
	}
	defer d.unlock()
	var items []item
	var refused sinks.RowErrors
	for _, l := range d.loaders {
		items, refused = l.decode(items, refused, rows)
	}
	defer func() {
		for _, l := range d.loaders {
			l.forget()
		}
	}()
	if err := d.write(ctx, rows, items, &refused); err != nil {
		return fmt.Errorf("write to warehouse %s: %w", d.cfg.Path, err)
	}
	if refused != nil {
		return refused
	}
	return nil
}

// lock waits until nobody else writes.
func (d *DB) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case d.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w while another write ran", ctx.Err())
	}
}

func (d *DB) unlock() { <-d.writing }

// write writes the items. Should DuckDB refuse any nevertheless, one is
// searched for by elimination: half of the candidates is written, and if that
// goes through the bad one is among the others. In [lo, hi) there is a bad
// one; what is before is written, what follows waits until it is found. That
// makes ⌈log2 n⌉ transactions and one for those that waited.
func (d *DB) write(ctx context.Context, rows *transform.Rows, items []item, refused *sinks.RowErrors) error {
	if len(items) == 0 {
		return nil
	}
	code, err := d.commit(ctx, rows, items)
	if code == "" || err != nil {
		return err
	}
	lo, hi := 0, len(items)
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		d.retried(items[lo:mid], sinks.Data)
		c, err := d.commit(ctx, rows, items[lo:mid])
		switch {
		case err != nil:
			return err
		case c == "":
			lo = mid
		default:
			hi, code = mid, c
		}
	}
	if hi < len(items) { // else only the first failure speaks against it: it is tried by itself
		*refused = append(*refused, sinks.RowError{Table: items[lo].table, Row: items[lo].row, Code: code})
		lo = hi
	}
	d.retried(items[lo:], sinks.Data)
	return d.takeApart(ctx, rows, items[lo:], refused)
}

// takeApart writes items among which there may be many bad ones, in quarters
// of quarters where they are refused.
func (d *DB) takeApart(ctx context.Context, rows *transform.Rows, items []item, refused *sinks.RowErrors) error {
	code, err := d.commit(ctx, rows, items)
	switch {
	case code == "" || err != nil:
		return err
	case len(items) == 1:
		*refused = append(*refused, sinks.RowError{Table: items[0].table, Row: items[0].row, Code: code})
		return nil
	}
	d.retried(items, sinks.Data)
	parts := min(len(items), 4)
	for i := range parts {
		if err := d.takeApart(ctx, rows, items[i*len(items)/parts:(i+1)*len(items)/parts], refused); err != nil {
			return err
		}
	}
	return nil
}

// commit is [DB.persist] with the code of a refusal, "" if there was none,
// apart from an error.
func (d *DB) commit(ctx context.Context, rows *transform.Rows, items []item) (code string, err error) {
	err = d.persist(ctx, rows, items)
	if class, code := classify(err); err != nil && class == sinks.Data {
		return code, nil
	}
	return "", err
}

// The waits between attempts.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 5 * time.Second
)

// persist commits the items together, as often as it takes.
// It gives up when a row is refused or ctx ends.
func (d *DB) persist(ctx context.Context, rows *transform.Rows, items []item) error {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		start := time.Now()
		err := d.attempt(items)
		if err == nil {
			d.release()
			d.appended(rows, items, time.Since(start))
			return nil
		}
		class, _ := classify(err)
		if class == sinks.Data {
			return err
		}
		d.hold(err, class)
		if class == sinks.Setup {
			wait = lastWait // a person must act
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w while held back by: %w", ctx.Err(), err)
		case <-time.After(wait):
		}
		d.mend(ctx, err)
		d.retried(items, class)
	}
}

// attempt commits the items in one transaction.
func (d *DB) attempt(items []item) error {
	if d.writer == nil {
		return errNotOpen
	}
	if err := d.inPlace(); err != nil {
		return err
	}
	if err := exec(d.writer, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := d.load(d.writer, items); err != nil {
		// If it fails, so does the next BEGIN, and mend replaces the connection.
		_ = exec(d.writer, "ROLLBACK")
		return err
	}
	if err := exec(d.writer, "COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), d.afresh())
	}
	return d.inPlace()
}

// load appends the rows, table after table.
func (d *DB) load(conn driver.Conn, items []item) error {
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].table == items[0].table {
			n++
		}
		if err := d.loaders[items[0].table].load(conn, items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// mend puts things right for the next attempt: a new connection, or the
// database opened anew when the library has given it up.
func (d *DB) mend(ctx context.Context, cause error) {
	if d.writer != nil && (!givenUp(cause) || d.cfg.Path == InMemory) {
		writer, err := d.connector.Connect(ctx)
		if err != nil {
			return // the old one may do
		}
		_ = d.writer.Close() // and with it whatever transaction it has open
		d.writer = writer
		return
	}
	if err := d.reopen(ctx); err != nil {
		d.hold(err, sinks.Transient)
	}
}

// Ready returns nil while writes go through, and the cause while they are
// held back.
func (d *DB) Ready() error {
	if held := d.held.Load(); held != nil {
		return *held
	}
	return nil
}

func (d *DB) hold(cause error, class sinks.Class) {
	cause = fmt.Errorf("warehouse %s takes no rows: %w", d.cfg.Path, cause)
	if d.held.Swap(&cause) == nil {
		d.cfg.Logger.Warn("writes held back", "path", d.cfg.Path, "class", string(class), "error", cause)
	}
}

func (d *DB) release() {
	if d.held.Swap(nil) != nil {
		d.cfg.Logger.Info("writes go through again", "path", d.cfg.Path)
	}
}

// appended tells the observer what was committed.
func (d *DB) appended(rows *transform.Rows, items []item, took time.Duration) {
	if d.cfg.Observer == nil {
		return
	}
	var n, size [transform.NumTables]int
	for _, it := range items {
		n[it.table]++
		size[it.table] += len(rows.Row(it.table, it.row))
	}
	for id := range transform.TableID(transform.NumTables) {
		if n[id] > 0 {
			d.cfg.Observer.Appended(id, n[id], size[id], took)
		}
	}
}

// retried tells the observer that the tables are about to be tried again.
func (d *DB) retried(items []item, class sinks.Class) {
	if d.cfg.Observer == nil {
		return
	}
	for i, it := range items {
		if i == 0 || items[i-1].table != it.table {
			d.cfg.Observer.Retried(it.table, class)
		}
	}
}

// exec runs a statement on the library's own connection. It is not
// interrupted: what is begun must be ended.
func exec(conn driver.Conn, statement string) error {
	_, err := conn.(driver.ExecerContext).ExecContext(context.Background(), statement, nil)
	return err
}
