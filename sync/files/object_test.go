package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// Catches a path into a bucket that stands for more or fewer objects than it
// says, and objects without size and generation.
func TestListObjects(t *testing.T) {
	c := newCloud(t, "leads", "empty")
	for _, key := range []string{"a.json", "a.json.bak", "a*.json", "b.json", "2024-01/a.gz", "2024-01/x/b.gz", "2024-02/c.gz", "2024-02/.d.gz", "logs", "logs/1", "logs/2", "logs-old/3", "x y%2F.json"} {
		c.put(key, []byte(key))
	}
	c.put("2024-01/", nil)
	c.put("marker/", nil)
	tests := []struct {
		path string
		want []string
		err  string
	}{
		{path: "gs://leads/a.json", want: []string{"a.json"}},
		{path: "gs://leads/2024-01", want: []string{"2024-01/a.gz", "2024-01/x/b.gz"}},
		{path: "gs://leads/2024-01/", want: []string{"2024-01/a.gz", "2024-01/x/b.gz"}},
		{path: "gs://leads/2024-0", want: []string{"2024-01/a.gz", "2024-01/x/b.gz", "2024-02/.d.gz", "2024-02/c.gz"}},
		{path: "gs://leads/logs", want: []string{"logs"}},
		{path: "gs://leads/logs/", want: []string{"logs/1", "logs/2"}},
		{path: "gs://leads/lo", want: []string{"logs", "logs-old/3", "logs/1", "logs/2"}},
		{path: "gs://leads/*.json", want: []string{"a*.json", "a.json", "b.json", "x y%2F.json"}},
		{path: "gs://leads/a*.json", want: []string{"a*.json"}},
		{path: "gs://leads/2024-*/*.gz", want: []string{"2024-01/a.gz", "2024-02/.d.gz", "2024-02/c.gz"}},
		{path: "gs://leads/2024-0[1]*", want: []string{"2024-01/a.gz", "2024-01/x/b.gz"}},
		{path: "gs://leads/**/{b,c}.*", want: []string{"2024-01/x/b.gz", "2024-02/c.gz", "b.json"}},
		{path: "gs://leads/x y%2F.json", want: []string{"x y%2F.json"}},
		{path: "gs://leads/c.json", err: "list gs://leads/c.json: there is no such file"},
		{path: "gs://leads/*.xml", err: "list gs://leads/*.xml: there is no such file"},
		{path: "gs://leads/marker/", err: "there is no such file"},
		{path: "gs://leads/[", err: "syntax error in pattern"},
		{path: "gs://empty", err: "list gs://empty: there is no such file"},
		{path: "gs://nowhere/a", err: "list gs://nowhere/a: storage: bucket doesn't exist; check the name of the bucket nowhere"},
		{path: "gs://", err: "gs://bucket/key"},
		{path: "gs://lea*/a", err: "the name of a bucket is wanted"},
	}
	s := newStore(t)
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			found, err := s.List(context.Background(), []string{test.path, test.path})
			if test.err != "" {
				fails(t, err, test.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, key := range test.want {
				want = append(want, "gs://leads/"+key)
			}
			diff(t, want, locations(found))
			for _, f := range found {
				if f.Size != int64(len(f.Location)-len("gs://leads/")) || f.Version == "" || f.Version == "0" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Catches pages of a listing that are left out.
func TestListPages(t *testing.T) {
	c := newCloud(t, "leads")
	for i := range 11 {
		c.put(fmt.Sprintf("d/%02d", i), []byte("x"))
	}
	for page := 1; page < 13; page++ {
		s := newStore(t)
		s.page = page
		found, err := s.List(context.Background(), []string{"gs://leads/d"})
		if err != nil || len(found) != 11 {
			t.Error(page, len(found), err)
		}
	}
}

// Catches ranges that are off, and an object that comes other than it is
// stored because of its Content-Encoding.
func TestOpenObject(t *testing.T) {
	c := newCloud(t, "leads")
	c.put("digits", []byte("0123456789"))
	c.put("nothing", nil)
	packed := gzipped(t, lines(1)[:100_000])
	c.CreateObject(fakestorage.Object{Content: packed, ObjectAttrs: fakestorage.ObjectAttrs{
		BucketName: "leads", Name: "packed", ContentEncoding: "gzip", ContentType: "application/json",
	}})
	s := newStore(t)
	f := one(t, s, "gs://leads/digits")
	unknown := File{Location: f.Location, Size: -1}
	for _, f := range []File{f, unknown} {
		for _, test := range []struct {
			offset, length int64
			want           string
		}{{0, -1, "0123456789"}, {3, -1, "3456789"}, {3, 2, "34"}, {8, 100, "89"}, {2, 0, ""}} {
			got, err := readAll(t, s, f, test.offset, test.length)
			if string(got) != test.want || err != nil {
				t.Errorf("from %d, %d bytes: %q, %v", test.offset, test.length, got, err)
			}
		}
	}
	r, err := s.Open(context.Background(), unknown, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0123456789", "", ""} {
		if got, err := io.ReadAll(r); string(got) != want || err != nil {
			t.Errorf("to the end again: %q, %v", got, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, offset := range []int64{10, 20} {
		if got, err := readAll(t, s, f, offset, 5); len(got) != 0 || err != nil {
			t.Errorf("from %d: %q, %v", offset, got, err)
		}
	}
	if got, err := readAll(t, s, one(t, s, "gs://leads/nothing"), 0, -1); len(got) != 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	got, err := readAll(t, s, one(t, s, "gs://leads/packed"), 0, -1)
	if err != nil {
		t.Error(err)
	}
	equal(t, got, packed)
	got, err = readAll(t, s, one(t, s, "gs://leads/packed"), 7, 9)
	if err != nil {
		t.Error(err)
	}
	equal(t, got, packed[7:16])
}

// cut answers with the object, but breaks the connection after n bytes of it.
type cut struct {
	http.ResponseWriter
	n int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.n {
		_, _ = c.ResponseWriter.Write(p[:c.n])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.n -= len(p)
	return c.ResponseWriter.Write(p)
}

// Catches bytes that are lost or doubled where a connection broke, fell silent
// or was refused, and a reader that gives up then.
func TestReadMends(t *testing.T) {
	const size = 3 << 20
	data := lines(1)[:size]
	silence := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.WriteHeader(http.StatusPartialContent)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	tests := []struct {
		name  string
		fault func(c *cloudServer, try int, w http.ResponseWriter, r *http.Request) bool
		tries int
	}{
		{"broken in its midst, three times", func(c *cloudServer, try int, w http.ResponseWriter, r *http.Request) bool {
			if try <= 3 {
				r.Host = "storage.googleapis.com"
				c.HTTPHandler().ServeHTTP(&cut{w, 700_001}, r)
				return true
			}
			return false
		}, 4},
		{"broken before its first byte", func(_ *cloudServer, try int, _ http.ResponseWriter, _ *http.Request) bool {
			if try == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, 2},
		{"silent before its first byte", func(_ *cloudServer, try int, _ http.ResponseWriter, r *http.Request) bool {
			if try == 1 {
				<-r.Context().Done()
			}
			return try == 1
		}, 2},
		{"broken, and then silent", func(c *cloudServer, try int, w http.ResponseWriter, r *http.Request) bool {
			switch try {
			case 1:
				r.Host = "storage.googleapis.com"
				c.HTTPHandler().ServeHTTP(&cut{w, 1_000_000}, r)
			case 2:
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000000-%d/%d", len(data)-1, len(data)))
				silence(w, r)
			}
			return try <= 2
		}, 3},
		{"unavailable", func(_ *cloudServer, try int, w http.ResponseWriter, _ *http.Request) bool {
			if try == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return try == 1
		}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t, "leads")
			c.put("a", data)
			s := newStore(t)
			s.quiet = 4 * time.Second
			f := one(t, s, "gs://leads/a")
			var tries atomic.Int32
			c.setFault(func(w http.ResponseWriter, r *http.Request) bool {
				return isRead(r) && test.fault(c, int(tries.Add(1)), w, r)
			})
			got, err := readAll(t, s, f, 10, int64(len(data))-20)
			if err != nil {
				t.Error(err)
			}
			equal(t, got, data[10:len(data)-10])
			if n := int(tries.Load()); n != test.tries {
				t.Errorf("%d requests: %v", n, c.ranges)
			}
		})
	}
}

// Catches a read that waits for ever, or takes what came so far for the whole.
func TestReadFails(t *testing.T) {
	data := lines(1)[:3<<20]
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = io.WriteString(w, body) }
	}
	short := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-999/%d", len(data)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[:1000])
	}
	other := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Goog-Hash", "crc32c=AAAAAA==")
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(data)-1, len(data)))
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(data)
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		words  []string
	}{
		{"other bytes than were stored", other, []string{"read gs://leads/a: storage: bad CRC"}},
		{"silent", silent, []string{"gs://leads/a", "nothing came of it within 300ms"}},
		{"short", short, []string{"read gs://leads/a", "unexpected EOF"}},
		{"unavailable", status(http.StatusServiceUnavailable, "try later"), []string{"gs://leads/a", "503 Service Unavailable: try later"}},
		{"forbidden", status(http.StatusForbidden, "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access denied.</Message><Details>w@acme has no storage.objects.get access</Details></Error>"),
			[]string{"open gs://leads/a: 403 Forbidden: w@acme has no storage.objects.get access; grant the account roles/storage.objectViewer on the bucket leads"}},
		{"unauthorized", status(http.StatusUnauthorized, ""), []string{"open gs://leads/a: 401 Unauthorized", "gcloud auth application-default login"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t, "leads")
			c.put("a", data)
			s := newStore(t)
			s.quiet = 300 * time.Millisecond
			f := one(t, s, "gs://leads/a")
			c.setFault(func(w http.ResponseWriter, r *http.Request) bool {
				if isRead(r) {
					test.answer(w, r)
				}
				return isRead(r)
			})
			start := time.Now()
			_, err := readAll(t, s, f, 0, -1)
			fails(t, err, test.words...)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Catches a listing that fails without saying why and what to do, or that waits
// for ever, or a passing failure that is not mended.
func TestListFails(t *testing.T) {
	status := func(code int, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q}}`, code, message)
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		words  []string
	}{
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, []string{"list gs://leads/a: ", "nothing came of it within 300ms"}},
		{"unavailable", status(503, "try later"), []string{"list gs://leads/a: 503 Service Unavailable: try later"}},
		{"forbidden", status(403, "w@acme does not have storage.objects.list access"),
			[]string{"list gs://leads/a: 403 Forbidden: w@acme does not have storage.objects.list access; grant the account roles/storage.objectViewer on the bucket leads, for storage.objects.list and storage.objects.get"}},
		{"unauthorized", status(401, "Anonymous caller"), []string{"list gs://leads/a: 401 Unauthorized: Anonymous caller; give credentials: gcloud auth application-default login"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCloud(t, "leads")
			s := newStore(t)
			s.quiet = 300 * time.Millisecond
			c.setFault(func(w http.ResponseWriter, r *http.Request) bool { test.answer(w, r); return true })
			_, err := s.List(context.Background(), []string{"gs://leads/a"})
			fails(t, err, test.words...)
		})
	}
	c := newCloud(t, "leads")
	c.put("a", []byte("x"))
	var tries atomic.Int32
	c.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	})
	one(t, newStore(t), "gs://leads/a")
}

// Catches an object that is read though it is not the listed one any more, or
// is only found missing, at its beginning or in its midst.
func TestChanged(t *testing.T) {
	data := lines(1)[:3<<20]
	change := map[string]func(*cloudServer){
		"another generation": func(c *cloudServer) { c.put("a", data[1:]) },
		"it was deleted": func(c *cloudServer) {
			if err := c.Backend().DeleteObject("leads", "a"); err != nil {
				c.t.Fatal(err)
			}
		},
	}
	for name, change := range change {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, "leads")
			c.put("a", data)
			s := newStore(t)
			f := one(t, s, "gs://leads/a")
			var broke atomic.Bool
			c.setFault(func(w http.ResponseWriter, r *http.Request) bool {
				if !isRead(r) || broke.Swap(true) {
					return false
				}
				r.Host = "storage.googleapis.com"
				defer change(c)
				c.HTTPHandler().ServeHTTP(&cut{w, 1_000_000}, r)
				return true
			})
			got, err := readAll(t, s, f, 0, -1)
			if !errors.Is(err, ErrChanged) {
				t.Error(err)
			}
			fails(t, err, "read gs://leads/a: it has changed since it was listed")
			equal(t, got, data[:len(got)])

			_, err = readAll(t, s, f, 0, -1)
			if !errors.Is(err, ErrChanged) {
				t.Error(err)
			}
			if strings.HasPrefix(name, "it was") {
				fails(t, err, name)
			} else {
				fails(t, err, "generation "+f.Version+" was listed, "+one(t, s, f.Location).Version+" is there now")
			}
		})
	}
}

// Catches a reader, or a listing, that goes on when its context has ended.
func TestCancelled(t *testing.T) {
	c := newCloud(t, "leads")
	c.put("a", lines(1)[:1<<20])
	s := newStore(t)
	f := one(t, s, "gs://leads/a")
	c.setFault(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	enough := errors.New("enough")
	for name, f := range map[string]func(context.Context) error{
		"open": func(ctx context.Context) error { _, err := s.Open(ctx, f, 0, -1); return err },
		"list": func(ctx context.Context) error { _, err := s.List(ctx, []string{"gs://leads"}); return err },
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
		start := time.Now()
		if err := f(ctx); !errors.Is(err, enough) || time.Since(start) > 5*time.Second {
			t.Error(name, err, time.Since(start))
		}
	}
}
