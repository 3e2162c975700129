package files

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"leadsync/sync/simulate"
)

// lines are simulated events, one a line, at least n bytes of those; the same
// every time.
func lines(n int) []byte {
	b := events()
	return bytes.Repeat(b, n/len(b)+1)
}

var events = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	tenant := simulate.New(simulate.Options{Seed: 1, Events: 20000, Now: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)})
	for d := range tenant.Deliveries() {
		if d.Poison == "" {
			b.Write(d.Payload)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
})

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Decompressed bytes a second, by a reader that does nothing else.
func BenchmarkDecompress(b *testing.B) {
	data := lines(64 << 20)
	for _, form := range []struct {
		name   string
		stored []byte
	}{{"plain", data}, {"gzip", gzipped(b, data)}, {"zstd", zstded(b, data)}} {
		b.Run(form.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r, _, err := Decompress(bytes.NewReader(form.stored))
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); n != int64(len(data)) || err != nil {
					b.Fatal(n, err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
