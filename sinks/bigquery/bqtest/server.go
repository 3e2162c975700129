package bqtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// A Server is a BigQuery of one's own. All methods may be called concurrently.
type Server struct {
	restAddr    string
	storageAddr string
	rest        *http.Server
	storage     *grpc.Server
	conns       connTracker
	life        context.Context // of everything that was started here
	stop        context.CancelFunc
	wg          sync.WaitGroup // of everything that was started here
	once        sync.Once

	mu       sync.Mutex // guards what follows
	datasets map[string]*dataset
	jobs     map[string]*job
	serial   int // last number given to an etag, connection or job
	onQuery  func(*Query) (*Result, error)
	onREST   func(*http.Request) error
	down     bool
	switches map[string]*switches
	streams  map[string]*pendingStream // by their full names

	storageURL string // of the objects that load jobs read

	scriptMu sync.Mutex // guards what follows, and lets one call of the functions run at a time
	script   func(*Append) *Fault
	onCall   func(*Call) *Fault
	calls    int // last number given to a call
	onLoad   func(*Load) *LoadFault
}

// New starts a server that stops at the end of the test.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server on two free ports of the loopback interface. The
// caller must call [Server.Close].
func Start() (*Server, error) {
	restListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start bigquery stand-in: listen for rest: %w", err)
	}
	storageListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		restListener.Close()
		return nil, fmt.Errorf("start bigquery stand-in: listen for grpc: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		restAddr:    restListener.Addr().String(),
		storageAddr: storageListener.Addr().String(),
		life:        ctx,
		stop:        stop,
		datasets:    map[string]*dataset{},
		jobs:        map[string]*job{},
		switches:    map[string]*switches{},
		streams:     map[string]*pendingStream{},
	}
	s.rest = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.storage = grpc.NewServer(
		// Far above the limit of a request, so that breaking the limit is
		// answered as the service answers it and not by the transport.
		grpc.MaxRecvMsgSize(64<<20),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             time.Second,
			PermitWithoutStream: true,
		}),
	)
	storagepb.RegisterBigQueryWriteServer(s.storage, &writeServer{srv: s})

	s.wg.Go(func() { s.rest.Serve(restListener) })
	s.wg.Go(func() { s.storage.Serve(s.conns.track(storageListener)) })
	return s, nil
}

// Close stops the server and everything it runs, and cuts every connection.
func (s *Server) Close() {
	s.once.Do(func() {
		s.stop()
		s.storage.Stop()
		s.rest.Close()
	})
	s.wg.Wait()
}

// RESTURL returns the endpoint for the REST client, "http://host:port".
func (s *Server) RESTURL() string { return "http://" + s.restAddr }

// StorageAddr returns the endpoint for the storage client, "host:port". It
// takes connections without TLS only.
func (s *Server) StorageAddr() string { return s.storageAddr }

// next returns a new number. The caller holds s.mu.
func (s *Server) next() int {
	s.serial++
	return s.serial
}

// connTracker knows the open connections of a listener, to cut them.
type connTracker struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

type trackedListener struct {
	net.Listener
	tracker *connTracker
}

type trackedConn struct {
	net.Conn
	tracker *connTracker
}

func (t *connTracker) track(l net.Listener) net.Listener {
	t.open = map[net.Conn]bool{}
	return trackedListener{l, t}
}

func (l trackedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.tracker.mu.Lock()
	defer l.tracker.mu.Unlock()
	tc := &trackedConn{c, l.tracker}
	l.tracker.open[tc] = true
	return tc, nil
}

func (c *trackedConn) Close() error {
	c.tracker.mu.Lock()
	delete(c.tracker.open, c)
	c.tracker.mu.Unlock()
	return c.Conn.Close()
}

// cut closes all open connections.
func (t *connTracker) cut() {
	t.mu.Lock()
	var list []net.Conn
	for c := range t.open {
		list = append(list, c)
	}
	t.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}
