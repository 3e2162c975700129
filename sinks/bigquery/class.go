package bigquery

import (
	"errors"
	"fmt"
	"net/http"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"leadsync/sinks"
)

// classify says what a failed append or a stream that did not open calls for.
//
// The detail comes before the status: a stream with a column that the table
// lacks is an INVALID_ARGUMENT like a bad row, and only the detail tells that
// every row would fail.
func classify(err error) sinks.Class {
	switch storageCode(err) {
	case storagepb.StorageError_TABLE_NOT_FOUND,
		storagepb.StorageError_STREAM_NOT_FOUND,
		storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS,
		storagepb.StorageError_INVALID_STREAM_TYPE,
		storagepb.StorageError_INVALID_STREAM_STATE,
		storagepb.StorageError_STREAM_FINALIZED,
		storagepb.StorageError_CMEK_NOT_PROVIDED,
		storagepb.StorageError_INVALID_CMEK_PROVIDED,
		storagepb.StorageError_CMEK_ENCRYPTION_ERROR,
		storagepb.StorageError_KMS_PERMISSION_DENIED:
		return sinks.Setup
	case storagepb.StorageError_KMS_SERVICE_ERROR:
		return sinks.Transient
	}
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return sinks.Throttled
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented:
		return sinks.Setup
	case codes.InvalidArgument:
		return sinks.Data
	default: // also what has no status: a connection that ended, a deadline
		return sinks.Transient
	}
}

// storageCode returns the code in the error's details, 0 if there is none.
func storageCode(err error) storagepb.StorageError_StorageErrorCode {
	s, ok := status.FromError(err)
	if !ok {
		return 0
	}
	for _, d := range s.Details() {
		if e, ok := d.(*storagepb.StorageError); ok {
			return e.GetCode()
		}
	}
	return 0
}

// public returns an error fit for logs. The text of INVALID_ARGUMENT is left
// out unless its detail tells what it is about, since it may quote a value.
func public(err error) error {
	if status.Code(err) == codes.InvalidArgument && storageCode(err) == 0 {
		return errors.New("rpc error: code = InvalidArgument")
	}
	return err
}

// remedy says what a person can do about a failure of the class.
func remedy(err error, class sinks.Class) string {
	switch {
	case class == sinks.Throttled:
		return "wait, or raise the project's BigQuery quota"
	case class != sinks.Setup:
		return "it is retried until BigQuery answers"
	case isDenied(err) && errors.As(err, new(*jobCallError)):
		return "give the worker's account the roles roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset"
	case isDenied(err):
		return "give the worker's account the role roles/bigquery.dataEditor on the dataset"
	case isSchema(err):
		return `run "leadsync schema apply"`
	default:
		return `run "leadsync doctor"`
	}
}

// ErrBehind is the error of tables that will take our rows once
// [Warehouse.Apply] has added what is lacking: a new column, or a table that an
// earlier version did not have.
var ErrBehind = errors.New("tables are behind their definitions")

func isBehind(err error) bool {
	var e *incompatible
	return errors.As(err, &e) && e.behind
}

// isSchema reports that the table is missing or lacks what our rows have.
func isSchema(err error) bool {
	switch storageCode(err) {
	case storagepb.StorageError_TABLE_NOT_FOUND, storagepb.StorageError_STREAM_NOT_FOUND,
		storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS:
		return true
	}
	var e *incompatible
	return status.Code(err) == codes.NotFound || isNotFound(err) || errors.As(err, &e)
}

func isDenied(err error) bool {
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return true
	}
	return hasHTTPCode(err, http.StatusForbidden, http.StatusUnauthorized)
}

func isNotFound(err error) bool { return hasHTTPCode(err, http.StatusNotFound) }

// isConflict reports that somebody else changed or created the thing first.
func isConflict(err error) bool {
	return hasHTTPCode(err, http.StatusConflict, http.StatusPreconditionFailed)
}

func hasHTTPCode(err error, list ...int) bool {
	var e *googleapi.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range list {
		if e.Code == code {
			return true
		}
	}
	return false
}

// An incompatible table cannot take our rows.
type incompatible struct {
	table  string
	what   string
	behind bool // it will once what is missing was added
}

func (e *incompatible) Error() string {
	return fmt.Sprintf("table %s: %s", e.table, e.what)
}
