// Package pulltest is a stand-in for a Pub/Sub subscription, for tests of code
// that pulls from one: an in-process [Server] that speaks the service's own
// protocol over gRPC, so that the vendor's client runs against it unchanged,
// and that keeps account of every message. It delivers tens of thousands of
// messages a second.
//
// What it does: streaming pull with the flow control of each stream, unary
// pull, acknowledgements, nacks and extensions of leases, and answers to
// pings. A lease that ends without an acknowledgement has its message
// delivered again, a nack at once. Requests that the service refuses are
// refused: another subscription, ack ids that were never given out or none at
// all, deadlines out of bounds, requests above 512 KiB, set-up fields in later
// requests of a stream.
//
// Where it is harsher than the service: what a closed connection left behind
// is delivered again at once, where the service waits for the leases to end;
// and leases may be shorter than the client asks for, see [Server.Lease].
//
// What it does not do: there is one subscription and no topic, and nothing can
// be created, changed or published over gRPC. No ordering keys, filters,
// exactly-once delivery, retry policy, dead-letter topic, retention, seeking
// or permissions. Acknowledgements after the end of a lease always count,
// where the service may miss them.
//
// It misbehaves on demand: see [Server.FailPulls] and its neighbours.
package pulltest
