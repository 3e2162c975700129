package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"leadsync/bench/program"
)

// worker is a built leadsync.
type worker struct {
	binary string
	log    string // file that takes what it prints
}

func buildWorker(ctx context.Context, dir string) (*worker, error) {
	binary, err := program.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &worker{binary: binary, log: filepath.Join(dir, "log")}, nil
}

// command prepares a command of leadsync. Its output goes to the log, from
// which failed shows the end.
func (w *worker) command(ctx context.Context, environ []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.binary, args...) //nolint:gosec // the program is the one built above
	cmd.Dir = filepath.Dir(w.binary)
	cmd.Env = append(os.Environ(), environ...)
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		cmd.Err = err
		return cmd
	}
	cmd.Stdout, cmd.Stderr = log, log
	return cmd
}

func (w *worker) failed(what string, err error) error {
	text, logErr := os.ReadFile(w.log)
	if logErr != nil {
		return errors.Join(fmt.Errorf("%s: %w", what, err), logErr)
	}
	if over := len(text) - 4000; over > 0 {
		text = text[over:]
	}
	return fmt.Errorf("%s: %w\nthe worker's last words:\n%s", what, err, text)
}

// process is a running worker.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after the end, when err is set
	err    error
}

// stopTimeout is how long a worker may take to end.
const stopTimeout = 30 * time.Second

func (w *worker) start(ctx context.Context, environ []string) (*process, error) {
	p := &process{cmd: w.command(ctx, environ, "run"), exited: make(chan struct{})}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Usage is what a worker took of the machine.
type Usage struct {
	CPU     time.Duration // user and system
	PeakRSS int           // bytes; 0: unknown
}

// stop ends the worker as a platform does and returns its usage. An error says
// that it had ended before, or did not end well.
func (p *process) stop() (Usage, error) {
	select {
	case <-p.exited:
		return Usage{}, fmt.Errorf("the worker ended too soon: %v", p.cmd.ProcessState)
	default:
	}
	peak := program.PeakRSS(p.cmd.Process.Pid)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return Usage{}, fmt.Errorf("stop the worker: %w", err)
	}
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		err := p.cmd.Process.Kill()
		<-p.exited
		return Usage{}, errors.Join(fmt.Errorf("the worker had not ended %v after SIGTERM", stopTimeout), err)
	}
	if p.err != nil {
		return Usage{}, fmt.Errorf("the worker ended badly: %w", p.err)
	}
	state := p.cmd.ProcessState
	return Usage{CPU: state.UserTime() + state.SystemTime(), PeakRSS: peak}, nil
}

// printProfile prints where the worker's CPU time went.
func printProfile(ctx context.Context, binary, profile string) error {
	//nolint:gosec // the file is the one the person at the keyboard named
	cmd := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=40", binary, profile)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("print the profile: %w", err)
	}
	return nil
}
