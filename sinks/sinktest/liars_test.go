package sinktest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/sinks"
	"leadsync/transform"
)

// A liar breaks one rule of the contract.
type liar struct {
	*Memory
	write func(m *Memory, ctx context.Context, rows *transform.Rows) error
	ready error
	close func(m *Memory) error
}

func (l liar) Write(ctx context.Context, rows *transform.Rows) error {
	if l.write == nil {
		return l.Memory.Write(ctx, rows)
	}
	return l.write(l.Memory, ctx, rows)
}

func (l liar) Ready() error { return l.ready }

func (l liar) Close() error {
	if l.close == nil {
		return l.Memory.Close()
	}
	return l.close(l.Memory)
}

// changed writes rows after edit had its way with each, and passes on the
// refusals.
func changed(ctx context.Context, m *Memory, rows *transform.Rows, edit func(id transform.TableID, i int, row []any) []any) error {
	out := new(transform.Rows)
	for id := range transform.TableID(transform.NumTables) {
		for i := range rows.Len(id) {
			row, _ := values(rows, id, i)
			if row = edit(id, i, row); row != nil {
				Append(out, id, row)
			}
		}
	}
	return m.Write(ctx, out)
}

var liars = []struct {
	lie  string
	rule string // the check that must fail
	sink liar
}{
	{"loses the 5,001st row", "many_rows", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		return changed(ctx, m, rows, func(_ transform.TableID, i int, row []any) []any {
			if i == 5000 {
				return nil
			}
			return row
		})
	}}},
	{"loses rows above 4 MiB", "big_rows", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		return changed(ctx, m, rows, func(id transform.TableID, i int, row []any) []any {
			if len(rows.Row(id, i)) > 4<<20 {
				return nil
			}
			return row
		})
	}}},
	{"makes the empty text NULL", "every_column", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		return changed(ctx, m, rows, func(id transform.TableID, _ int, row []any) []any {
			for i, c := range id.Table().Columns {
				if row[i] == "" && c.Mode == transform.Nullable {
					row[i] = nil
				}
			}
			return row
		})
	}}},
	{"cuts times to the second", "every_column", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		return changed(ctx, m, rows, func(_ transform.TableID, _ int, row []any) []any {
			for i := range row {
				if at, ok := row[i].(time.Time); ok {
					row[i] = at.Truncate(time.Second)
				}
			}
			return row
		})
	}}},
	{"turns the list around", "every_column", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		return changed(ctx, m, rows, func(_ transform.TableID, _ int, row []any) []any {
			for i := range row {
				if list, ok := row[i].([]string); ok && len(list) > 1 {
					list[0], list[1] = list[1], list[0]
				}
			}
			return row
		})
	}}},
	{"writes twice", "required_columns_only", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		_ = m.Write(ctx, rows)
		return m.Write(ctx, rows)
	}}},
	{"fails without rows", "no_rows", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		if rows.Total() == 0 {
			return errors.New("nothing to do")
		}
		return m.Write(ctx, rows)
	}}},
	{"loses the rows of another table beside a bad one", "refused_rows_are_named", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		err := m.Write(ctx, rows)
		if err != nil {
			m.mu.Lock()
			m.tables[transform.TransitionsLog] = nil
			m.mu.Unlock()
		}
		return err
	}}},
	{"names only the first bad row", "refused_rows_are_named", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		err := m.Write(ctx, rows)
		var refused sinks.RowErrors
		if errors.As(err, &refused) {
			return refused[:1]
		}
		return err
	}}},
	{"names a bad row twice", "every_row_refused", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		err := m.Write(ctx, rows)
		var refused sinks.RowErrors
		if errors.As(err, &refused) {
			return append(refused, refused[0])
		}
		return err
	}}},
	{"keeps quiet about bad rows", "every_row_refused", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		err := m.Write(ctx, rows)
		if errors.As(err, new(sinks.RowErrors)) {
			return nil
		}
		return err
	}}},
	{"tells the value of a bad row", "every_row_refused", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		err := m.Write(ctx, rows)
		var refused sinks.RowErrors
		if errors.As(err, &refused) {
			refused[0].Code += " " + secret
		}
		return err
	}}},
	{"claims rows durable that are not", "context_done_before_write", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		if ctx.Err() != nil {
			return nil
		}
		return m.Write(ctx, rows)
	}}},
	{"refuses for good what came too late", "context_done_before_write", liar{write: func(m *Memory, ctx context.Context, rows *transform.Rows) error {
		if ctx.Err() != nil {
			return sinks.RowErrors{{Row: 0, Code: "CANCELLED"}}
		}
		return m.Write(ctx, rows)
	}}},
	{"looks at rows later", "rows_free_after_write", liar{
		write: func() func(m *Memory, ctx context.Context, rows *transform.Rows) error {
			var mu sync.Mutex
			var kept [][]byte // shares the memory of what was written
			return func(m *Memory, ctx context.Context, rows *transform.Rows) error {
				mu.Lock()
				defer mu.Unlock()
				var late transform.Rows
				for _, row := range kept {
					late.Append(transform.EventsLog, row)
				}
				_ = m.Write(ctx, &late)
				kept = nil
				for i := range rows.Len(transform.EventsLog) {
					kept = append(kept, rows.Row(transform.EventsLog, i))
				}
				return nil
			}
		}(),
	}},
	{"is never ready", "ready", liar{ready: errors.New("no stream")}},
	{"loses rows at the end", "close", liar{close: func(m *Memory) error {
		m.tables[transform.SyncBatches] = nil
		return m.Close()
	}}},
	{"cannot close", "close", liar{close: func(m *Memory) error {
		_ = m.Close()
		return errors.New("stuck")
	}}},
}

// lieVariable chooses the liar that the test binary, started again, plays.
const lieVariable = "SINKTEST_LIE"

// TestLiar is the inner half of TestLiars and passes when run by itself.
func TestLiar(t *testing.T) {
	for _, l := range liars {
		if l.lie == os.Getenv(lieVariable) {
			Run(t, func(t *testing.T) Harness {
				m := NewMemory(t)
				l.sink.Memory = m
				h := harness(m)
				h.Sink = l.sink
				return h
			})
		}
	}
}

// TestLiars lets sinks that break one rule each run the conformance test: the
// check of that rule must fail. It catches a check that checks nothing.
func TestLiars(t *testing.T) {
	for _, l := range liars {
		t.Run(l.lie, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLiar$/^"+l.rule+"$", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), lieVariable+"="+l.lie)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestLiar/"+l.rule) {
				t.Errorf("the sink that %s passed %q: %v\n%s", l.lie, l.rule, err, out)
			}
			if strings.Contains(string(out), "panic:") {
				t.Errorf("the check panicked:\n%s", clip(string(out)))
			}
		})
	}
}
