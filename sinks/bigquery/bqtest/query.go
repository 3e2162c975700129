package bqtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	bq "cloud.google.com/go/bigquery"
	rest "google.golang.org/api/bigquery/v2"
)

// A Query is one that a client sent.
type Query struct {
	SQL            string
	Project        string
	Dataset        string // default dataset, "" for none
	Location       string
	DryRun         bool
	NoCache        bool
	MaxBytesBilled int64 // 0 for no limit
	Labels         map[string]string
	Parameters     int // how many it has
}

// A Result answers a [Query].
type Result struct {
	Schema bq.Schema
	// Rows hold a value for each column: nil, string, int64, float64, bool,
	// []byte, [time.Time], and []any for what is repeated and for a record's
	// columns.
	Rows [][]any

	StatementType  string // "" stands for SELECT, or else the statement's first word
	AffectedRows   int64  // how many rows a DML statement changed
	BytesProcessed int64
	CacheHit       bool
}

// OnQuery answers queries with f, dry runs too. An error of f is answered
// as by [Server.FailREST], except that one that is no googleapi error becomes
// 400 invalidQuery. f may run concurrently, and must return for
// [Server.Close] to leave nothing behind. Without one queries are answered 501
// notImplemented.
func (s *Server) OnQuery(f func(q *Query) (*Result, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onQuery = f
}

// A job is one query that was answered, or a load, kept until the server
// closes. It is guarded by the server's mutex. meta is never changed, but
// replaced.
type job struct {
	meta   *rest.Job
	hidden int // looks at a load that find nothing

	// Of a query.
	res  *Result
	cols []*rest.TableFieldSchema
}

// query serves the short way to query, jobs.query.
func (s *Server) query(r *http.Request) (any, error) {
	var in rest.QueryRequest
	if _, err := readBody(r, &in); err != nil {
		return nil, err
	}
	q := &Query{
		SQL: in.Query, Project: r.PathValue("project"), Location: in.Location, DryRun: in.DryRun,
		NoCache: in.UseQueryCache != nil && !*in.UseQueryCache, MaxBytesBilled: in.MaximumBytesBilled,
		Labels: in.Labels, Parameters: len(in.QueryParameters),
	}
	if in.DefaultDataset != nil {
		q.Dataset = in.DefaultDataset.DatasetId
	}
	j, err := s.run(q, in.UseLegacySql, "", nil)
	if err != nil {
		return nil, err
	}
	res, err := j.page(0, limit(len(j.res.Rows), in.MaxResults))
	if err != nil {
		return nil, err
	}
	return &rest.QueryResponse{
		Kind: "bigquery#queryResponse", JobComplete: true, JobReference: j.meta.JobReference,
		Schema: res.Schema, Rows: res.Rows, TotalRows: res.TotalRows, PageToken: res.PageToken,
		CacheHit: j.res.CacheHit, TotalBytesProcessed: j.res.BytesProcessed, ForceSendFields: []string{"Rows", "TotalRows"},
	}, nil
}

func limit(n int, most int64) int {
	if most > 0 {
		return min(n, int(most))
	}
	return n
}

// insertJob serves jobs.insert, for queries and loads.
func (s *Server) insertJob(r *http.Request) (any, error) {
	var in rest.Job
	if _, err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.Configuration != nil && in.Configuration.Load != nil {
		return s.insertLoad(r, &in)
	}
	if in.Configuration == nil || in.Configuration.Query == nil {
		return nil, fail(http.StatusNotImplemented, "notImplemented", "only query and load jobs are there in this stand-in")
	}
	c := in.Configuration
	q := &Query{
		SQL: c.Query.Query, Project: r.PathValue("project"), DryRun: c.DryRun,
		NoCache: c.Query.UseQueryCache != nil && !*c.Query.UseQueryCache, MaxBytesBilled: c.Query.MaximumBytesBilled,
		Labels: c.Labels, Parameters: len(c.Query.QueryParameters),
	}
	if c.Query.DefaultDataset != nil {
		q.Dataset = c.Query.DefaultDataset.DatasetId
	}
	id := ""
	if in.JobReference != nil {
		id, q.Location = in.JobReference.JobId, in.JobReference.Location
	}
	j, err := s.run(q, c.Query.UseLegacySql, id, c)
	if err != nil {
		return nil, err
	}
	return j.meta, nil
}

// run answers a query and keeps the answer as a job.
func (s *Server) run(q *Query, legacy *bool, id string, config *rest.JobConfiguration) (*job, error) {
	if legacy == nil || *legacy {
		return nil, fail(http.StatusBadRequest, "invalid", "Legacy SQL is not taken here; set useLegacySql to false")
	}
	if strings.TrimSpace(q.SQL) == "" {
		return nil, fail(http.StatusBadRequest, "invalidQuery", "Syntax error: Unexpected end of statement")
	}
	s.mu.Lock()
	onQuery := s.onQuery
	_, taken := s.jobs[q.Project+":"+id]
	s.mu.Unlock()
	if taken { // it is not run again
		return nil, duplicate("Job", q.Project+":"+id)
	}
	if onQuery == nil {
		return nil, fail(http.StatusNotImplemented, "notImplemented", "queries are not answered in this stand-in")
	}
	res, err := onQuery(q)
	if err != nil {
		return nil, queryError(err)
	}
	cols, err := restColumns(res.Schema)
	if err != nil {
		return nil, invalid(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		id = fmt.Sprintf("job_%d", s.next())
	}
	key := q.Project + ":" + id
	if _, ok := s.jobs[key]; ok {
		return nil, duplicate("Job", key)
	}
	j := &job{res: res, cols: cols, meta: jobMeta(q, id, config, res, cols)}
	if !q.DryRun {
		s.jobs[key] = j
	}
	return j, nil
}

func jobMeta(q *Query, id string, config *rest.JobConfiguration, res *Result, cols []*rest.TableFieldSchema) *rest.Job {
	if config == nil {
		no := false
		config = &rest.JobConfiguration{Query: &rest.JobConfigurationQuery{Query: q.SQL, UseLegacySql: &no}}
	}
	config.JobType = "QUERY"
	location := q.Location
	if location == "" {
		location = "US"
	}
	now := time.Now().UnixMilli()
	return &rest.Job{
		Kind: "bigquery#job", Id: q.Project + ":" + location + "." + id,
		JobReference:  &rest.JobReference{ProjectId: q.Project, JobId: id, Location: location},
		Configuration: config,
		Status:        &rest.JobStatus{State: "DONE"},
		Statistics: &rest.JobStatistics{
			CreationTime: now, StartTime: now, EndTime: now, TotalBytesProcessed: res.BytesProcessed,
			Query: &rest.JobStatistics2{
				StatementType: statementType(q.SQL, res), TotalBytesProcessed: res.BytesProcessed, CacheHit: res.CacheHit,
				NumDmlAffectedRows: res.AffectedRows,
				Schema:             &rest.TableSchema{Fields: cols},
			},
		},
	}
}

// statementType returns the result's, or guesses by the statement's first word.
func statementType(sql string, res *Result) string {
	if res.StatementType != "" {
		return res.StatementType
	}
	word := strings.ToUpper(strings.TrimLeft(sql, " \t\r\n("))
	if i := strings.IndexFunc(word, func(r rune) bool { return r < 'A' || r > 'Z' }); i >= 0 {
		word = word[:i]
	}
	if word == "WITH" || word == "FROM" {
		return "SELECT"
	}
	return word
}
