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
// What it checks of tables: names, types, modes and lengths, partition and
// clustering columns, entity tags, and that a change only adds nullable or
// repeated columns, makes required ones nullable, or describes.
//
// What it does not do: it knows no SQL, so a view's query is kept and not
// read, and queries and changes of rows are answered by a function of the test
// ([Server.OnQuery], [Server.Change]). Streams other than the default one, load jobs, access
// control and quotas are not there either; calls for them are answered as not
// implemented. Columns of all types can be defined, but only STRING, JSON,
// INT64, BOOL, TIMESTAMP, BYTES, FLOAT64 and RECORD can be appended to, each
// in the one wire type that the service's documentation prefers. No partition
// filter is enforced, no expiration takes place.
//
// It misbehaves on demand: see [Server.Fault] and its neighbours.
package bqtest
