package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"leadsync/bench/program"
)

// A usage is what a process took of the machine.
type usage struct {
	took time.Duration
	cpu  time.Duration // user and system
	peak int           // bytes of resident memory; 0: unknown
}

// measure runs a command and returns what it took, with its output.
func measure(ctx context.Context, environ []string, name string, args ...string) (u usage, out []byte, err error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // programs that this one names
	cmd.Env = append(os.Environ(), environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if len(args) > 0 && name == "jq" { // its rows are of no use to anybody
		cmd.Stdout = nil
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return u, nil, fmt.Errorf("start %s: %w", name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			u.peak = max(u.peak, program.PeakRSS(cmd.Process.Pid))
			continue
		case err = <-ended:
		}
		break
	}
	u.took = time.Since(begun)
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil {
		return u, nil, errors.Join(context.Cause(ctx), fmt.Errorf("%s: %w\n%s", name, err, last(stderr.Bytes(), 2000)))
	}
	return u, stdout.Bytes(), nil
}

func last(text []byte, n int) []byte { return text[max(0, len(text)-n):] }
