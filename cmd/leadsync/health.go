package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// health answers whether the process lives and whether it is ready, from
// checks that its parts register. It may be used concurrently.
type health struct {
	mu       sync.Mutex
	alive    map[string]func() error
	ready    map[string]func() error
	draining bool
}

func newHealth() *health {
	return &health{alive: make(map[string]func() error), ready: make(map[string]func() error)}
}

// addAlive registers a check that fails when only a restart helps.
func (h *health) addAlive(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alive[name] = check
}

// addReady registers a check that fails while work is held back. It must
// return at once.
func (h *health) addReady(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready[name] = check
}

// held returns a cause for which work is held back, the source's left out; nil
// if there is none.
func (h *health) held() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, check := range h.ready {
		if err := check(); err != nil && name != "source" {
			return err
		}
	}
	return nil
}

// drain makes the process not ready for good: it is about to end.
func (h *health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// healthReport is what the health pages answer.
type healthReport struct {
	Status string            `json:"status"`           // ok or failing
	Causes map[string]string `json:"causes,omitempty"` // by check
}

func (h *health) report(checks map[string]func() error, whileDraining bool) healthReport {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := healthReport{Status: "ok"}
	causes := make(map[string]string)
	if h.draining && !whileDraining {
		causes["worker"] = "draining"
	}
	for name, check := range checks {
		if err := check(); err != nil {
			causes[name] = err.Error()
		}
	}
	if len(causes) > 0 {
		r = healthReport{Status: "failing", Causes: causes}
	}
	return r
}

// routes returns the pages: /healthz, /readyz and /metrics.
func (h *health) routes(metrics http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, h.report(h.alive, true)) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, h.report(h.ready, false)) })
	mux.Handle("GET /metrics", metrics)
	return mux
}

func answer(w http.ResponseWriter, r healthReport) {
	body, err := json.Marshal(r)
	if err != nil {
		http.Error(w, "encode health report", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n')) // whoever asked may have left
}

// A server serves HTTP until it is shut down.
type server struct {
	http   *http.Server
	addr   string // that it listens on, for port 0
	served chan error
}

// startServer listens on the port of every address, 0 for any free one, and
// serves in the background until shutdown; ctx is for listening only.
func startServer(ctx context.Context, port int, handler http.Handler, logger *slog.Logger) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen on PORT %d: %w", port, err)
	}
	s := &server{
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
		addr:   listener.Addr().String(),
		served: make(chan error, 1),
	}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// shutdown lets running requests finish until ctx ends, then cuts them off.
func (s *server) shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("shut down server on %s: %w", s.addr, err)
	}
	return nil
}
