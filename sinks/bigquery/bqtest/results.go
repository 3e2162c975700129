package bqtest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	bq "cloud.google.com/go/bigquery"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/api/googleapi"
)

// job returns the one a request names.
func (s *Server) job(r *http.Request) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.PathValue("project") + ":" + r.PathValue("job")
	j, ok := s.jobs[key]
	if !ok || j.find404(r.URL.Query().Get("location")) {
		return nil, notFound("Job", key)
	}
	return j, nil
}

func (s *Server) getJob(r *http.Request) (any, error) {
	j, err := s.job(r)
	if err != nil {
		return nil, err
	}
	return s.shown(j), nil
}

// cancelJob answers; queries here are done already, and loads go on.
func (s *Server) cancelJob(r *http.Request) (any, error) {
	j, err := s.job(r)
	if err != nil {
		return nil, err
	}
	return &rest.JobCancelResponse{Job: s.shown(j)}, nil
}

func (s *Server) queryResults(r *http.Request) (any, error) {
	j, err := s.job(r)
	if err != nil {
		return nil, err
	}
	if j.res == nil {
		return nil, fail(http.StatusBadRequest, "invalid", "Cannot get the query results of a job that is not a query")
	}
	from, to, _, err := page(r, len(j.res.Rows))
	if err != nil {
		return nil, err
	}
	return j.page(from, to)
}

// page returns some of a job's rows.
func (j *job) page(from, to int) (*rest.GetQueryResultsResponse, error) {
	out := &rest.GetQueryResultsResponse{
		Kind: "bigquery#getQueryResultsResponse", JobComplete: true, JobReference: j.meta.JobReference,
		Schema: &rest.TableSchema{Fields: j.cols}, TotalRows: uint64(len(j.res.Rows)),
		Rows:            []*rest.TableRow{},
		CacheHit:        j.res.CacheHit,
		ForceSendFields: []string{"Rows", "TotalRows"},
	}
	if to < len(j.res.Rows) {
		out.PageToken = strconv.Itoa(to)
	}
	for i, row := range j.res.Rows[from:to] {
		cells, err := cellsOf(row, j.cols)
		if err != nil {
			return nil, invalid(fmt.Errorf("row %d of the test's result: %w", from+i, err))
		}
		out.Rows = append(out.Rows, &rest.TableRow{F: cells})
	}
	return out, nil
}

func cellsOf(row []any, cols []*rest.TableFieldSchema) ([]*rest.TableCell, error) {
	if len(row) != len(cols) {
		return nil, fmt.Errorf("%d values for %d columns", len(row), len(cols))
	}
	var cells []*rest.TableCell
	for i, v := range row {
		c := *cols[i]
		if c.Mode != "REPEATED" {
			content, err := content(v, &c)
			if err != nil {
				return nil, err
			}
			cells = append(cells, cell(content))
			continue
		}
		list, ok := v.([]any)
		if !ok && v != nil {
			return nil, fmt.Errorf("column %s: %T for a repeated column", c.Name, v)
		}
		items := []*rest.TableCell{}
		for _, v := range list {
			content, err := content(v, &c)
			if err != nil {
				return nil, err
			}
			items = append(items, cell(content))
		}
		cells = append(cells, cell(items))
	}
	return cells, nil
}

func cell(content any) *rest.TableCell {
	return &rest.TableCell{V: content, ForceSendFields: []string{"V"}}
}

// content returns one value in its form on the wire.
func content(v any, c *rest.TableFieldSchema) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	case []byte:
		return base64.StdEncoding.EncodeToString(v), nil
	case time.Time:
		// Clients ask for microseconds instead of a float of seconds.
		return strconv.FormatInt(v.UnixMicro(), 10), nil
	case []any:
		cells, err := cellsOf(v, c.Fields)
		return &rest.TableRow{F: cells}, err
	default:
		return nil, fmt.Errorf("column %s: %T is no value of a result", c.Name, v)
	}
}

// restColumns returns a schema in the form of the REST API.
func restColumns(schema bq.Schema) ([]*rest.TableFieldSchema, error) {
	data, err := schema.ToJSONFields()
	if err != nil {
		return nil, err
	}
	var cols []*rest.TableFieldSchema
	if err := json.Unmarshal(data, &cols); err != nil {
		return nil, err
	}
	return cols, checkColumns(cols, "", 1)
}

// queryError returns an error of the test's function as the service's.
func queryError(err error) error {
	var e *googleapi.Error
	if errors.As(err, &e) {
		return e
	}
	return fail(http.StatusBadRequest, "invalidQuery", "%v", err)
}
