// Package faults holds the fault table: everything that can go wrong around
// the worker, what the worker does about it and what its operator sees. Every
// line of it can be played: the real program runs as a process of its own
// against servers that speak the real protocols, the fault is injected, and
// what was published is compared with what is in the warehouse.
//
// Nothing here reaches further than the loopback interface.
package faults

import (
	"slices"
	"time"
)

// A Fault is a line of the table.
type Fault struct {
	Name  string // unique, a word or words joined by hyphens
	Wrong string // what goes wrong
	Sink  string // "bigquery" or "duckdb" if only that warehouse can have it; "" for both
	Class Class
	Does  string // what the worker does
	Sees  string // what the operator sees

	// Long faults take more than a few seconds and are left out of a short run.
	Long bool

	// Environ are settings that replace the user's for this fault, where his
	// own would make it take too long or would keep it from happening.
	Environ []string

	// Empty begins without a file of the embedded warehouse. Else there is one,
	// with its tables and no rows.
	Empty bool

	// Limit bounds the playing; 0 is two minutes.
	Limit time.Duration

	// Play publishes events, injects the fault, heals it, and says what was
	// not as expected, by [Rig.Expect]. An error means that the fault could
	// not be played to its end. What is in the tables is looked at after it.
	Play func(*Rig) error
}

// Class says what a fault calls for. The first four are the classes in which a
// sink puts a failed append.
type Class string

// The classes.
const (
	Transient Class = "transient" // passes by itself: retried soon
	Throttled Class = "throttled" // quota: retried with patience
	Setup     Class = "setup"     // a person must act: held, retried slowly
	Data      Class = "data"      // these rows can never be written: dead letters
	Delivery  Class = "delivery"  // messages come again, late, twice or not at all
	Process   Class = "process"   // the worker itself is ended or starved
)

// Table returns every fault, in the order in which people read them.
func Table() []Fault {
	return slices.Concat(
		appendFaults(), rowFaults(), setupFaults(), outageFaults(),
		pullFaults(), stuckFaults(), deliveryFaults(), poisonFaults(), clockFaults(),
		processFaults(), embeddedFaults(),
	)
}

// For returns the faults that a sink can have.
func For(sink string, list []Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(list), func(f Fault) bool { return f.Sink != "" && f.Sink != sink })
}
