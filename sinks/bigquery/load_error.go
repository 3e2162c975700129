package bigquery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	bq "cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"leadsync/sinks"
)

// insist calls f, each time with a deadline of its own, until it succeeds, ctx
// ends or it fails in a way that no time mends.
func (t *tableLoad) insist(ctx context.Context, what string, f func(context.Context) error) error {
	held := false
	defer func() {
		if held {
			t.health.leave()
		}
	}()
	for try := 0; ; try++ {
		begun := time.Now()
		err := within(ctx, t.config.AppendTimeout, f)
		if err == nil {
			t.health.succeeded()
			return nil
		}
		class := classifyREST(err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w after %w", what, context.Cause(ctx), err)
		case class == sinks.Data:
			return fmt.Errorf("%s: %w", what, err)
		}
		if !held {
			held = true
			t.health.hold()
		}
		t.health.failed(class, &jobCallError{what, err}, begun)
		sleep(ctx, t.config.pacing.of(class).pause(try))
		t.config.Observer.Retried(t.table.ID, class)
	}
}

func within(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f(ctx)
}

// classifyREST says what a failed call for a job calls for. Data stands for a
// request that can never be right.
func classifyREST(err error) sinks.Class {
	var e *googleapi.Error
	if !errors.As(err, &e) {
		return sinks.Transient // a connection that ended, a deadline, an unheard job
	}
	reason := ""
	if len(e.Errors) > 0 {
		reason = e.Errors[0].Reason
	}
	switch {
	case reason == "rateLimitExceeded" || reason == "quotaExceeded" || e.Code == http.StatusTooManyRequests:
		return sinks.Throttled
	case e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden || e.Code == http.StatusNotFound:
		return sinks.Setup
	case e.Code >= 500 && e.Code != http.StatusNotImplemented || e.Code == http.StatusRequestTimeout:
		return sinks.Transient
	default:
		return sinks.Data
	}
}

// unheard turns the absence of a job that must be there into an error that
// passes.
func unheard(err error) error {
	if isNotFound(err) {
		return errors.New("the job is not found, though it was taken")
	}
	return err
}

// A jobCallError is a call for a load job that failed: others are lacking than
// for an append if it was denied.
type jobCallError struct {
	what string
	err  error
}

func (e *jobCallError) Error() string { return e.what + ": " + e.err.Error() }

func (e *jobCallError) Unwrap() error { return e.err }

// A jobError is a load job that failed. Nothing of it is in the table. It
// keeps the words of the service to itself, since they may quote values.
type jobError struct {
	job, table       string
	where            string // to look the job up
	reason, location string
	errors           int // that the service has listed
	partitions       bool
}

func newJobError(t *tableLoad, job *bq.Job) *jobError {
	e := &jobError{
		job: job.ID(), table: t.table.Name, where: fmt.Sprintf("%s:%s.%s", job.ProjectID(), job.Location(), job.ID()),
		reason: "unknown", errors: len(job.LastStatus().Errors),
	}
	var cause *bq.Error
	if errors.As(job.LastStatus().Err(), &cause) {
		e.reason, e.location = cause.Reason, cause.Location
		e.partitions = strings.Contains(strings.ToLower(cause.Message), "partition")
	}
	return e
}

// passing are the reasons for which the same rows may be loaded by another job.
var passing = []string{
	"backendError", "internalError", "rateLimitExceeded", "tableUnavailable",
	"jobBackendError", "jobInternalError", "jobRateLimitExceeded",
}

func (e *jobError) passes() bool { return slices.Contains(passing, e.reason) && !e.partitions }

func (e *jobError) Error() string {
	at := ""
	if e.location != "" {
		at = " at " + e.location
	}
	return fmt.Sprintf("load job %s failed: %s%s (%d errors listed), and nothing of it is in %s; %s; the service's words, which may quote values: bq show -j %s",
		e.job, e.reason, at, e.errors, e.table, e.remedy(), e.where)
}

func (e *jobError) remedy() string {
	switch {
	case e.partitions:
		return "a job may change 4,000 partitions, and a table some ten thousand a day: load fewer days at once, in smaller parts, or wait for a day"
	case e.passes():
		return "begin the load again: it ought to pass"
	}
	switch e.reason {
	case "quotaExceeded":
		return "a table takes 1,500 load jobs a day: begin the load again later, or load larger parts"
	case "accessDenied":
		return "let the account read the bucket (roles/storage.objectViewer) and write to the dataset (roles/bigquery.dataEditor)"
	case "notFound":
		return `the table or a staged object has gone: run "leadsync schema apply", and begin the load again`
	case "invalid":
		return `a row does not fit the table: run "leadsync schema plan", and begin the load again`
	default:
		return "begin the load again when the cause is mended"
	}
}
