package topic

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"leadsync/transform"
)

// What Pub/Sub takes: of attributes in a message, and of bytes in their names
// and values. A request may have 1,000 messages and 10 MB; a row of
// dead_letters has 4 MiB of payload at most, so that one always fits.
const (
	maxAttributes = 100
	maxName       = 256
	maxValue      = 1024
	maxMessages   = 1000
	aimRequest    = 1 << 20
)

// ours begins the names of the attributes that are not the message's own.
const ours = "leadsync_"

// Places of the columns that a message is made of.
var (
	colID          = column("dead_letter_id")
	colReason      = column("reason")
	colStage       = column("stage")
	colError       = column("error")
	colFingerprint = column("fingerprint")
	colPayload     = column("payload")
	colAttributes  = column("attributes")
)

func column(name string) int {
	return slices.IndexFunc(transform.DeadLetters.Table().Columns, func(c transform.Column) bool { return c.Name == name })
}

// request returns messages of the letters from place next on, as many as one
// request takes, and the place after them.
func request(rows *transform.Rows, next int) (messages []*pubsubpb.PubsubMessage, after int, err error) {
	var values []any
	for size := 0; next < rows.Len(transform.DeadLetters) && len(messages) < maxMessages; next++ {
		row := rows.Row(transform.DeadLetters, next)
		if size += len(row); len(messages) > 0 && size > aimRequest {
			break
		}
		if values, err = transform.DeadLetters.Table().Values(values[:0], row); err != nil {
			return nil, 0, fmt.Errorf("read dead letter: %w", err)
		}
		m, err := message(values)
		if err != nil {
			return nil, 0, err
		}
		messages = append(messages, m)
	}
	return messages, next, nil
}

// message makes a message of a row's values.
func message(values []any) (*pubsubpb.PubsubMessage, error) {
	own := map[string]string{}
	if text, ok := values[colAttributes].(string); ok {
		if err := json.Unmarshal([]byte(text), &own); err != nil {
			return nil, fmt.Errorf("read attributes of dead letter: %w", err)
		}
	}
	all := map[string]string{}
	for name, col := range map[string]int{
		"dead_letter_id": colID, "reason": colReason, "stage": colStage, "error": colError, "fingerprint": colFingerprint,
	} {
		if text, ok := values[col].(string); ok {
			all[ours+name] = cut(text, maxValue)
		}
	}
	if part, ok := own[ours+"part"]; ok {
		all[ours+"part"] = part
	}
	// What Pub/Sub would refuse is left out here; the table has all of them.
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if len(all) < maxAttributes && !reserved(name) {
			all[name] = cut(own[name], maxValue)
		}
	}
	payload, _ := values[colPayload].([]byte)
	return &pubsubpb.PubsubMessage{Data: slices.Clone(payload), Attributes: all}, nil
}

// reserved reports whether an attribute cannot be published under its name:
// it is another's, or no name at all.
func reserved(name string) bool {
	return name == "" || len(name) > maxName || strings.HasPrefix(name, "goog") || strings.HasPrefix(name, ours)
}

// cut returns at most n bytes of the text, whole characters only.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
