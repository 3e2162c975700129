// Package transform turns the bytes of a lead event into rows: it decides what
// an event is, which rows it gives, and how they are encoded.
//
// It is pure: no I/O and no clock but the times handed in. The same bytes give
// the same rows on every way in. A [Transformer] decodes one event at a time
// and appends its rows, already encoded for their tables, to a [Rows]; what
// cannot become rows gives a [Rejection] and nothing is appended.
//
// The tables are defined once, in [Tables]. The warehouse schemas, the wire
// format, the output of the transform command and the data dictionary are all
// made from that definition.
package transform
