// Package bqtest is a stand-in for BigQuery, for tests of code that talks to
// it: an in-process [Server] that speaks the service's own protocols, REST
// and the Storage Write API over gRPC, so that the vendor's clients run
// against it unchanged, and that refuses what the service refuses.
//
// What it checks of appends to a default stream: the first request of a
// connection names its stream and brings its schema; the schema fits the
// table in names, types and modes; every row decodes, fits the schema and
// leaves no required column out; text is UTF-8; JSON columns hold JSON whose
// numbers survive; partition values are within ten years back and one year
// ahead; a request is no larger than 10 MiB. One bad row refuses its whole
// request with an answer that lists the bad rows. A schema that does not fit,
// a request too large, a missing table or permission end the connection with
// their status.
//
// What it checks of pending streams besides: offsets, which must be the
// stream's end; that only the connection that came last appends; that nothing
// is appended after the stream was finalized; that a commit names finalized
// streams of its table, none of them twice or for the second time. Their rows
// are in no table before.
//
// What it checks of load jobs: ids, which are taken once; the place of the
// dataset; every row of every object, in the forms that lose nothing, with no
// unknown key, no required column missing and no more than 100 MB; that there
// are no more than 4,000 partitions, of any age. One bad row fails the job, and
// nothing of it is written.
//
// What it checks of tables: names, types, modes and lengths, partition and
// clustering columns, entity tags, and that a change only adds nullable or
// repeated columns, makes required ones nullable, or describes.
//
// What it does not do: it knows no SQL, so a view's query is kept and not
// read, and queries and changes of rows are answered by a function of the test
// ([Server.OnQuery], [Server.Change]). Streams that are neither default nor
// pending, load jobs other than appending newline-delimited JSON from objects
// ([Server.Storage]), access control and quotas are not there either; calls for
// them are answered as not implemented. Columns of all types can be defined, but only STRING, JSON,
// INT64, BOOL, TIMESTAMP, BYTES, FLOAT64 and RECORD can be appended to, each
// in the one wire type that the service's documentation prefers. No partition
// filter is enforced, no expiration takes place.
//
// It misbehaves on demand: see [Server.Fault] and its neighbours.
package bqtest
