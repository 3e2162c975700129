package files

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/google/go-cmp/cmp"
)

// cloudServer is Cloud Storage over HTTP, with what goes wrong on the way to it.
type cloudServer struct {
	*fakestorage.Server
	t testing.TB

	mu     sync.Mutex
	fault  func(http.ResponseWriter, *http.Request) bool // reports that it has answered; nil: none
	ranges []string                                      // of the reads that came
}

// newCloud starts a server with empty buckets and points the environment at it.
func newCloud(t testing.TB, buckets ...string) *cloudServer {
	t.Helper()
	c := &cloudServer{t: t}
	front := httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, ExternalURL: "http://" + front.Listener.Addr().String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Server = fake
	front.Start()
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		fake.Stop()
	})
	t.Setenv(emulator, front.Listener.Addr().String())
	for _, name := range buckets {
		fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	}
	return c
}

func (c *cloudServer) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	fault := c.fault
	if isRead(r) {
		c.ranges = append(c.ranges, r.Header.Get("Range"))
	}
	c.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	if isRead(r) {
		r.Host = "storage.googleapis.com" // which makes of it a read by bucket and key
	}
	c.HTTPHandler().ServeHTTP(w, r)
}

// isRead reports whether the request is for the bytes of an object.
func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/storage/v1/")
}

func (c *cloudServer) setFault(fault func(http.ResponseWriter, *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = fault
}

// put makes an object of the bucket leads.
func (c *cloudServer) put(key string, data []byte) {
	c.CreateObject(fakestorage.Object{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "leads", Name: key}, Content: data})
}

// newStore returns a store that is closed after the test.
func newStore(t testing.TB) *Store {
	t.Helper()
	s := New(nil)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// one lists what must be a single file.
func one(t testing.TB, s *Store, path string) File {
	t.Helper()
	found, err := s.List(context.Background(), []string{path})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0]
}

func readAll(t testing.TB, s *Store, f File, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := s.Open(context.Background(), f, offset, length)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return data, err
}

func equal(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes that differ from the %d wanted", len(got), len(want))
	}
}

// fails checks that the error has all of the words.
func fails(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

func locations(found []File) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Location)
	}
	return all
}

func diff(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
