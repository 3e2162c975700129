package faults

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"leadsync/sinks/bigquery/bqtest"
)

// appendCodes are the status codes with which an append can fail.
var appendCodes = []struct {
	code  codes.Code
	name  string
	class Class
}{
	{codes.Canceled, "CANCELLED", Transient},
	{codes.Unknown, "UNKNOWN", Transient},
	{codes.InvalidArgument, "INVALID_ARGUMENT", Data},
	{codes.DeadlineExceeded, "DEADLINE_EXCEEDED", Transient},
	{codes.NotFound, "NOT_FOUND", Setup},
	{codes.AlreadyExists, "ALREADY_EXISTS", Transient},
	{codes.PermissionDenied, "PERMISSION_DENIED", Setup},
	{codes.ResourceExhausted, "RESOURCE_EXHAUSTED", Throttled},
	{codes.FailedPrecondition, "FAILED_PRECONDITION", Setup},
	{codes.Aborted, "ABORTED", Transient},
	{codes.OutOfRange, "OUT_OF_RANGE", Transient},
	{codes.Unimplemented, "UNIMPLEMENTED", Setup},
	{codes.Internal, "INTERNAL", Transient},
	{codes.Unavailable, "UNAVAILABLE", Transient},
	{codes.DataLoss, "DATA_LOSS", Transient},
	{codes.Unauthenticated, "UNAUTHENTICATED", Setup},
}

// slug is a code in a fault's name.
func slug(code string) string { return strings.ToLower(strings.ReplaceAll(code, "_", "-")) }

// handled says what is done about a failed append, by its class.
var handled = map[Class]struct{ does, sees string }{
	Transient: {
		"tries again after 0.1 to 10 s, on a new stream if it goes on; holds the messages",
		"leadsync_append_retries_total{class=\"transient\"}; after 5 s /readyz and the log name the table",
	},
	Throttled: {
		"tries again after 1 to 30 s; holds the messages",
		"leadsync_append_retries_total{class=\"throttled\"}; after 5 s /readyz and the log name the table and the quota",
	},
	Setup: {
		"holds the messages and tries on a new stream every 2 to 30 s",
		"/readyz and the log name the table, the cause and what mends it, at once",
	},
	Data: {
		"looks whether the table is as defined, then halves the request until the bad row is alone",
		"leadsync_append_retries_total{class=\"data\"}; dead letters of what is refused to the last",
	},
}

// appendFaults are appends that fail: once or a few times, or until a person
// has acted.
func appendFaults() []Fault {
	var list []Fault
	for _, c := range appendCodes {
		list = append(list, failing("append-"+slug(c.name), "an append is answered "+c.name, c.class, &bqtest.Fault{Code: c.code}))
	}
	list = append(list,
		failing("append-eof", "the stream of appends ends without a status (EOF)", Transient, &bqtest.Fault{Reset: true}),
		failing("append-reset", "the stream of appends is reset (UNAVAILABLE)", Transient, &bqtest.Fault{Code: codes.Unavailable, Reset: true}),
		failing("append-reset-invalid", "the stream of appends is reset with INVALID_ARGUMENT, naming no row", Data,
			&bqtest.Fault{Code: codes.InvalidArgument, Reset: true}),
	)
	for _, e := range storageErrors {
		list = append(list, failing("storage-error-"+slug(e.name), "an append fails with the StorageError "+e.name+" ("+codeName(e.status)+")",
			e.class, &bqtest.Fault{Code: e.status, Storage: e.code}))
	}
	return list
}

func codeName(c codes.Code) string {
	for _, known := range appendCodes {
		if known.code == c {
			return known.name
		}
	}
	return fmt.Sprint(c)
}

// failing returns the line of a failure that is answered to appends.
func failing(name, wrong string, class Class, fault *bqtest.Fault) Fault {
	f := Fault{Name: name, Wrong: wrong, Sink: "bigquery", Class: class, Does: handled[class].does, Sees: handled[class].sees}
	switch class {
	case Setup:
		f.Play = func(r *Rig) error { return r.untilMended(fault) }
	case Transient:
		f.Play = func(r *Rig) error { return r.failAppends(class, fault, fault, fault) }
	default:
		f.Play = func(r *Rig) error { return r.failAppends(class, fault) }
	}
	return f
}

// failAppends lets a few appends to events_log fail.
func (r *Rig) failAppends(class Class, list ...*bqtest.Fault) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Next("events_log", list...)
	r.Broken()
	r.Publish(200)
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.expectRetries(class)
	r.ExpectGreen(recovery)
	return nil
}

// untilMended lets every append to events_log fail until the operator has
// learnt of it.
func (r *Rig) untilMended(fault *bqtest.Fault) error {
	if err := r.warm(); err != nil {
		return err
	}
	r.BigQuery.Fault(func(a *bqtest.Append) *bqtest.Fault {
		if a.Table != "events_log" {
			return nil
		}
		return fault
	})
	r.Broken()
	r.Publish(200)
	r.ExpectRed(alarm, "events_log", string(Setup))
	r.BigQuery.Fault(nil)
	r.Healed()
	if err := r.Settle(); err != nil {
		return err
	}
	r.ExpectNoNack()
	r.expectRetries(Setup)
	r.ExpectGreen(recovery)
	return nil
}

// expectRetries expects the metric of appends that were tried again to have
// counted some of a class, to events_log.
func (r *Rig) expectRetries(class Class) {
	name := fmt.Sprintf(`leadsync_append_retries_total{class=%q,table="events_log"}`, class)
	got, _ := r.Worker.Metric(r.ctx, name)
	r.Expect(got > 0, "%s is %v", name, got)
}
