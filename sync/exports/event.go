// Package exports takes events out of what others wrap them in: messages as
// Pub/Sub's tools and subscriptions write them down, in JSON and Avro, and rows
// of events_log as warehouses export them. It tells them from the content, and
// keeps what they know of the event's message: its id, when it was published.
//
// What is no event even then is the transform's to judge.
package exports

import "time"

// An Event is an event inside an export, with what the export knows of the
// message that brought it.
type Event struct {
	// Data is the event's payload.
	Data []byte

	// EventID is the identity of an event that was made anew from its row, so
	// that Data is not what the identity was made from. Zero for all others.
	EventID [16]byte

	MessageID   string            // Pub/Sub's id; "" where the export has none
	PublishedAt time.Time         // zero where the export does not tell
	Attributes  map[string]string // of the message; nil where there are none
}
