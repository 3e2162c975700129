package transform

import (
	"crypto/sha256"
	"encoding/hex"
)

// Reason is the code of a dead letter's cause.
type Reason string

// The reasons. Where several apply to an event, the first in this order is
// its reason.
const (
	TooLarge            Reason = "too_large"               // above [MaxPayload]
	JSONInvalid         Reason = "json_invalid"            // not one JSON text: syntax, UTF-8, duplicate keys, trailing data
	JSONTooDeep         Reason = "json_too_deep"           // nested deeper than [MaxDepth]
	NotAnObject         Reason = "not_an_object"           // JSON, but not an object
	EventTypeMissing    Reason = "event_type_missing"      // no event_type
	TenantMissing       Reason = "tenant_missing"          // no mid
	EventTimeInvalid    Reason = "event_time_invalid"      // create_time missing or not whole seconds
	EventTimeOutOfRange Reason = "event_time_out_of_range" // outside 10 years back to 1 year ahead
	ExtraDataInvalid    Reason = "extra_data_invalid"      // extra_data is not an object
	RowRejected         Reason = "row_rejected"            // the warehouse refused a row of the event
	RowTooLarge         Reason = "row_too_large"           // an encoded row above [MaxRow]
)

// Reasons lists every reason in order of precedence.
var Reasons = [...]Reason{
	TooLarge, JSONInvalid, JSONTooDeep, NotAnObject, EventTypeMissing, TenantMissing,
	EventTimeInvalid, EventTimeOutOfRange, ExtraDataInvalid, RowRejected, RowTooLarge,
}

// Stage is where an event died.
type Stage string

// The stages.
const (
	StageDecode    Stage = "decode"    // it is no event
	StageTransform Stage = "transform" // it is an event that has no valid rows
	StageWrite     Stage = "write"     // the warehouse refused its rows
	StageCallback  Stage = "callback"  // its call-back failed for good
)

// A Rejection says why an event cannot become rows. It never holds a value of
// the payload.
type Rejection struct {
	Reason Reason
	Stage  Stage

	// Cause is what was wrong in words that are the same for every event
	// with the same cause.
	Cause string

	// Detail locates the cause in this event, for example "at byte 17"; may
	// be empty.
	Detail string
}

func (r *Rejection) Error() string {
	s := string(r.Reason) + ": " + r.Cause
	if r.Detail != "" {
		s += " " + r.Detail
	}
	return s
}

// Fingerprint returns 16 lower-case hex digits that are equal for rejections
// with the same stage, reason and cause.
func (r *Rejection) Fingerprint() string {
	sum := sha256.Sum256([]byte(string(r.Stage) + "\x00" + string(r.Reason) + "\x00" + r.Cause))
	return hex.EncodeToString(sum[:8])
}
