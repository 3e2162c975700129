package faults

import (
	"fmt"
	"syscall"
	"unsafe"
)

// limitFiles lets a process, which must belong to the same user, write no file
// above so many bytes, as if the disk was full; 0 lifts that again.
func limitFiles(pid int, most uint64) error {
	var now syscall.Rlimit
	if err := prlimit(pid, nil, &now); err != nil {
		return err
	}
	now.Cur = now.Max
	if most > 0 {
		now.Cur = most
	}
	return prlimit(pid, &now, nil)
}

func prlimit(pid int, set, get *syscall.Rlimit) error {
	//nolint:gosec // the kernel takes addresses
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("limit the files of process %d: %w", pid, errno)
	}
	return nil
}

// canLimitFiles reports whether the kernel, or a sandbox in its place, lets
// one process limit another: here this one itself, by its number.
func canLimitFiles() bool {
	var now syscall.Rlimit
	return prlimit(syscall.Getpid(), nil, &now) == nil && prlimit(syscall.Getpid(), &now, nil) == nil
}
