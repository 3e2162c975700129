package replay

import (
	"bytes"
	"fmt"
	"maps"
	"time"

	"leadsync/transform"
)

// A Letter is a dead letter as the warehouse holds it.
type Letter struct {
	ID          string
	Reason      transform.Reason
	Fingerprint string
	MessageID   string    // of the message that died first; "" where there was none
	PublishedAt time.Time // of that message; zero where unknown

	// What [Letter.Join] puts together.
	Payload    []byte
	Attributes map[string]string
	Torn       bool // parts are missing: there is no payload
}

// A Part is a row of a letter: its payload, or a part of it.
type Part struct {
	Payload    []byte
	Attributes map[string]string
}

// partAttribute is where the rows of a large payload are numbered, 2/3.
const partAttribute = "leadsync_part"

// Join makes the letter's payload of its parts, in any order. Payloads that
// were parted differently count apart: the first of them that is complete is
// taken. Without a complete one the letter is torn.
func (l *Letter) Join(parts []Part) {
	sets := map[int]map[int]Part{} // by the number of parts
	var counts []int
	for _, p := range parts {
		place, count := 1, 1
		if number, ok := p.Attributes[partAttribute]; ok {
			if n, _ := fmt.Sscanf(number, "%d/%d", &place, &count); n != 2 {
				place, count = 1, 1 // the message's own attribute, then
			}
		}
		if sets[count] == nil {
			sets[count] = map[int]Part{}
			counts = append(counts, count)
		}
		sets[count][place] = p
	}
	for _, count := range counts {
		if l.join(sets[count], count) {
			return
		}
	}
	l.Torn = true
}

func (l *Letter) join(set map[int]Part, count int) bool {
	var payload [][]byte
	for place := 1; place <= count; place++ {
		p, ok := set[place]
		if !ok {
			return false
		}
		payload = append(payload, p.Payload)
	}
	l.Payload, l.Attributes = bytes.Join(payload, nil), set[1].Attributes
	if count > 1 {
		l.Attributes = maps.Clone(l.Attributes)
		delete(l.Attributes, partAttribute)
	}
	return true
}

// IsWhole reports whether the payload is the bytes that were received: a
// letter's id is made of them. What a field policy has hidden is gone, and with
// it the event's identity.
func (l *Letter) IsWhole() bool { return transform.DeadLetterID(l.Reason, l.Payload) == l.ID }
