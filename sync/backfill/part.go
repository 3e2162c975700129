package backfill

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// partID returns the identity of a load of these jobs: the same if, and only
// if, the same records are to be loaded. What a bucket holds is known by its
// version, what is on disk by its bytes. What cannot be known beforehand, and
// what is to be loaded again whatever was, gets an identity of its own.
func (p *Plan) partID(ctx context.Context, jobs []*job) (string, error) {
	all := sha256.New()
	fmt.Fprintf(all, "%q %q", p.cfg.Selection.String(), p.cfg.Pipeline.WorkerVersion)
	for _, j := range jobs {
		fmt.Fprintf(all, " %q %q %d %d %d", j.file.Location, j.file.Version, j.file.Size, j.start, j.end)
		if j.from > j.lo { // the beginning is done
			fmt.Fprintf(all, " from %d", j.from)
		}
		switch {
		case j.file.Size < 0 || p.cfg.Again:
			fmt.Fprintf(all, " %s", rand.Text())
		case j.file.Version == "":
			digest, err := p.bytesOf(ctx, j)
			if err != nil {
				return "", &FileError{Location: j.file.Location, Offset: j.start, From: j.start, Err: err}
			}
			fmt.Fprintf(all, " %s", digest)
		}
	}
	return hex.EncodeToString(all.Sum(nil)[:16]), nil
}

// bytesOf returns a digest of the bytes that make a job's records: as stored.
func (p *Plan) bytesOf(ctx context.Context, j *job) (string, error) {
	if !j.split {
		return p.digest(ctx, j.file, 0, j.file.Size)
	}
	if j.from < 0 {
		if err := p.bounds(ctx, j); err != nil {
			return "", err
		}
		j.from = j.lo
	}
	return p.digest(ctx, j.file, min(j.from, j.hi), j.hi)
}
