package bqtest

import (
	"fmt"
	"net/http"
	"slices"

	rest "google.golang.org/api/bigquery/v2"
)

// listRows serves tabledata.list: a table's rows without a query.
func (s *Server) listRows(r *http.Request) (any, error) {
	s.mu.Lock()
	_, t, err := s.table(r)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	meta, rows := t.meta, slices.Clone(t.rows)
	s.mu.Unlock()
	if meta.Type != "TABLE" {
		return nil, fail(http.StatusBadRequest, "invalid", "Cannot list a table of type %s.", meta.Type)
	}
	from, to, next, err := page(r, len(rows))
	if err != nil {
		return nil, err
	}
	out := &rest.TableDataList{
		Kind: "bigquery#tableDataList", TotalRows: int64(len(rows)), PageToken: next,
		Rows: []*rest.TableRow{}, ForceSendFields: []string{"Rows", "TotalRows"},
	}
	for _, row := range rows[from:to] {
		cells, err := cellsOf(inOrder(row, meta.Schema.Fields), meta.Schema.Fields)
		if err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, &rest.TableRow{F: cells})
	}
	return out, nil
}

// inOrder returns a row's values in the order of the columns, nil for one that
// is absent.
func inOrder(row map[string]any, cols []*rest.TableFieldSchema) []any {
	values := make([]any, len(cols))
	for i, c := range cols {
		switch v := row[c.Name].(type) {
		case map[string]any:
			values[i] = inOrder(v, c.Fields)
		case []any:
			list := make([]any, len(v))
			for j := range v {
				list[j] = v[j]
				if record, ok := v[j].(map[string]any); ok {
					list[j] = inOrder(record, c.Fields)
				}
			}
			values[i] = list
		default:
			values[i] = v
		}
	}
	return values
}

// Change lets a test stand in for a DML statement: f gets the rows of a table,
// named and formed as in [Server.Rows], and returns those that it shall have.
// They are not checked. f must neither keep the slice nor change its maps.
func (s *Server) Change(table string, f func(rows []map[string]any) []map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(table)
	if t == nil {
		return fmt.Errorf("change table %s: no such table", table)
	}
	t.rows = f(slices.Clone(t.rows))
	return nil
}
