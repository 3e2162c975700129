package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// get returns the status and body of a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// A probe must see a worker that holds back or drains as not ready, with the
// cause, and yet as alive: else the platform restarts it in the middle.
func TestHealth(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	h := newHealth()
	var sink, stream error
	h.addReady("sink", func() error { return sink })
	h.addAlive("stream", func() error { return stream })
	s, err := startServer(t.Context(), 0, h.routes(newMetrics().handler()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://localhost:" + port

	expect := func(when, page string, wantStatus int, wantBody string) {
		t.Helper()
		if status, body := get(t, url+page); status != wantStatus || body != wantBody+"\n" {
			t.Errorf("%s: %s answers %d %s, want %d %s", when, page, status, body, wantStatus, wantBody)
		}
	}
	expect("at first", "/healthz", 200, `{"status":"ok"}`)
	expect("at first", "/readyz", 200, `{"status":"ok"}`)
	sink = errors.New("quota exceeded")
	expect("sink held back", "/healthz", 200, `{"status":"ok"}`)
	expect("sink held back", "/readyz", 503, `{"status":"failing","causes":{"sink":"quota exceeded"}}`)
	h.drain()
	expect("draining", "/healthz", 200, `{"status":"ok"}`)
	expect("draining", "/readyz", 503, `{"status":"failing","causes":{"sink":"quota exceeded","worker":"draining"}}`)
	stream = errors.New("no progress for 10m0s")
	expect("stuck", "/healthz", 503, `{"status":"failing","causes":{"stream":"no progress for 10m0s"}}`)
	if status, _ := get(t, url+"/else"); status != 404 {
		t.Errorf("another page answers %d", status)
	}

	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := startServer(t.Context(), n, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a second server listens on the same port")
	}
	if err := s.shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A request that never ends must not keep the process from ending.
func TestShutdownCutsOff(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer http.DefaultClient.CloseIdleConnections()
	entered := make(chan struct{})
	s, err := startServer(t.Context(), 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.addr)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if resp, err := http.Get("http://localhost:" + port); err == nil {
			resp.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown returns %v, want %v", err, context.DeadlineExceeded)
	}
	<-asked
}
