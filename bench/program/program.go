// Package program builds leadsync for the benchmarks and tells what a process
// takes of the machine.
package program

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Build builds leadsync of the module that the present folder is in, and
// returns the path of the program in dir.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	binary := filepath.Join(dir, "leadsync")
	//nolint:gosec // the path is one that the caller made
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/leadsync")
	build.Dir = strings.TrimSpace(string(root))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build leadsync: %w\n%s", err, out)
	}
	return binary, nil
}

// PeakRSS asks the kernel for a running process's high-water mark of resident
// memory, in bytes; 0 where it does not tell. The resource usage told at its
// end does not serve: it begins with the memory of the process that started
// it.
func PeakRSS(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // not Linux, or it is gone
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kib, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		return 0
	}
	return kib << 10
}
