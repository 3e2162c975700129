package pulltest

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// A Server is a subscription of one's own. All methods may be called
// concurrently.
type Server struct {
	name  string
	addr  string
	grpc  *grpc.Server
	conns connections
	stop  context.CancelFunc
	wg    sync.WaitGroup // of everything that was started here
	once  sync.Once

	mu       sync.Mutex
	wake     *sync.Cond // whoever waits for messages, room or an end of a fault
	messages []message
	pending  queue
	leases   map[int]*lease // by their number
	last     int            // number of the last lease
	streams  map[*stream]struct{}
	length   time.Duration // longest lease
	unacked  int
	copies   int // deliveries that a storm still owes
	stats    Stats
	done     chan struct{} // closed when nothing is left to acknowledge
	faults   faults
}

// defaultLease is the longest lease, unless [Server.Lease] says otherwise: the
// one the service gives too.
const defaultLease = 10 * time.Minute

var errClosed = status.Error(codes.Unavailable, "the server was closed")

var validName = regexp.MustCompile(`^projects/[^/]+/subscriptions/[^/]+$`)

// New starts a server that stops at the end of the test.
func New(t testing.TB, name string) *Server {
	t.Helper()
	s, err := Start(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server on a free port of the loopback interface. It serves
// one subscription, projects/P/subscriptions/S, which is empty. The caller
// must call [Server.Close].
func Start(name string) (*Server, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("start subscription: %q is not projects/P/subscriptions/S", name)
	}
	ctx, stop := context.WithCancel(context.Background())
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		stop()
		return nil, fmt.Errorf("start subscription %s: %w", name, err)
	}
	s := &Server{
		name: name, addr: l.Addr().String(), stop: stop,
		leases: map[int]*lease{}, streams: map[*stream]struct{}{},
		length: defaultLease, done: make(chan struct{}),
	}
	s.wake = sync.NewCond(&s.mu)
	s.conns.closed = s.leave
	s.grpc = grpc.NewServer(
		grpc.UnaryInterceptor(s.intercept),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(8<<20), // what is too large is refused as the service refuses it
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	pubsubpb.RegisterSubscriberServer(s.grpc, &service{srv: s, ctx: ctx})
	s.wg.Go(func() { _ = s.grpc.Serve(s.conns.track(l)) }) // until Close, which is all its error could say
	s.wg.Go(func() { s.expire(ctx) })
	return s, nil
}

// Addr returns host:port, for PUBSUB_EMULATOR_HOST.
func (s *Server) Addr() string { return s.addr }

// Close stops the server and cuts every connection. The accounts remain.
func (s *Server) Close() {
	s.once.Do(func() {
		s.stop()
		s.ResetStreams(errClosed)
		s.grpc.Stop()
	})
	s.wg.Wait()
}

// Publish adds messages to the backlog and returns their ids, in order.
func (s *Server) Publish(msgs ...Message) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(msgs))
	for i, m := range msgs {
		ids[i] = s.add(m, nil)
	}
	s.wake.Broadcast()
	return ids
}

// PublishFunc adds n messages without attributes to the backlog. The data of
// the i-th, from 0, is made when it is delivered, anew each time: for backlogs
// larger than memory. data is called with a lock held and must not call the
// server.
func (s *Server) PublishFunc(n int, data func(i int) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i := range n {
		s.add(Message{PublishedAt: now}, func() []byte { return data(i) })
	}
	s.wake.Broadcast()
}
