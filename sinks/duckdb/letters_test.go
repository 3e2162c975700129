//go:build cgo && !noduckdb

package duckdb_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// Letters that died several times, in parts, and were replayed are written in
// any order, each row up to three times. Catches a letter that is counted with
// its copies or parts, facts of the wrong time it died, and one that is open
// although rows were made of it, or the other way round.
func TestDeadLetterStatus(t *testing.T) {
	refused := func(code string) *transform.Rejection {
		return &transform.Rejection{Reason: transform.RowRejected, Stage: transform.StageWrite, Cause: code}
	}
	invalid := &transform.Rejection{Reason: transform.JSONInvalid, Stage: transform.StageDecode, Cause: "syntax error", Detail: "at byte 5"}
	second := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	id := func(r *transform.Rejection, payload string) string {
		return transform.DeadLetterID(r.Reason, []byte(payload))
	}
	var all transform.Rows
	die := func(payload string, r *transform.Rejection, message string, at, attempts int) {
		l := transform.DeadLetter{
			Rejection: r, Payload: []byte(payload), MessageID: message, DeadAt: second(at), Attempts: attempts, WorkerVersion: "v1",
			Attributes: map[string]string{"a": "b"},
		}
		if message != "" {
			l.PublishedAt = second(at - 1)
		}
		all.AppendDeadLetter(l)
	}
	replay := func(payload string, r *transform.Rejection, at int, outcome, event, version string) {
		rep := transform.Replay{DeadLetterID: id(r, payload), ReplayedAt: second(at), Outcome: outcome, EventID: event, WorkerVersion: version}
		if outcome == "dead" {
			rep.Rejection = r
		}
		all.AppendReplay(rep)
	}
	large := string(bytes.Repeat([]byte("0123456789"), 900_000))
	die("mended", refused("A"), "m1", 10, 2)
	die("mended", refused("B"), "m2", 20, 0)
	die("mended", refused("A"), "m0", 10, 5) // at the same time as the first
	replay("mended", refused(""), 30, "dead", "", "v1")
	replay("mended", refused(""), 40, "written", "e1", "v2")
	replay("mended", refused(""), 50, "dead", "", "v3")
	die("dead", invalid, "", 11, 0)
	replay("dead", invalid, 31, "dead", "", "v1")
	replay("dead", invalid, 32, "dead", "", "v2")
	die("filtered", invalid, "m3", 12, 0)
	replay("filtered", invalid, 33, "filtered", "", "v1")
	die("dup", invalid, "m4", 13, 0)
	replay("dup", invalid, 34, "duplicate", "e2", "v1")
	die(large, invalid, "m5", 14, 0)
	die(large, invalid, "m6", 15, 0)
	replay("gone", invalid, 35, "dead", "", "v1") // a letter that was erased

	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	type place struct {
		table transform.TableID
		row   int
	}
	var places []place
	draw := rand.New(rand.NewPCG(1, 2))
	for _, id := range []transform.TableID{transform.DeadLetters, transform.DeadLetterReplays} {
		for row := range all.Len(id) {
			for range 1 + draw.IntN(3) {
				places = append(places, place{id, row})
			}
		}
	}
	draw.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	for len(places) > 0 {
		var rows transform.Rows
		n := min(len(places), 5)
		for _, p := range places[:n] {
			rows.Append(p.table, all.Row(p.table, p.row))
		}
		if places = places[n:]; db.Write(t.Context(), &rows) != nil {
			t.Fatal("the rows were not written")
		}
	}
	answers(t, db, `SELECT message_id, published_at, first_dead_at, last_dead_at, copies, attempts, payload_bytes,
		replays, last_replayed_at, last_outcome, last_replay_version, event_id, is_open FROM dead_letter_status ORDER BY first_dead_at`,
		"m0 @9 @10 @20 3 5 6 3 @50 dead v3 e1 false",
		"- - @11 @11 1 - 4 2 @32 dead v2 - true",
		"m3 @11 @12 @12 1 - 8 1 @33 filtered v1 - false",
		"m4 @12 @13 @13 1 - 3 1 @34 duplicate v1 e2 false",
		"m5 @13 @14 @15 2 - 9000000 0 - - - - true",
	)
	answers(t, db, `SELECT dead_letter_id, reason, stage, fingerprint, error, worker_version FROM dead_letter_status ORDER BY first_dead_at LIMIT 2`,
		id(refused(""), "mended")+" row_rejected write "+refused("B").Fingerprint()+" row_rejected: B v1",
		id(invalid, "dead")+" json_invalid decode "+invalid.Fingerprint()+" json_invalid: syntax error at byte 5 v1",
	)
	answers(t, db, "SELECT DISTINCT typeof(copies), typeof(payload_bytes), typeof(replays) FROM dead_letter_status", "BIGINT BIGINT BIGINT")
}
