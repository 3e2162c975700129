// Package bigquery writes rows to BigQuery and looks after its tables.
//
// [Sink] appends through the Storage Write API to the default stream of every
// table; [Warehouse] creates and changes the tables and views and runs
// queries. Both speak to the service through the vendor's clients only, and
// both take everything they know of a table from package transform.
//
// Appends are at-least-once: an append whose answer got lost is sent again,
// and the rows' keys tell copies. What may pass is retried here until the
// caller's context ends, because the vendor's own retries give up after two
// seconds and hide the cause.
//
// Large amounts are staged and committed together: [Sink.PendingStreams]
// appends them to streams of their own, where every append has its place, so
// that what is sent again is not written again.
package bigquery
