package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"leadsync/sync/simulate"
	"leadsync/transform"
)

// A history is simulated events as files of every form, with copies and poison
// among them.
type history struct {
	dir      string
	payloads [][]byte // those in the files, each on one line
}

// published is when every event of a history was, wherever that is told.
var published = time.Date(2026, 11, 1, 0, 0, 0, 5e8, time.UTC)

// newHistory writes n events, besides copies and poison. Most of them are in
// files that can be read from their middle.
func newHistory(t *testing.T, seed uint64, n int) *history {
	t.Helper()
	h := &history{dir: t.TempDir()}
	var all [][]byte
	for d := range simulate.New(simulate.Options{Seed: seed, Events: n, Now: time.Now().Truncate(24 * time.Hour)}).Deliveries() {
		all = append(all, onOneLine(d.Payload))
	}
	forms := []struct {
		name  string
		share int // of 20
		form  func([][]byte) []byte
		takes func([]byte) bool // nil: everything
	}{
		{"lines.json", 11, lines, nil},
		{"lines.json.gz", 2, func(p [][]byte) []byte { return gzipped(lines(p)) }, nil},
		{"lines.json.zst", 2, func(p [][]byte) []byte { return zstd(lines(p)) }, nil},
		{"array.json", 2, array, isJSON},
		{"pushed.json", 1, pushed, nil},
		{"pretty.json", 1, pretty, isEvent},
		{"windows.json", 1, func(p [][]byte) []byte {
			return append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(lines(p), []byte("\n"), []byte("\r\n"))...)
		}, nil},
	}
	rest := all
	for _, f := range forms {
		part := slices.Clone(rest[:len(all)*f.share/20])
		rest = rest[len(part):]
		if f.takes != nil {
			part = slices.DeleteFunc(part, func(p []byte) bool { return !f.takes(p) })
		}
		h.payloads = append(h.payloads, part...)
		write(t, filepath.Join(h.dir, f.name), string(f.form(part)))
	}
	return h
}

// join takes another history in.
func (h *history) join(t *testing.T, other *history) {
	t.Helper()
	if err := os.Rename(other.dir, filepath.Join(h.dir, filepath.Base(filepath.Dir(other.dir))+filepath.Base(other.dir))); err != nil {
		t.Fatal(err)
	}
	h.payloads = append(h.payloads, other.payloads...)
}

// onOneLine returns a payload on one line, without white space around it, which
// belongs to no record of a file: with it, one that is broken off would be
// another letter when the worker receives it.
func onOneLine(payload []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, payload) == nil {
		return b.Bytes()
	}
	return bytes.TrimSpace(bytes.ReplaceAll(payload, []byte("\n"), []byte(" ")))
}

func lines(payloads [][]byte) []byte {
	return append(bytes.Join(payloads, []byte("\n")), '\n')
}

// isJSON says what an array may hold: nothing could be read behind anything else.
func isJSON(payload []byte) bool { return json.Valid(payload) }

// isEvent says what may be written in another way: of what becomes a dead letter
// that would be another letter.
func isEvent(payload []byte) bool {
	_, err := transform.New(transform.Options{}).Transform(&transform.Rows{}, payload, transform.Delivery{IngestedAt: time.Now()})
	return err == nil
}

func array(payloads [][]byte) []byte {
	return fmt.Appendf(nil, "[\n%s\n]\n", bytes.Join(payloads, []byte(",\n")))
}

func pushed(payloads [][]byte) (out []byte) {
	for i, p := range payloads {
		out = fmt.Appendf(out, `{"message":{"data":%q,"messageId":"m%d","publishTime":%q},"subscription":"projects/a/subscriptions/s"}`+"\n",
			base64.StdEncoding.EncodeToString(p), i, published.Format(time.RFC3339Nano))
	}
	return out
}

func pretty(payloads [][]byte) []byte {
	var out bytes.Buffer
	for _, p := range payloads {
		_ = json.Indent(&out, p, "", "  ") // it is JSON
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func gzipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data) // into memory
	_ = w.Close()
	return out.Bytes()
}

// zstd returns the data as a zstd frame of blocks that are not compressed.
func zstd(data []byte) []byte {
	const block = 128 << 10
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x38} // a window of 128 KiB
	for {
		part := data[:min(len(data), block)]
		data = data[len(part):]
		last := uint32(0)
		if len(data) == 0 {
			last = 1
		}
		out = append(out, binary.LittleEndian.AppendUint32(nil, uint32(len(part))<<3|last)[:3]...)
		out = append(out, part...)
		if last == 1 {
			return out
		}
	}
}

// sparse returns a file of that size that takes no room.
func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sparse.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
