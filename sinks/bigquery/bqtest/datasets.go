package bqtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	rest "google.golang.org/api/bigquery/v2"
)

// A dataset is guarded by the server's mutex. meta is never changed, but
// replaced.
type dataset struct {
	meta   *rest.Dataset
	tables map[string]*table
}

// datasetAnswer gives a dataset its entity tag in the header.
type datasetAnswer struct{ *rest.Dataset }

func (d datasetAnswer) tag() string { return d.Etag }

// dataset returns the one a request names. The caller holds s.mu.
func (s *Server) dataset(r *http.Request) (*dataset, error) {
	id := r.PathValue("project") + ":" + r.PathValue("dataset")
	d, ok := s.datasets[id]
	if !ok {
		return nil, notFound("Dataset", id)
	}
	return d, nil
}

func (s *Server) insertDataset(r *http.Request) (any, error) {
	var in rest.Dataset
	if _, err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.DatasetReference == nil || !validName(datasetName, in.DatasetReference.DatasetId) {
		return nil, invalid(fmt.Errorf("invalid dataset id: it must be letters, numbers and underscores, at most 1024"))
	}
	if err := checkLabels(in.Labels); err != nil {
		return nil, invalid(err)
	}
	project, name := r.PathValue("project"), in.DatasetReference.DatasetId
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.addDataset(project, name, &in)
	if err != nil {
		return nil, err
	}
	return datasetAnswer{d.meta}, nil
}

// addDataset creates a dataset. The caller holds s.mu.
func (s *Server) addDataset(project, name string, meta *rest.Dataset) (*dataset, error) {
	id := project + ":" + name
	if _, ok := s.datasets[id]; ok {
		return nil, duplicate("Dataset", id)
	}
	now := time.Now().UnixMilli()
	meta.Kind, meta.Id, meta.Type = "bigquery#dataset", id, "DEFAULT"
	meta.DatasetReference = &rest.DatasetReference{ProjectId: project, DatasetId: name}
	meta.CreationTime, meta.LastModifiedTime = now, now
	meta.Etag = s.etag()
	if meta.Location == "" {
		meta.Location = "US"
	}
	d := &dataset{meta: meta, tables: map[string]*table{}}
	s.datasets[id] = d
	return d, nil
}

func (s *Server) getDataset(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.dataset(r)
	if err != nil {
		return nil, err
	}
	return datasetAnswer{d.meta}, nil
}

// changeDataset serves patch and update. Only what people write changes.
func (s *Server) changeDataset(r *http.Request) (any, error) {
	var in rest.Dataset
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
	if err := checkMatch(r, d.meta.Etag); err != nil {
		return nil, err
	}
	var out rest.Dataset
	if err := change(d.meta, raw, &out); err != nil {
		return nil, err
	}
	if err := checkLabels(out.Labels); err != nil {
		return nil, invalid(err)
	}
	if out.Location != d.meta.Location {
		return nil, invalid(fmt.Errorf("cannot change the location of dataset %s", d.meta.Id))
	}
	old := d.meta
	out.Kind, out.Id, out.Type = old.Kind, old.Id, old.Type
	out.DatasetReference, out.CreationTime = old.DatasetReference, old.CreationTime
	out.LastModifiedTime, out.Etag = time.Now().UnixMilli(), s.etag()
	d.meta = &out
	return datasetAnswer{d.meta}, nil
}

func (s *Server) deleteDataset(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.dataset(r)
	if err != nil {
		return nil, err
	}
	if len(d.tables) > 0 && r.URL.Query().Get("deleteContents") != "true" {
		return nil, fail(http.StatusBadRequest, "resourceInUse", "Dataset %s is still in use", d.meta.Id)
	}
	delete(s.datasets, d.meta.Id)
	return nil, nil
}

func (s *Server) listDatasets(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := rest.DatasetList{Kind: "bigquery#datasetList"}
	for _, id := range slices.Sorted(maps.Keys(s.datasets)) {
		m := s.datasets[id].meta
		if m.DatasetReference.ProjectId == r.PathValue("project") {
			out.Datasets = append(out.Datasets, &rest.DatasetListDatasets{
				Id: m.Id, DatasetReference: m.DatasetReference, Labels: m.Labels, Location: m.Location,
			})
		}
	}
	from, to, next, err := page(r, len(out.Datasets))
	out.Datasets, out.NextPageToken = out.Datasets[from:to], next
	return &out, err
}

// etag returns a new entity tag. The caller holds s.mu.
func (s *Server) etag() string { return fmt.Sprintf("%q", fmt.Sprintf("tag-%d", s.next())) }

// checkMatch refuses a change of another version than the one the request
// was made for.
func checkMatch(r *http.Request, etag string) error {
	if want := r.Header.Get("If-Match"); want != "" && want != "*" && want != etag {
		return fail(http.StatusPreconditionFailed, "conditionNotMet", "Precondition check failed.")
	}
	return nil
}

// change applies a patch to a resource: what the patch has replaces, null
// removes, the rest stays.
func change(resource any, patch map[string]any, out any) error {
	data, err := json.Marshal(resource)
	if err != nil {
		return err
	}
	var m map[string]any
	if err := decodeJSON(data, &m); err != nil {
		return err
	}
	merge(m, patch)
	if data, err = json.Marshal(m); err != nil {
		return err
	}
	if err := decodeJSON(data, out); err != nil {
		return fail(http.StatusBadRequest, "invalid", "Invalid JSON payload received. %v", err)
	}
	return nil
}

func merge(into, patch map[string]any) {
	for k, v := range patch {
		old, isMap := into[k].(map[string]any)
		sub, subIsMap := v.(map[string]any)
		switch {
		case v == nil:
			delete(into, k)
		case isMap && subIsMap:
			merge(old, sub)
		default:
			into[k] = v
		}
	}
}
