package bqtest

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	rest "google.golang.org/api/bigquery/v2"
)

// A Load is one load job that a client asked for.
type Load struct {
	Project, Dataset, Table string

	ID       string
	Location string // "" if the client named none
	URIs     []string
	N        int // number of this request among all for its table, from 1
}

// A LoadFault is what goes wrong with one load job. The zero LoadFault is none.
type LoadFault struct {
	// Code is the HTTP status with which the insert fails, with Reason and
	// Message. Hang leaves it without an answer until its client gives up.
	// Taken makes the job all the same.
	Code    int
	Reason  string
	Message string
	Hang    bool
	Taken   bool

	// Hidden is how many looks at the job find nothing, as if the service had
	// not heard of it everywhere.
	Hidden int

	// Pending and Running are how long the job stays in these states.
	Pending, Running time.Duration

	// Fail is the reason with which the job fails, with Message. Nothing is
	// written then.
	Fail string
}

// FaultLoad lets a test decide about every request for a load job that is not
// refused by itself: f returns nil, or what goes wrong with it. Calls of f
// never overlap, and it may call the server's other methods. A nil f removes it.
func (s *Server) FaultLoad(f func(l *Load) *LoadFault) {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	s.onLoad = f
}

// Storage names the server that has the objects which load jobs read: url is
// all that comes before "/storage/v1/b/bucket/o/key" of Cloud Storage's API,
// for example of an emulator. Without one load jobs are answered 501
// notImplemented.
func (s *Server) Storage(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storageURL = strings.TrimSuffix(url, "/")
}

// NumLoads returns how many load jobs for a table were asked for.
func (s *Server) NumLoads(table string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.find(table); t != nil {
		return t.loads
	}
	return 0
}

var jobID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// insertLoad serves jobs.insert for load jobs.
func (s *Server) insertLoad(r *http.Request, in *rest.Job) (any, error) {
	l, err := readLoad(r.PathValue("project"), in)
	if err != nil {
		return nil, err
	}
	if err := s.admit(l); err != nil {
		return nil, err
	}
	f := s.loadFault(l)
	failed := f.Code != 0 || f.Hang
	var j *job
	if !failed || f.Taken {
		if j, err = s.begin(l, in.Configuration, f); err != nil {
			return nil, err
		}
	}
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-s.life.Done():
		}
	}
	if failed {
		return nil, fail(cmp.Or(f.Code, http.StatusServiceUnavailable), cmp.Or(f.Reason, "backendError"), "%s", f.text())
	}
	return s.shown(j), nil
}

func (f *LoadFault) text() string {
	return cmp.Or(f.Message, "Failed on demand of the test.")
}

// readLoad takes what a request says of its job, and refuses what is not there
// in this stand-in.
func readLoad(project string, in *rest.Job) (*Load, error) {
	c := in.Configuration.Load
	if in.Configuration.DryRun {
		return nil, fail(http.StatusBadRequest, "invalid", "Dry run is not supported for load jobs")
	}
	if c.DestinationTable == nil {
		return nil, fail(http.StatusBadRequest, "required", "Required parameter is missing: destinationTable")
	}
	if len(c.SourceUris) == 0 || len(c.SourceUris) > 10_000 {
		return nil, fail(http.StatusBadRequest, "invalid", "Load configuration must specify 1 to 10000 source URIs, not %d", len(c.SourceUris))
	}
	for _, uri := range c.SourceUris {
		if !sourceURI.MatchString(uri) {
			return nil, fail(http.StatusBadRequest, "invalid", "Invalid source URI: %s", uri)
		}
	}
	switch {
	case c.SourceFormat != "NEWLINE_DELIMITED_JSON":
		return nil, fail(http.StatusNotImplemented, "notImplemented", "source format %q is not there in this stand-in", c.SourceFormat)
	case c.WriteDisposition != "" && c.WriteDisposition != "WRITE_APPEND":
		return nil, fail(http.StatusNotImplemented, "notImplemented", "write disposition %q is not there in this stand-in", c.WriteDisposition)
	case c.CreateDisposition != "CREATE_NEVER":
		return nil, fail(http.StatusNotImplemented, "notImplemented", "create disposition %q is not there in this stand-in", c.CreateDisposition)
	case c.MaxBadRecords != 0 || c.IgnoreUnknownValues || c.Autodetect || c.Schema != nil || len(c.SchemaUpdateOptions) > 0:
		return nil, fail(http.StatusNotImplemented, "notImplemented", "bad records, unknown values and schemas are not taken in this stand-in")
	}
	to := c.DestinationTable
	l := &Load{Project: to.ProjectId, Dataset: to.DatasetId, Table: to.TableId, URIs: c.SourceUris}
	if ref := in.JobReference; ref != nil {
		l.ID, l.Location = ref.JobId, ref.Location
		if l.ID != "" && (!jobID.MatchString(l.ID) || len(l.ID) > maxName) {
			return nil, fail(http.StatusBadRequest, "invalid", "Invalid job ID \"%s\"", l.ID)
		}
	}
	if l.Project != project {
		return nil, fail(http.StatusNotImplemented, "notImplemented", "tables of other projects are not there in this stand-in")
	}
	return l, nil
}

// admit refuses a request that the service refuses before it makes a job of
// it, and numbers the others. That the table is missing the job finds out.
func (s *Server) admit(l *Load) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.storageURL == "" {
		return fail(http.StatusNotImplemented, "notImplemented", "no storage is behind this stand-in")
	}
	d, ok := s.datasets[l.Project+":"+l.Dataset]
	if !ok || l.Location != "" && !strings.EqualFold(l.Location, d.meta.Location) {
		return fail(http.StatusNotFound, "notFound", "Not found: Dataset %s:%s was not found in location %s", l.Project, l.Dataset, cmp.Or(l.Location, "US"))
	}
	l.Location = cmp.Or(l.Location, d.meta.Location)
	if s.switchesOf(tableKey{l.Project, l.Dataset, l.Table}).denied {
		return fail(http.StatusForbidden, "accessDenied", "Access Denied: Table %[1]s:%[2]s.%[3]s: Permission bigquery.tables.updateData denied on table %[1]s:%[2]s.%[3]s (or it may not exist).", l.Project, l.Dataset, l.Table)
	}
	if l.ID != "" && s.jobs[l.Project+":"+l.ID] != nil {
		return duplicate("Job", l.Project+":"+l.Location+"."+l.ID)
	}
	l.N = 1
	if t := d.tables[l.Table]; t != nil {
		t.loads++
		l.N = t.loads
	}
	return nil
}

func (s *Server) loadFault(l *Load) *LoadFault {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	if s.onLoad != nil {
		if f := s.onLoad(l); f != nil {
			return f
		}
	}
	return &LoadFault{}
}

// begin makes the job and starts it.
func (s *Server) begin(l *Load, config *rest.JobConfiguration, f *LoadFault) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ID == "" {
		l.ID = fmt.Sprintf("job_%d", s.next())
	}
	key := l.Project + ":" + l.ID
	if s.jobs[key] != nil {
		return nil, duplicate("Job", l.Project+":"+l.Location+"."+l.ID)
	}
	if s.life.Err() != nil {
		return nil, fail(http.StatusServiceUnavailable, "backendError", "shutting down")
	}
	config.JobType = "LOAD"
	config.Load.WriteDisposition = "WRITE_APPEND"
	j := &job{hidden: f.Hidden, meta: &rest.Job{
		Kind: "bigquery#job", Id: l.Project + ":" + l.Location + "." + l.ID, Configuration: config,
		JobReference: &rest.JobReference{ProjectId: l.Project, JobId: l.ID, Location: l.Location},
		Status:       &rest.JobStatus{State: "PENDING"},
		Statistics:   &rest.JobStatistics{CreationTime: time.Now().UnixMilli()},
	}}
	s.jobs[key] = j
	s.wg.Go(func() { s.load(j, l, f) })
	return j, nil
}

// load runs a job to its end, or until the server closes.
func (s *Server) load(j *job, l *Load, f *LoadFault) {
	if waitUntil(s.life, time.Now().Add(f.Pending)) != nil {
		return
	}
	s.mu.Lock()
	meta := *j.meta
	stats := *meta.Statistics
	stats.StartTime = time.Now().UnixMilli()
	meta.Status, meta.Statistics = &rest.JobStatus{State: "RUNNING"}, &stats
	j.meta = &meta
	t := s.loadTable(l)
	var columns *rest.Table
	if t != nil {
		columns = t.meta
	}
	from := s.storageURL
	s.mu.Unlock()

	var in loaded
	var errs []*rest.ErrorProto
	switch {
	case f.Fail != "":
		errs = []*rest.ErrorProto{{Reason: f.Fail, Message: f.text()}}
	case t == nil:
		errs = []*rest.ErrorProto{{Reason: "notFound", Message: fmt.Sprintf("Not found: Table %s:%s.%s", l.Project, l.Dataset, l.Table)}}
	default:
		in, errs = readObjects(s.life, from, columns, l.URIs)
	}
	if waitUntil(s.life, time.Now().Add(f.Running)) != nil {
		return
	}
	s.finish(j, l, t, in, errs)
}

// loadTable returns the table of a job, nil if there is none. The caller holds
// s.mu.
func (s *Server) loadTable(l *Load) *table {
	if d := s.datasets[l.Project+":"+l.Dataset]; d != nil {
		if t := d.tables[l.Table]; t != nil && t.meta.Type == "TABLE" {
			return t
		}
	}
	return nil
}

// finish ends a job: all its rows are there from now on, or none.
func (s *Server) finish(j *job, l *Load, t *table, in loaded, errs []*rest.ErrorProto) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(errs) == 0 && s.loadTable(l) != t {
		errs = []*rest.ErrorProto{{Reason: "notFound", Message: "Not found: the table has gone"}}
	}
	meta := *j.meta
	stats := *meta.Statistics
	stats.EndTime = time.Now().UnixMilli()
	stats.Load = &rest.JobStatistics3{InputFiles: int64(in.files), InputFileBytes: in.bytes, BadRecords: int64(in.bad)}
	meta.Status, meta.Statistics = &rest.JobStatus{State: "DONE"}, &stats
	if len(errs) > 0 {
		meta.Status.ErrorResult, meta.Status.Errors = errs[0], errs
	} else {
		stats.Load.OutputRows, stats.Load.OutputBytes = int64(len(in.rows)), in.bytes
		t.rows = append(t.rows, in.rows...)
		t.bytes += in.bytes
	}
	j.meta = &meta
}

// shown returns the job as it is at this moment.
func (s *Server) shown(j *job) *rest.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.meta
}

// find404 reports whether a look at a job finds nothing: it is asked for in
// another place than it runs in, or has not been heard of. The caller holds
// s.mu.
func (j *job) find404(location string) bool {
	if j.meta.Configuration.JobType != "LOAD" {
		return false
	}
	if j.hidden > 0 {
		j.hidden--
		return true
	}
	is := j.meta.JobReference.Location
	if location == "" { // the service looks in the multi-regions only
		return !slices.Contains([]string{"US", "EU"}, strings.ToUpper(is))
	}
	return !strings.EqualFold(location, is)
}
