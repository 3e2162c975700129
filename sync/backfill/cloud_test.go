package backfill

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"leadsync/sinks/sinktest"
)

// newBucket starts a server of Cloud Storage with an empty bucket named leads,
// points the environment at it and counts the bytes that are read.
func newBucket(t *testing.T) (put func(key string, data []byte), read *atomic.Int64) {
	t.Helper()
	read = new(atomic.Int64)
	var fake *fakestorage.Server
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/storage/v1/") {
			r.Host = "storage.googleapis.com" // which makes of it a read by bucket and key
			w = &countingWriter{w, read}
		}
		fake.HTTPHandler().ServeHTTP(w, r)
	}))
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, ExternalURL: "http://" + front.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	front.Start()
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		fake.Stop()
	})
	t.Setenv("STORAGE_EMULATOR_HOST", front.Listener.Addr().String())
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "leads"})
	return func(key string, data []byte) {
		fake.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "leads", Name: key}, Content: data})
	}, read
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

// Catches an object that is read again although its version says that it is
// done, one that was written anew and is taken for done, or, with the same
// content, for changed.
func TestObjects(t *testing.T) {
	put, read := newBucket(t)
	events := payloads(16, 400)
	put("in/a.ndjson", lines(events[:300]))
	put("in/b.gz", gzipped(lines(events[300:])))
	m := sinktest.NewMemory(t)
	cfg := configOf(t, "gs://leads/in")
	cfg.PieceBytes = 200_000 // the first object is split
	first, err := loaded(t, cfg, m)
	if err != nil || first.Records != int64(len(events)) {
		t.Fatalf("%+v, %v; want %d records", first, err, len(events))
	}
	same(t, "objects", wanted(t, events, nil), texts(m.Rows))
	tiled(t, m, "gs://leads/in/a.ndjson", int64(len(lines(events[:300]))))

	read.Store(0)
	s, err := loaded(t, cfg, m)
	if err != nil || s.Records > 0 || s.Skipped != first.Pieces {
		t.Errorf("again: %+v, %v; want nothing to do", s, err)
	}
	if n := read.Load(); n > int64(len(lines(events)))*5/4 { // the head, and where ranges meet
		t.Errorf("again: %d bytes were read", n)
	}
	put("in/a.ndjson", lines(events[:300]))
	if s, err = loaded(t, cfg, m); err != nil || s.Records > 0 {
		t.Errorf("the same content anew: %+v, %v; want nothing to do", s, err)
	}
	put("in/a.ndjson", lines(events[10:300]))
	if s, err = loaded(t, cfg, m); err == nil || s.Records > 0 {
		t.Errorf("other content: %+v, %v; want it refused", s, err)
	}
}

// Catches a load that is committed although the store failed halfway: under its
// identity the rest would never come.
func TestLoaderStoreFails(t *testing.T) {
	put, _ := newBucket(t)
	events := payloads(18, 100)
	put("a.ndjson", lines(events[:50]))
	put("b.ndjson", lines(events[50:]))
	m := sinktest.NewMemory(t)
	cfg, w := loading(t, m, "gs://leads")
	cfg.PartBytes = 1 << 20
	p, err := NewPlan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	put("b.ndjson", lines(events[60:])) // what was listed is gone
	s, err := p.Run(t.Context())
	if !errors.As(err, new(*FileError)) || s.Records > 0 || len(w.loaded) > 0 {
		t.Errorf("%+v, %v, %d loads; want an error and no load", s, err, len(w.loaded))
	}
	if s, err = loaded(t, cfg, m); err != nil || s.Records != int64(len(events)-10) {
		t.Errorf("again: %+v, %v; want all", s, err)
	}
	same(t, "objects", union(wanted(t, events[:50], nil), wanted(t, events[60:], nil)), texts(m.Rows))
}
