package bqtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	rest "google.golang.org/api/bigquery/v2"
)

// A table is guarded by the server's mutex. meta is never changed, but
// replaced, so that it may be read without the lock once it was got.
type table struct {
	meta    *rest.Table
	version int // counts the changes of the columns, from 1
	before  *rest.Table
	lagging int // appends that still see before

	rows  []map[string]any
	bytes int64
	stats Stats
	loads int // load jobs that were asked for
}

// tableAnswer gives a table its entity tag in the header.
type tableAnswer struct{ *rest.Table }

func (t tableAnswer) tag() string { return t.Etag }

// answer returns the table as the service shows it. The caller holds s.mu.
func (t *table) answer() tableAnswer {
	m := *t.meta
	if m.Type == "TABLE" {
		m.NumRows, m.NumBytes = uint64(len(t.rows)), t.bytes
		m.ForceSendFields = []string{"NumRows", "NumBytes"}
	}
	return tableAnswer{&m}
}

// table returns the one a request names. The caller holds s.mu.
func (s *Server) table(r *http.Request) (*dataset, *table, error) {
	d, err := s.dataset(r)
	if err != nil {
		return nil, nil, err
	}
	t, ok := d.tables[r.PathValue("table")]
	if !ok {
		return nil, nil, notFound("Table", d.meta.Id+"."+r.PathValue("table"))
	}
	return d, t, nil
}

func (s *Server) insertTable(r *http.Request) (any, error) {
	var in rest.Table
	raw, err := readBody(r, &in)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.dataset(r)
	if err != nil {
		return nil, err
	}
	if err := checkNewTable(d, &in, raw); err != nil {
		return nil, err
	}
	name := in.TableReference.TableId
	if _, ok := d.tables[name]; ok {
		return nil, duplicate("Table", d.meta.Id+"."+name)
	}
	now := time.Now().UnixMilli()
	in.Kind, in.Id, in.Etag = "bigquery#table", d.meta.Id+"."+name, s.etag()
	in.Location = d.meta.Location
	in.CreationTime, in.LastModifiedTime = now, uint64(now)
	t := &table{meta: &in, version: 1}
	d.tables[name] = t
	return t.answer(), nil
}

// checkNewTable refuses what cannot be created and says what it is.
func checkNewTable(d *dataset, in *rest.Table, raw map[string]any) error {
	ref := d.meta.DatasetReference
	got := in.TableReference
	if got == nil || got.ProjectId != ref.ProjectId || got.DatasetId != ref.DatasetId {
		return invalid(fmt.Errorf("tableReference does not agree with the dataset %s", d.meta.Id))
	}
	if !validName(tableName, got.TableId) {
		return invalid(fmt.Errorf("invalid table id %q", got.TableId))
	}
	in.Type = "TABLE"
	switch {
	case in.View != nil && in.MaterializedView != nil:
		return invalid(fmt.Errorf("table %s.%s cannot be both a view and a materialized view", d.meta.Id, got.TableId))
	case in.View != nil:
		in.Type = "VIEW"
		if in.Schema != nil {
			return invalid(fmt.Errorf("schema field shouldn't be used as input with a view"))
		}
		// Left out it means true.
		if view, _ := raw["view"].(map[string]any); view["useLegacySql"] != false {
			return invalid(fmt.Errorf("legacy SQL is not taken here; set view.useLegacySql to false"))
		}
	case in.MaterializedView != nil:
		in.Type = "MATERIALIZED_VIEW"
		if in.Schema != nil {
			return invalid(fmt.Errorf("schema field shouldn't be used as input with a materialized view"))
		}
		if err := d.checkMaterialized(in); err != nil {
			return err
		}
	case in.Schema == nil || len(in.Schema.Fields) == 0:
		return invalid(fmt.Errorf("table %s.%s has no schema", d.meta.Id, got.TableId))
	}
	if err := checkTable(in); err != nil {
		return invalid(err)
	}
	return nil
}

func (s *Server) getTable(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, t, err := s.table(r)
	if err != nil {
		return nil, err
	}
	return t.answer(), nil
}

// changeTable serves patch and update; update begins from nothing.
func (s *Server) changeTable(r *http.Request) (any, error) {
	var in rest.Table
	raw, err := readBody(r, &in)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, t, err := s.table(r)
	if err != nil {
		return nil, err
	}
	old := t.meta
	if err := checkMatch(r, old.Etag); err != nil {
		return nil, err
	}
	out := &in
	if r.Method == http.MethodPatch {
		out = new(rest.Table)
		if err := change(old, raw, out); err != nil {
			return nil, err
		}
	}
	out.Kind, out.Id, out.Type, out.TableReference = old.Kind, old.Id, old.Type, old.TableReference
	out.Location, out.CreationTime = old.Location, old.CreationTime
	out.NumRows, out.NumBytes = 0, 0
	if err := checkTable(out); err != nil {
		return nil, invalid(err)
	}
	if err := checkChange(old, out); err != nil {
		return nil, invalid(err)
	}
	out.LastModifiedTime, out.Etag = uint64(time.Now().UnixMilli()), s.etag()
	s.replace(t, out)
	return t.answer(), nil
}

// replace gives a table another definition. The caller holds s.mu.
func (s *Server) replace(t *table, meta *rest.Table) {
	if meta.Schema != nil && t.meta.Schema != nil && countColumns(meta.Schema.Fields) > countColumns(t.meta.Schema.Fields) {
		t.version++
		t.before = t.meta
		t.lagging = s.switchesOf(keyOf(meta)).lag
	}
	t.meta = meta
}

func (s *Server) deleteTable(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, _, err := s.table(r)
	if err != nil {
		return nil, err
	}
	delete(d.tables, r.PathValue("table"))
	return nil, nil
}

func (s *Server) listTables(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.dataset(r)
	if err != nil {
		return nil, err
	}
	out := rest.TableList{Kind: "bigquery#tableList", TotalItems: int64(len(d.tables))}
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		m := d.tables[name].meta
		item := &rest.TableListTables{
			Kind: m.Kind, Id: m.Id, TableReference: m.TableReference, Type: m.Type,
			FriendlyName: m.FriendlyName, Labels: m.Labels, CreationTime: m.CreationTime,
			TimePartitioning: m.TimePartitioning, Clustering: m.Clustering,
			RequirePartitionFilter: m.RequirePartitionFilter,
		}
		if m.View != nil {
			item.View = &rest.TableListTablesView{}
		}
		out.Tables = append(out.Tables, item)
	}
	from, to, next, err := page(r, len(out.Tables))
	out.Tables, out.NextPageToken = out.Tables[from:to], next
	return &out, err
}

// A tableKey names a table.
type tableKey struct{ project, dataset, table string }

func keyOf(t *rest.Table) tableKey {
	r := t.TableReference
	return tableKey{r.ProjectId, r.DatasetId, r.TableId}
}
