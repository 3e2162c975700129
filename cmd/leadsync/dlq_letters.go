package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"leadsync/sync/replay"
	"leadsync/transform"
)

// A storedLetter is a dead letter with what the warehouse knows of it.
type storedLetter struct {
	replay.Letter
	Stage, Error            string
	FirstDeadAt, LastDeadAt time.Time
	PayloadBytes            int64
	Replays                 int64
	LastOutcome             string // "" where it was never replayed
	LastReplayVersion       string
}

func newStoredLetter(r record) *storedLetter {
	return &storedLetter{
		Letter: replay.Letter{
			ID: r.text("dead_letter_id"), Reason: transform.Reason(r.text("reason")), Fingerprint: r.text("fingerprint"),
			MessageID: r.text("message_id"), PublishedAt: r.instant("published_at"),
		},
		Stage: r.text("stage"), Error: r.text("error"),
		FirstDeadAt: r.instant("first_dead_at"), LastDeadAt: r.instant("last_dead_at"), PayloadBytes: r.number("payload_bytes"),
		Replays: r.number("replays"), LastOutcome: r.text("last_outcome"), LastReplayVersion: r.text("last_replay_version"),
	}
}

// fetch reads the payloads of some letters.
func (l *lookup) fetch(ctx context.Context, letters []*storedLetter) error {
	if len(letters) == 0 {
		return nil
	}
	from, to := letters[0].FirstDeadAt, letters[0].LastDeadAt
	var ids []string
	for _, letter := range letters {
		ids = append(ids, letter.ID)
		if letter.FirstDeadAt.Before(from) {
			from = letter.FirstDeadAt
		}
		if letter.LastDeadAt.After(to) {
			to = letter.LastDeadAt
		}
	}
	rows, err := l.askLetters(ctx, "dlq_payloads", map[string]any{"From": sqlInstant(from), "To": sqlInstant(to), "IDs": ids})
	if err != nil {
		return fmt.Errorf("read payloads: %w", err)
	}
	parts := make(map[string][]replay.Part, len(letters))
	for _, r := range rows {
		id := r.text("dead_letter_id")
		payload, _ := r["payload"].([]byte) // NULL is an empty one
		attributes, err := readAttributes(r["attributes"])
		if err != nil {
			return fmt.Errorf("read payloads: letter %s: %w", id, err)
		}
		parts[id] = append(parts[id], replay.Part{Payload: payload, Attributes: attributes})
	}
	for _, letter := range letters {
		letter.Join(parts[letter.ID])
	}
	return nil
}

func readAttributes(v any) (attributes map[string]string, err error) {
	text, _ := v.(string)
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &attributes); err != nil {
		return nil, fmt.Errorf("its attributes are no object of texts")
	}
	return attributes, nil
}

// Bounds of what is in memory at once: letters that are listed, and those with
// their payloads. A letter with a larger payload is alone.
const (
	pageLetters  = 5000
	chunkLetters = 500
	chunkBytes   = 4 << 20
)

// letterPages reads the open letters, in the order in which they died.
type letterPages struct {
	lookup *lookup
	filter letterFilter
	until  time.Time // letters that died later are left alone
	limit  int       // of letters that are not guarded; 0: none

	// Letters that died again when this version replayed them are left out.
	// "" leaves none out.
	guard string

	guarded int // letters left out
	given   int
	page    []*storedLetter
	last    *storedLetter // the last of the page that was read
	ended   bool
}

// next returns the next letters, without their payloads: so many as are dealt
// with at once. There are none at the end.
func (p *letterPages) next(ctx context.Context) (chunk []*storedLetter, err error) {
	size := int64(0)
	for len(chunk) < chunkLetters && (p.limit == 0 || p.given < p.limit) {
		if len(p.page) == 0 {
			if err := p.read(ctx); err != nil {
				return nil, err
			}
			if len(p.page) == 0 {
				break
			}
		}
		letter := p.page[0]
		if size += letter.PayloadBytes; len(chunk) > 0 && size > chunkBytes {
			break
		}
		p.page = p.page[1:]
		if p.guard != "" && letter.LastOutcome == string(replay.Dead) && letter.LastReplayVersion == p.guard {
			size -= letter.PayloadBytes
			p.guarded++
			continue
		}
		p.given++
		chunk = append(chunk, letter)
	}
	return chunk, nil
}

// read reads the next page.
func (p *letterPages) read(ctx context.Context) error {
	if p.ended {
		return nil
	}
	data := struct {
		letterFilter
		Until, After, AfterID string
		Limit                 int
	}{letterFilter: p.filter, Until: sqlInstant(p.until), Limit: pageLetters}
	if p.last != nil {
		data.After, data.AfterID = sqlInstant(p.last.FirstDeadAt), p.last.ID
	}
	rows, err := p.lookup.askLetters(ctx, "dlq_letters", data)
	if err != nil {
		return fmt.Errorf("list letters: %w", err)
	}
	for _, r := range rows {
		p.last = newStoredLetter(r)
		p.page = append(p.page, p.last)
	}
	p.ended = len(rows) < pageLetters
	return nil
}

// find returns the one letter whose id begins with the text.
func (l *lookup) findLetter(ctx context.Context, prefix string) (record, error) {
	rows, err := l.askLetters(ctx, "dlq_find", map[string]any{"ID": prefix})
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, fmt.Errorf("no dead letter's id begins with %s; leadsync dlq list --all shows what there is", prefix)
	case len(rows) > 1:
		return nil, fmt.Errorf("several dead letters' ids begin with %s: give more of it, as in %s or %s",
			prefix, rows[0].text("dead_letter_id"), rows[1].text("dead_letter_id"))
	default:
		return rows[0], nil
	}
}
