package transform

import "fmt"

// Mend says what to do so that an event is not rejected for the reason, in a
// sentence for people.
func (r Reason) Mend() string {
	switch r {
	case TooLarge:
		return fmt.Sprintf("send at most %d MiB: leave out what is large, or tell it in several events", MaxPayload>>20)
	case JSONInvalid:
		return "send exactly one JSON text in UTF-8, with each key of an object once"
	case JSONTooDeep:
		return fmt.Sprintf("nest arrays and objects at most %d deep: send what is deeper as a string", MaxDepth)
	case NotAnObject:
		return "send one JSON object an event; an array of events is taken apart in files only"
	case EventTypeMissing:
		return "give event_type a text"
	case TenantMissing:
		return "give mid the tenant's id"
	case EventTimeInvalid:
		return "give create_time whole Unix seconds, as a number or a string of digits"
	case EventTimeOutOfRange:
		return "check that create_time is in seconds, not milliseconds, and no more than 10 years ago or 1 year ahead"
	case ExtraDataInvalid:
		return "make extra_data an object; null, [] and no key at all count as an empty one"
	case RowRejected:
		return "see the error for the warehouse's cause: most often its schema differs, which leadsync schema plan shows"
	case RowTooLarge:
		return fmt.Sprintf("send fewer or shorter values: one row of an event holds at most %d MiB", MaxRow>>20)
	default:
		return ""
	}
}

// Remedy names the setting or step by which an event that was rejected for the
// reason is accepted as it is, without being sent anew, in a sentence for
// people; "" where there is none.
func (r Reason) Remedy() string {
	switch r {
	case EventTimeOutOfRange:
		return "waiting, for one from the future: it is accepted once it is no more than a year ahead; " +
			"leadsync backfill --oldest DATE, for one from the past (into BigQuery by load jobs)"
	case RowRejected:
		return "leadsync schema apply, where leadsync schema plan shows a difference; then leadsync dlq replay"
	case RowTooLarge:
		return "a field policy (FIELD_POLICY_FILE) that drops the large field; then leadsync dlq replay"
	default:
		return ""
	}
}
