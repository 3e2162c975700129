package backfill

import (
	"encoding/hex"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"leadsync/sync/files"
	"leadsync/sync/pipeline"
	"leadsync/transform"
)

// A piece is a run of blocks that share a checkpoint.
type piece struct {
	file       *files.File
	start, end int64
	atEnd      bool
	digest     string

	outcomes [len(pipeline.Outcomes)]atomic.Int64
	open     atomic.Int64 // flights that are not settled, and 1 while it is being read
	broken   atomic.Bool  // something of it is not durable
	settled  func(*piece)
}

// leave counts down what is open.
func (p *piece) leave() {
	if p.open.Add(-1) == 0 && !p.broken.Load() {
		p.settled(p)
	}
}

func (p *piece) checkpoint(cfg *Config) transform.Checkpoint {
	count := func(o pipeline.Outcome) int64 { return p.outcomes[o].Load() }
	c := transform.Checkpoint{
		Location: p.file.Location, Version: p.file.Version,
		Start: p.start, End: p.end, AtEnd: p.atEnd, Digest: p.digest, Selection: cfg.Selection.String(),
		Written: count(pipeline.Written), Duplicates: count(pipeline.Duplicate),
		Dead: count(pipeline.Dead), Filtered: count(pipeline.Filtered),
		Via: cfg.Via, CommittedAt: cfg.Pipeline.Now(),
		WorkerID: cfg.Pipeline.WorkerID, WorkerVersion: cfg.Pipeline.WorkerVersion,
	}
	c.Records = c.Written + c.Duplicates + c.Dead + c.Filtered
	return c
}

// A tap makes the digest of what goes through it.
type tap struct {
	skip int64 // bytes that are left out before
	hash xxh3.Hasher
}

func (t *tap) Write(b []byte) (int, error) {
	n := len(b)
	left := min(t.skip, int64(n))
	t.skip -= left
	_, _ = t.hash.Write(b[left:]) // never fails
	return n, nil
}

// take returns the digest and begins the next.
func (t *tap) take() string {
	digest := sum(&t.hash)
	t.hash.Reset()
	return digest
}

func sum(h *xxh3.Hasher) string {
	b := h.Sum128().Bytes()
	return hex.EncodeToString(b[:])
}
