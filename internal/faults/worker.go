package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Worker is the program at work as a process of its own. Its methods may be
// called concurrently.
type Worker struct {
	cmd     *exec.Cmd
	client  *http.Client
	started chan struct{} // closed once it has said that it works
	ended   chan struct{} // closed once the process is gone
	err     error         // of the process, once ended

	mu   sync.Mutex
	addr string
	log  strings.Builder
	last string // what it said last
}

// maxLog bounds what is kept of a worker's log, in bytes.
const maxLog = 4 << 20

// launch starts the process and does not wait for anything.
func launch(cmd *exec.Cmd) (*Worker, error) {
	w := &Worker{
		cmd: cmd, started: make(chan struct{}), ended: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	go func() {
		defer close(w.ended)
		w.read(log)
		w.err = cmd.Wait()
	}()
	return w, nil
}

// read takes the worker's log until it ends.
func (w *Worker) read(log io.Reader) {
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		w.note(line)
		if err != nil {
			return
		}
	}
}

func (w *Worker) note(line string) {
	var entry struct{ Message, Listen string }
	w.mu.Lock()
	defer w.mu.Unlock()
	if text := strings.TrimSpace(line); text != "" {
		w.last = text
	}
	if w.log.Len()+len(line) <= maxLog {
		w.log.WriteString(line)
	}
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Listen == "" {
		return
	}
	if _, port, err := net.SplitHostPort(entry.Listen); err == nil {
		w.addr = "127.0.0.1:" + port
	}
	if entry.Message == "worker started" {
		select {
		case <-w.started:
		default:
			close(w.started)
		}
	}
}

// Log returns what the worker has written to its log.
func (w *Worker) Log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// PID returns the number of the process.
func (w *Worker) PID() int { return w.cmd.Process.Pid }

// Ended is closed when the process is gone.
func (w *Worker) Ended() <-chan struct{} { return w.ended }

// Err waits until the process is gone and returns nil if its exit status is 0.
func (w *Worker) Err() error {
	<-w.ended
	return w.err
}

// await returns once the worker has said that it works.
func (w *Worker) await(ctx context.Context) error {
	select {
	case <-w.started:
		return nil
	case <-w.ended:
		w.mu.Lock()
		defer w.mu.Unlock()
		return fmt.Errorf("the worker ended at its start: %w: %s", orEnded(w.err), w.last)
	case <-ctx.Done():
		return fmt.Errorf("the worker has not started: %w", context.Cause(ctx))
	}
}

var errExited = errors.New("exit status 0")

func orEnded(err error) error {
	if err == nil {
		return errExited
	}
	return err
}

// Signal sends the process a signal. One that is gone is no error.
func (w *Worker) Signal(s os.Signal) error {
	if err := w.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to the worker: %w", s, err)
	}
	return nil
}

// Kill ends the process at once and waits until it is gone.
func (w *Worker) Kill() error {
	err := w.Signal(syscall.SIGKILL)
	<-w.ended
	return err
}

// Stop ends the worker as a platform does: it is asked, and killed if it has
// not ended within the time. The error says that it had to be, or what it
// ended with.
func (w *Worker) Stop(within time.Duration) error {
	if err := w.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-w.ended:
	case <-timer.C:
		return errors.Join(fmt.Errorf("the worker did not end within %v", within), w.Kill())
	}
	if w.err != nil {
		return fmt.Errorf("the worker ended with %w", w.err)
	}
	return nil
}

// Get returns the status and the text of one of the worker's pages, status 0
// if it does not answer within two seconds.
func (w *Worker) Get(ctx context.Context, path string) (status int, body string) {
	w.mu.Lock()
	addr := w.addr
	w.mu.Unlock()
	if addr == "" {
		return 0, ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return 0, ""
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(text)
}

// Metric returns the value of a metric by its name with its labels as it is
// printed, for example `leadsync_messages_settled_total{outcome="written"}`;
// ok is false if it is not there.
func (w *Worker) Metric(ctx context.Context, name string) (value float64, ok bool) {
	_, body := w.Get(ctx, "/metrics")
	for line := range strings.Lines(body) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return value, err == nil
		}
	}
	return 0, false
}
