//go:build cgo && !noduckdb

package duckdb_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"leadsync/sinks/duckdb"
	"leadsync/transform"
)

// BenchmarkWrite writes batches of events like a published example's.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("%d_events", size), func(b *testing.B) {
			db, err := duckdb.Open(b.Context(), duckdb.Config{Path: filepath.Join(b.TempDir(), "w.duckdb")})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			var rows transform.Rows
			tr := transform.New(transform.Options{})
			for i, e := range eventsLike(size) {
				e.send(b, tr, &rows, "941", i)
			}
			b.ResetTimer()
			for b.Loop() {
				if err := db.Write(b.Context(), &rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*size), "ns/event")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "w.duckdb")
	for b.Loop() {
		db, err := duckdb.Open(b.Context(), duckdb.Config{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func eventsLike(n int) []event {
	var all []event
	for i := range n {
		e := life[0]
		e.entity = fmt.Sprintf("lead-%06d", i)
		all = append(all, e)
	}
	return all
}
