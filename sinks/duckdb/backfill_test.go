//go:build cgo && !noduckdb

package duckdb_test

import (
	"testing"
	"time"

	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// Pieces come in any order and some of them twice, as after a run that was
// ended between a write and the next. Catches a file that is called complete
// with a hole, without its beginning or its end, or before what it has grown
// by was read, and copies of a checkpoint that are counted.
func TestBackfillFiles(t *testing.T) {
	var rows transform.Rows
	at := 0
	piece := func(location, selection, digest string, from, to int64, atEnd bool) {
		at++
		rows.AppendCheckpoint(transform.Checkpoint{
			Location: location, Selection: selection, Digest: digest, Start: from, End: to, AtEnd: atEnd,
			Records: 10, Written: 4, Duplicates: 3, Dead: 2, Filtered: 1, Via: "append",
			CommittedAt: start.Add(time.Duration(at) * time.Second), WorkerID: "w",
		})
	}
	piece("a whole", "", "2", 100, 150, true)
	piece("a whole", "", "1", 0, 100, false)
	piece("a whole", "", "1", 0, 100, false)
	piece("b hole", "", "1", 0, 100, false)
	piece("b hole", "", "3", 101, 150, true)
	piece("c headless", "", "2", 100, 150, true)
	piece("d endless", "", "1", 0, 100, false)
	piece("e grown", "", "1", 0, 100, true)
	piece("e grown", "", "2", 100, 180, false)
	piece("f grown", "", "1", 0, 100, true)
	piece("f grown", "", "2", 100, 180, true)
	piece("g other", "tenant=1", "1", 0, 100, true)
	piece("g other", "", "1", 0, 100, false)
	piece("h empty", "", "0", 0, 0, true)
	piece("i changed", "", "1", 0, 100, false)
	piece("i changed", "", "2", 100, 150, true)
	piece("i changed", "", "3", 0, 90, false)
	piece("i changed", "", "4", 90, 160, true)

	db := open(t, duckdb.Config{Path: duckdb.InMemory})
	defer db.Close()
	if err := db.Write(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	answers(t, db, `SELECT location, selection, pieces, bytes, is_complete, records, written, duplicates, dead, filtered,
		first_committed_at, last_committed_at FROM backfill_files ORDER BY location, selection`,
		"a whole  2 150 true 20 8 6 4 2 @1 @3",
		"b hole  2 149 false 20 8 6 4 2 @4 @5",
		"c headless  1 50 false 10 4 3 2 1 @6 @6",
		"d endless  1 100 false 10 4 3 2 1 @7 @7",
		"e grown  2 180 false 20 8 6 4 2 @8 @9",
		"f grown  2 180 true 20 8 6 4 2 @10 @11",
		"g other  1 100 false 10 4 3 2 1 @13 @13",
		"g other tenant=1 1 100 true 10 4 3 2 1 @12 @12",
		"h empty  1 0 true 10 4 3 2 1 @14 @14",
		"i changed  4 310 true 40 16 12 8 4 @15 @18",
	)
	answers(t, db, "SELECT DISTINCT typeof(pieces), typeof(bytes), typeof(records), typeof(is_complete) FROM backfill_files",
		"BIGINT BIGINT BIGINT BOOLEAN")
}
