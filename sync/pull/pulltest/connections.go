package pulltest

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// connections knows the open connections of a listener by the address of the
// other side, to cut them and to tell of their end.
type connections struct {
	closed func(addr string)

	mu   sync.Mutex
	cut  bool
	open map[string]net.Conn
}

type trackedListener struct {
	net.Listener
	of *connections
}

type trackedConn struct {
	net.Conn
	of *connections
}

func (c *connections) track(l net.Listener) net.Listener {
	c.open = map[string]net.Conn{}
	return trackedListener{l, c}
}

// Accept accepts a connection, and closes it at once while all are cut.
func (l trackedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.cut {
		_ = conn.Close()
	} else {
		l.of.open[conn.RemoteAddr().String()] = conn
	}
	return &trackedConn{conn, l.of}, nil
}

func (c *trackedConn) Close() error {
	addr := c.RemoteAddr().String()
	c.of.mu.Lock()
	delete(c.of.open, addr)
	c.of.mu.Unlock()
	err := c.Conn.Close()
	c.of.closed(addr)
	return err
}

func (c *connections) isOpen(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, open := c.open[addr]
	return open
}

// down cuts what is open, if down, and returns the addresses.
func (c *connections) down(down bool) (cut []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = down; !down {
		return nil
	}
	for addr, conn := range c.open {
		_ = conn.Close()
		delete(c.open, addr)
		cut = append(cut, addr)
	}
	return cut
}

// connOf returns the address of the connection that a call came on.
func connOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}
