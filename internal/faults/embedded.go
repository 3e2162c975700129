package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"leadsync/sinks/duckdb"
)

// embeddedFaults are those of the embedded warehouse.
func embeddedFaults() []Fault {
	list := []Fault{
		{
			Name: "file-in-use", Wrong: "another process has the warehouse's file open when the worker starts", Class: Setup,
			Does: "pulls nothing and looks again every 3 s", Sees: "/readyz and the log name the process that has it", Play: fileInUse,
		},
		{
			Name: "file-removed", Wrong: "the warehouse's file is removed under the worker, and put back later", Class: Setup,
			Does: "notices before the next acknowledgement and holds the messages; never writes into a file that is not in its place",
			Sees: `/readyz and the log say that the file "was removed or replaced"`, Play: fileRemoved,
		},
		{
			Name: "file-not-finished", Wrong: "the worker is killed while it makes the warehouse's file", Class: Process,
			Does: "makes the file under another name and puts it in its place once it is whole", Sees: "nothing", Empty: true, Play: fileNotFinished,
		},
		{
			Name: "log-torn", Wrong: "the worker is killed while it writes its log, which ends in the middle of an entry", Class: Process,
			Does: "leaves out what was not committed, and nothing else", Sees: "nothing", Play: logTorn,
		},
	}
	if canLimitFiles() {
		list = append(list, Fault{
			Name: "disk-full", Wrong: "there is no room on the disk for 3 s", Class: Transient,
			Does: "holds the messages, keeps their leases, tries again", Sees: "/readyz and the log name the file and the error", Play: diskFull,
		})
	}
	for i := range list {
		list[i].Sink = "duckdb"
	}
	return list
}

func fileInUse(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	holder, err := duckdb.Open(r.ctx, duckdb.Config{Path: r.Database})
	if err != nil {
		return err
	}
	pulled := r.PubSub.Stats().Deliveries
	r.Publish(200)
	words := []string{"the worker waits", r.Database, fmt.Sprint("PID ", os.Getpid())}
	err = r.Launch()
	if err == nil {
		r.Expect(r.Within(alarm, func() bool { return holds(r.Worker.Log(), words) }),
			"the log does not say who has the file: %s", strings.TrimSpace(r.Worker.Log()))
		r.Expect(r.PubSub.Stats().Deliveries == pulled, "messages were pulled that could not be written")
	}
	if err := errors.Join(err, holder.Close()); err != nil {
		return err
	}
	r.Healed()
	if err := r.Worker.await(r.ctx); err != nil {
		return err
	}
	return r.mended()
}

func fileRemoved(r *Rig) error {
	if err := r.warm(); err != nil {
		return err
	}
	if err := os.Rename(r.Database, r.Database+".away"); err != nil {
		return fmt.Errorf("remove the warehouse's file: %w", err)
	}
	acks := r.PubSub.Stats().Acks
	r.Publish(200)
	r.ExpectRed(alarm, r.Database, "removed or replaced")
	r.Expect(r.PubSub.Stats().Acks == acks, "messages were acknowledged whose rows are in no file")
	if err := os.Rename(r.Database+".away", r.Database); err != nil {
		return fmt.Errorf("put the warehouse's file back: %w", err)
	}
	return r.mended()
}

// fileNotFinished kills workers at different moments of their start, until the
// file is there.
func fileNotFinished(r *Rig) error {
	r.Publish(200)
	for wait := 10 * time.Millisecond; ; wait += 5 * time.Millisecond {
		if err := r.Launch(); err != nil {
			return err
		}
		r.Sleep(wait)
		if err := r.Worker.Kill(); err != nil {
			return err
		}
		if _, err := os.Stat(r.Database); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) || r.ctx.Err() != nil {
			return errors.Join(err, context.Cause(r.ctx))
		}
	}
	return r.restarted()
}

func logTorn(r *Rig) error {
	if err := r.atWork(); err != nil {
		return err
	}
	if err := r.Worker.Kill(); err != nil {
		return err
	}
	log, err := os.ReadFile(r.Database + ".wal")
	if err != nil {
		return fmt.Errorf("read the warehouse's log: %w", err)
	}
	// An entry is its length, its checksum and so many bytes; most of them are missing.
	torn := append(binary.LittleEndian.AppendUint64(log, 4096), make([]byte, 100)...)
	if err := os.WriteFile(r.Database+".wal", torn, 0o600); err != nil { //nolint:gosec // in the rig's own folder
		return fmt.Errorf("tear the warehouse's log: %w", err)
	}
	if err := r.expectNoLoss(); err != nil {
		return err
	}
	return r.restarted()
}

func diskFull(r *Rig) error {
	r.PubSub.Lease(10 * time.Second)
	if err := r.warm(); err != nil {
		return err
	}
	if err := limitFiles(r.Worker.PID(), 1); err != nil {
		return err
	}
	begun := time.Now()
	r.Publish(200)
	r.ExpectRed(alarm, r.Database, "too large")
	r.Sleep(3*time.Second - time.Since(begun))
	if err := limitFiles(r.Worker.PID(), 0); err != nil {
		return err
	}
	return r.mended()
}
