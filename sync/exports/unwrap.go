package exports

import (
	"github.com/go-json-experiment/json/jsontext"

	"leadsync/transform"
)

// Unwrap returns the event inside a record of JSON, found by content:
//
//   - a message as a push subscription sends it, {"message":{"data":…}}, also
//     one of the list that `gcloud pubsub subscriptions pull --format=json`
//     prints, a bare message, {"data":…,"messageId":…}, and a row that a
//     BigQuery subscription has written;
//   - a row of events_log or of the view events as BigQuery or DuckDB export
//     it: its event is made again, and keeps the row's identity, message id and
//     publish time;
//   - an event itself, which costs a look at its first keys.
//
// What is none of these, or is broken, comes back as it stands, so that the
// transform says what is wrong with it. Data is then the record, the same
// slice; else it is memory of its own. Any number of goroutines may call it.
func Unwrap(record []byte) Event {
	if looksWrapped(record) {
		if e, ok := unwrap(record); ok {
			return e
		}
	}
	return Event{Data: record}
}

// looksWrapped reports whether the record's keys, read in turn, tell of a
// wrapper before they tell of an event. Most events are known by their first;
// keys that both an event and its row may have say nothing, nor do unknown
// ones, since a row may have columns that are not known here.
func looksWrapped(record []byte) bool {
	w, ok := walkObject(record)
	for ok {
		var key []byte
		if key, ok = w.key(); !ok {
			return false
		}
		switch string(key) {
		case "mid", "create_time", "extra_data":
			return false
		case "message", "data", // of a message, and what stands beside them
			"messageId", "message_id", "publishTime", "publish_time", "orderingKey", "ordering_key", "attributes",
			"subscription", "subscription_name", "ackId", "ack_id", "deliveryAttempt", "delivery_attempt",
			"event_id", "sequence", "occurred_at", "tenant_id": // of every row
			return true
		}
		w.value()
	}
	return false
}

// unwrap returns the event inside a wrapper; ok is false where there is none.
func unwrap(record []byte) (e Event, ok bool) {
	if !jsontext.Value(record).IsValid() {
		return e, false
	}
	var message, data []byte
	row, strange := 0, false // how many of the keys of every row; a key that no message has
	ok = members(record, func(key, value []byte) bool {
		switch string(key) {
		case "message":
			message = value
		case "data":
			data = value
		case "event_id", "sequence", "occurred_at":
			row++
		case "mid", "create_time", "extra_data": // of an event that has a wrapper's key too
			return columns()[string(key)] != nil
		case "messageId", "message_id", "publishTime", "publish_time", "orderingKey", "ordering_key", "attributes", "subscription_name":
		default:
			strange = true
		}
		return true
	})
	switch {
	case !ok:
		return e, false
	case row == 3:
		return fromRow(record)
	case message != nil:
		return fromMessage(message)
	case data != nil && !strange:
		return fromMessage(record)
	default:
		return e, false
	}
}

// limited returns a payload cut short if it is larger than an event may be, so
// that the transform can tell that it is too large.
func limited(payload []byte) []byte {
	const limit = transform.MaxPayload + 1
	if len(payload) > limit {
		payload = append([]byte(nil), payload[:limit]...)
	}
	return payload[:len(payload):len(payload)]
}
