//go:build !unix

package faults

// starving are none: a process cannot be stopped here and let go on.
func starving() []Fault { return nil }
