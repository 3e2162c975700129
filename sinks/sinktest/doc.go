// Package sinktest tests sinks. [Run] is the conformance test that every sink
// passes: it holds a [sinks.Sink] to the contract written there. [Memory] is
// a sink that keeps its rows for a test to look at and watches the callers'
// half of the contract; [Faulty] puts scripted faults before any sink.
//
// Rows are made with [Append] from a table's definition, so that a new column
// or table is tested from the day it is defined.
package sinktest
