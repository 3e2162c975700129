package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"leadsync/config"
	"leadsync/sinks/duckdb"
)

// A place is where the embedded warehouse is kept.
type place struct {
	file, folder string // in full

	folderErr error // why nothing can be made in the folder
	fileErr   error // why the file cannot be read and written; nil where there is none
	size      int64 // of the file; -1 where there is none
	free      int64 // bytes in the file system; -1: not known
}

// embedded looks at where the embedded warehouse is kept.
func (d *doctor) embedded(context.Context) []finding {
	const check = "embedded warehouse"
	if !duckdb.Available {
		return []finding{{check, failed, "this build has none", "SINK=bigquery, or a build with cgo and without the tag noduckdb"}}
	}
	if d.cfg.DuckDBPath == duckdb.InMemory {
		return nil // refused by the settings
	}
	path, err := filepath.Abs(d.cfg.DuckDBPath)
	if err != nil {
		return []finding{{check, failed, said(err), "DUCKDB_PATH=/FOLDER/leadsync.duckdb"}}
	}
	p := lookAt(path)
	return p.judge(check)
}

func lookAt(path string) place {
	p := place{file: path, folder: filepath.Dir(path), size: -1, free: -1}
	info, err := os.Stat(p.folder)
	switch {
	case err != nil:
		p.folderErr = err
	case !info.IsDir():
		p.folderErr = fmt.Errorf("%s is no folder", p.folder)
	default:
		p.folderErr = mayWrite(p.folder)
		p.free = freeBytes(p.folder)
	}
	if info, err := os.Stat(path); err == nil {
		p.size, p.fileErr = info.Size(), mayWrite(path)
		if !info.Mode().IsRegular() {
			p.fileErr = fmt.Errorf("%s is no file", path)
		}
	} else if !errors.Is(err, fs.ErrNotExist) && p.folderErr == nil {
		p.fileErr = err
	}
	return p
}

// Free disk space: below leastFree a worker soon holds all messages, and
// below goodFree somebody should know.
const (
	leastFree = 64 << 20
	goodFree  = 1 << 30
)

func (p *place) judge(check string) []finding {
	var found []finding
	own := "chown \"$(id -u WORKER)\" "
	switch {
	case errors.Is(p.folderErr, fs.ErrNotExist):
		found = append(found, finding{check, failed, "there is no folder " + p.folder, "mkdir -p " + shellWord(p.folder) + ", or another DUCKDB_PATH"})
	case p.folderErr != nil:
		found = append(found, finding{check, failed, "nothing can be made in " + p.folder + ": " + said(p.folderErr),
			own + shellWord(p.folder) + ", or another DUCKDB_PATH"})
	case p.fileErr != nil:
		found = append(found, finding{check, failed, said(p.fileErr), own + shellWord(p.file) + ", or another DUCKDB_PATH"})
	case p.size < 0:
		found = append(found, isFine(check, "%s is not there yet; leadsync run makes it", p.file))
	default:
		found = append(found, isFine(check, "%s, %s", p.file, config.Size(p.size>>20<<20)))
	}
	if p.free >= 0 {
		found = append(found, p.judgeDisk())
	}
	return found
}

func (p *place) judgeDisk() finding {
	const check = "disk"
	free := fmt.Sprintf("%d MiB are free in %s", p.free>>20, p.folder)
	const mend = "make room, or move the file and set DUCKDB_PATH"
	switch {
	case p.free < leastFree:
		return finding{check, failed, free + ": a worker would soon hold all messages", mend}
	case p.free < goodFree:
		return finding{check, warned, free, mend}
	case p.free < p.size:
		return finding{check, warned, free + ", less than the warehouse has: leadsync erase writes it anew and needs as much again", mend}
	}
	return isFine(check, "%s", free)
}

// embeddedSchema compares the file with the definitions. A file that a worker
// has open cannot be read, and is in order: that worker opened it.
func (d *doctor) embeddedSchema(ctx context.Context) (found []finding) {
	const check = "schema"
	if _, err := os.Stat(d.cfg.DuckDBPath); errors.Is(err, fs.ErrNotExist) {
		return []finding{isSkipped(check, "there is no file yet; leadsync run makes all tables and views")}
	}
	w, err := openSchema(ctx, d.cfg)
	var held *duckdb.HeldError
	switch {
	case errors.As(err, &held):
		return []finding{isSkipped(check, held.Holder+" has it open, most likely a worker that runs; it brought the schema up to date")}
	case err != nil:
		return []finding{{check, failed, said(err), "restore the file from a copy, or set DUCKDB_PATH to another"}}
	}
	defer func() {
		if err := w.Close(); err != nil {
			found = append(found, finding{check, warned, said(err), "see the disk"})
		}
	}()
	plan, err := w.Plan(ctx)
	if err != nil {
		return []finding{{check, failed, said(err), "restore the file from a copy, or set DUCKDB_PATH to another"}}
	}
	found = judgePlan(plan, d.schemaApply()+", or start the worker, which does it", func(object string) string {
		return "keep the file, set DUCKDB_PATH to another, and bring the rows of " + object + " over by hand"
	})
	for i := range found {
		// A worker makes these changes when it starts: it waits for none.
		if found[i].Verdict == failed && plan[i].Refused == "" {
			found[i].Verdict = warned
		}
	}
	return found
}
