package bigquery

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A link leads to a server and can be cut: then nobody answers at its address.
type link struct {
	t      testing.TB
	addr   string
	target string
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

func newLink(t testing.TB, target string) *link {
	l := &link{t: t, addr: "127.0.0.1:0", target: target}
	l.up()
	t.Cleanup(l.down)
	return l
}

func (l *link) up() {
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Error(err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr, l.listener = listener.Addr().String(), listener
	l.wg.Go(func() { l.serve(listener) })
}

func (l *link) serve(listener net.Listener) {
	for {
		in, err := listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.target)
		if err != nil {
			in.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, in, out)
		cut := l.listener != listener
		l.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			if cut {
				pair[0].Close()
			}
			l.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // until the link is cut
				pair[0].Close()
			})
		}
	}
}

func (l *link) down() {
	l.mu.Lock()
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
	l.mu.Unlock()
	l.wg.Wait()
}

// TestNetworkOutage takes the address away for a while, with writes under way.
// It catches a write that waits for the transport's own long back-off, and
// rows that are lost with it.
func TestNetworkOutage(t *testing.T) {
	server, c := start(t)
	l := newLink(t, server.StorageAddr())
	c.StorageEndpoint = l.addr
	s := openSink(t, c)
	if err := s.Write(t.Context(), events(1)); err != nil {
		t.Fatal(err)
	}
	l.down()
	began := time.Now()
	held(t, s, events(100), func() {
		time.Sleep(200 * time.Millisecond)
		l.up()
		began = time.Now()
	}, "events_log", "transient")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the write went through %v after the network was back", took)
	}
	wantIDs(t, server, 100, true)
}
