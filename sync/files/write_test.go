package files

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Catches an object that is not what was written, or is there before it is whole.
func TestCreate(t *testing.T) {
	c := newCloud(t, "staging")
	s := newStore(t)
	folder := newTree(t)
	for name, data := range map[string][]byte{"nothing": nil, "small": []byte("{}\n"), "large": lines(1)[:9<<20]} {
		for _, url := range []string{"gs://staging/new/" + name, "file://" + folder + "/new/" + name} {
			t.Run(url, func(t *testing.T) {
				w, err := s.Create(context.Background(), url)
				if err != nil {
					t.Fatal(err)
				}
				for rest := data; len(rest) > 0; {
					n := min(len(rest), 1<<20)
					if _, err := w.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if _, err := s.List(context.Background(), []string{url}); err == nil {
					t.Error("it is there before Close")
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Error("closed again:", err)
				}
				got, err := readAll(t, s, one(t, s, url), 0, -1)
				if err != nil {
					t.Error(err)
				}
				equal(t, got, data)
				for range 2 {
					if err := s.Delete(context.Background(), url); err != nil {
						t.Error(err)
					}
				}
				if _, err := s.List(context.Background(), []string{url}); err == nil {
					t.Error("it is there after Delete")
				}
			})
		}
	}
	left, err := filepath.Glob(folder + "/new/*")
	if err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	for _, url := range []string{"gs://staging", "gs://staging/", "gs://staging/a/", "s3://staging/a", "a", "file://a"} {
		_, err := s.Create(context.Background(), url)
		fails(t, err, url)
		fails(t, s.Delete(context.Background(), url), url)
	}
	_ = c
}

// Catches an object that is there though its making was broken off, or an older
// one of that name that is gone then.
func TestCreateCancelled(t *testing.T) {
	newCloud(t, "staging")
	s := newStore(t)
	folder := newTree(t)
	enough := errors.New("enough")
	for _, n := range []int{10, 9 << 20} {
		for _, url := range []string{"gs://staging/a", "file://" + folder + "/a"} {
			ctx, cancel := context.WithCancelCause(context.Background())
			w, err := s.Create(ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, n)); err != nil {
				t.Error(err)
			}
			cancel(enough)
			if _, err := w.Write([]byte("more")); !errors.Is(err, enough) {
				t.Error(url, err)
			}
			err = w.Close()
			if !errors.Is(err, enough) {
				t.Error(url, err)
			}
			fails(t, err, "create "+url+": enough")
			if _, err := s.List(context.Background(), []string{url}); err == nil {
				t.Error(url, "is there")
			}
		}
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Error(left, err)
	}

	// Without a Write that would tell, Close does.
	ctx, cancel := context.WithCancel(context.Background())
	w, err := s.Create(ctx, "gs://staging/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	cancel()
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.List(context.Background(), []string{"gs://staging/a"}); err == nil {
		t.Error("it is there")
	}
}

// Catches a failure of an upload that nobody hears of, one that is not mended
// though it passes, and an address of an upload, which needs no other key, in
// an error.
func TestCreateFails(t *testing.T) {
	uploads := func(r *http.Request) bool { return r.Method == http.MethodPut || r.Method == http.MethodPost }
	write := func(s *Store, n int) error {
		w, err := s.Create(context.Background(), "gs://staging/a")
		if err != nil {
			return err
		}
		_, _ = w.Write(make([]byte, n)) // Close says it too
		return w.Close()
	}
	tests := []struct {
		name   string
		answer func(try int, w http.ResponseWriter, r *http.Request) bool
		words  []string // none: it is mended
	}{
		{"forbidden", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":{"code":403,"message":"w@acme does not have storage.objects.create access"}}`)
			return true
		}, []string{"create gs://staging/a: 403 Forbidden: w@acme does not have storage.objects.create access; grant the account roles/storage.objectUser on the bucket staging"}},
		{"silent", func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}, []string{"create gs://staging/a: ", "nothing came of it within 1s"}},
		{"unavailable", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, []string{"create gs://staging/a: "}},
		{"broken once", func(try int, _ http.ResponseWriter, _ *http.Request) bool {
			if try == 2 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, nil},
		{"unavailable once", func(try int, w http.ResponseWriter, _ *http.Request) bool {
			if try == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return try == 1
		}, nil},
	}
	for _, test := range tests {
		for _, n := range []int{10, 9 << 20} {
			t.Run(test.name, func(t *testing.T) {
				c := newCloud(t, "staging")
				s := newStore(t)
				if s.quiet = time.Second; test.words == nil {
					s.quiet = 10 * time.Second
				}
				var tries atomic.Int32
				c.setFault(func(w http.ResponseWriter, r *http.Request) bool {
					return uploads(r) && test.answer(int(tries.Add(1)), w, r)
				})
				err := write(s, n)
				c.setFault(nil)
				found, missing := s.List(context.Background(), []string{"gs://staging/a"})
				if test.words == nil {
					if err != nil || missing != nil || found[0].Size != int64(n) {
						t.Error(err, found, missing)
					}
					return
				}
				fails(t, err, test.words...)
				if missing == nil {
					t.Error("it is there")
				}
			})
		}
	}
	newCloud(t)
	fails(t, write(newStore(t), 10), "create gs://staging/a: 404 Not Found", "check the name of the bucket staging")
}
