package bqtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	bq "cloud.google.com/go/bigquery"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/api/option"
)

// Stats count what was done to a table through the write API.
type Stats struct {
	Appends     int // requests, refused and failed ones too
	Written     int // requests that were made durable, or would be by a commit
	Connections int // connections that appended to it
	LargestRows int // most rows of a request
	LargestSize int // largest request, in bytes
	Streams     int // streams that were created
	Commits     int // commits of streams that went through
}

// CreateTable creates a table or view directly, and its dataset if there is
// none. It is checked like any other.
func (s *Server) CreateTable(project, dataset, table string, meta *bq.TableMetadata) error {
	s.mu.Lock()
	if _, ok := s.datasets[project+":"+dataset]; !ok {
		if _, err := s.addDataset(project, dataset, &rest.Dataset{}); err != nil {
			s.mu.Unlock()
			return err
		}
	}
	s.mu.Unlock()
	err := s.withTable(project, dataset, table, func(ctx context.Context, t *bq.Table) error {
		return t.Create(ctx, meta)
	})
	if err != nil {
		return fmt.Errorf("create table %s.%s: %w", dataset, table, err)
	}
	return nil
}

// SetSchema changes a table's columns directly. It is checked like any other
// change.
func (s *Server) SetSchema(project, dataset, table string, schema bq.Schema) error {
	err := s.withTable(project, dataset, table, func(ctx context.Context, t *bq.Table) error {
		_, err := t.Update(ctx, bq.TableMetadataToUpdate{Schema: schema}, "")
		return err
	})
	if err != nil {
		return fmt.Errorf("set schema of table %s.%s: %w", dataset, table, err)
	}
	return nil
}

// withTable calls f with a table of the vendor's client.
func (s *Server) withTable(project, dataset, table string, f func(context.Context, *bq.Table) error) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ctx := context.Background()
	c, err := bq.NewClient(ctx, project, option.WithEndpoint(s.RESTURL()),
		option.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c.Dataset(dataset).Table(table))
}

// find returns the table of that name, "table" or "dataset.table", nil if
// there is none. The caller holds s.mu.
func (s *Server) find(name string) *table {
	for _, d := range s.datasets {
		for id, t := range d.tables {
			if name == id || name == d.meta.DatasetReference.DatasetId+"."+id {
				return t
			}
		}
	}
	return nil
}

// Rows returns the rows of a table in the order in which they were written,
// one map a row from the column's name to its value: string for STRING and
// JSON (its text as it came), int64, float64, bool, []byte, [time.Time] in
// UTC for TIMESTAMP, map[string]any for RECORD, and []any for what is
// REPEATED. A NULL or empty column is absent. It returns nil for a table that is not there.
// Do not change the maps.
func (s *Server) Rows(table string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(table); t != nil {
		return slices.Clone(t.rows)
	}
	return nil
}

// NumRows returns how many rows a table has.
func (s *Server) NumRows(table string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(table); t != nil {
		return len(t.rows)
	}
	return 0
}

// Stats returns the counts of a table, zero for one that is not there.
func (s *Server) Stats(table string) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(table); t != nil {
		return t.stats
	}
	return Stats{}
}
