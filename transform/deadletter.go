package transform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxPart is how much of a dead letter's payload one row holds, in bytes.
// Together with the rest of the row it stays below [MaxRow].
const maxPart = 4 << 20

// A DeadLetter is an event that could not become rows.
type DeadLetter struct {
	Rejection *Rejection
	Payload   []byte // as received

	Attributes    map[string]string // of the message; nil where there are none
	MessageID     string            // "" where there is none
	PublishedAt   time.Time         // zero where unknown
	DeadAt        time.Time
	Attempts      int // deliveries so far; 0 where unknown
	WorkerVersion string

	// Policy is applied to payload and attributes. nil keeps all values. The
	// letter's identity is made of the payload as received.
	Policy *Policy
}

// AppendDeadLetter appends the letter's rows to dead_letters: one, or for a
// payload above 4 MiB one for each part of it, since a row has a limit; the
// attribute leadsync_part numbers them then.
func (r *Rows) AppendDeadLetter(l DeadLetter) {
	id := DeadLetterID(l.Rejection.Reason, l.Payload)
	payload, attributes := l.Policy.letter(l.Payload, l.Attributes)
	parts := max(1, (len(payload)+maxPart-1)/maxPart)
	for part := range parts {
		w := r.begin(DeadLetters)
		w.str(id)
		w.str(string(l.Rejection.Reason))
		w.str(string(l.Rejection.Stage))
		w.str(l.Rejection.Error())
		w.str(l.Rejection.Fingerprint())
		w.bytes(payload[part*maxPart : min((part+1)*maxPart, len(payload))])
		w.json(appendAttributes(nil, attributes, part+1, parts))
		w.str(l.MessageID)
		w.time(l.PublishedAt)
		w.time(l.DeadAt)
		if l.Attempts > 0 {
			w.int(int64(l.Attempts))
		} else {
			w.null()
		}
		w.str(l.WorkerVersion)
		w.end()
	}
}

// DeadLetterID returns the identity of a letter with the reason and the payload
// as it was received, as 32 lower-case hex digits.
func DeadLetterID(reason Reason, payload []byte) string {
	digest := sha256.New()
	digest.Write([]byte(reason))
	digest.Write([]byte{0})
	digest.Write(payload)
	return hex.EncodeToString(digest.Sum(nil)[:16])
}

// A Replay is one attempt to make rows of a dead letter.
type Replay struct {
	DeadLetterID string
	ReplayedAt   time.Time
	Outcome      string // written, duplicate, filtered or dead
	EventID      string // of what it became; "" if it became nothing

	// Rejection says why it died again; nil if it did not.
	Rejection *Rejection

	WorkerVersion string
}

// AppendReplay appends a row to dead_letter_replays.
func (r *Rows) AppendReplay(p Replay) {
	w := r.begin(DeadLetterReplays)
	w.str(p.DeadLetterID)
	w.time(p.ReplayedAt)
	w.str(p.Outcome)
	w.str(p.EventID)
	if p.Rejection != nil {
		w.str(string(p.Rejection.Reason))
		w.str(p.Rejection.Fingerprint())
	} else {
		w.null()
		w.null()
	}
	w.str(p.WorkerVersion)
	w.end()
}

// replacement stands for what is no UTF-8. Pub/Sub has none; a file may.
var replacement = []byte("\uFFFD")

// appendAttributes appends a JSON object with sorted keys, nothing for no
// attributes.
func appendAttributes(dst []byte, attributes map[string]string, part, parts int) []byte {
	if parts > 1 {
		attributes = maps.Clone(attributes)
		if attributes == nil {
			attributes = map[string]string{}
		}
		attributes["leadsync_part"] = fmt.Sprintf("%d/%d", part, parts)
	}
	for i, k := range slices.Sorted(maps.Keys(attributes)) {
		if i == 0 {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, bytes.ToValidUTF8([]byte(k), replacement))
		dst = append(dst, ':')
		dst = appendString(dst, bytes.ToValidUTF8([]byte(attributes[k]), replacement))
	}
	if len(attributes) == 0 {
		return dst
	}
	return append(dst, '}')
}
