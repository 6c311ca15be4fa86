package nats

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/internal/certificate"
	"github.com/tidewire/tidewire/internal/kind"
)

const (
	dialWithin = 5 * time.Second
	// dialAgain is the least time from one attempt to connect to the next one.
	dialAgain = time.Second
	// A connection that has been silent for three of them, though it was asked for a sign of life, is given up, and so is one
	// that takes nothing for one of them.
	signOfLife = 5 * time.Second
)

var errClosed = errors.New("the connection is not used any more")

// A Link is the connection to an upstream, which its sources share. It connects when it is first used, and again when it is
// used after that has ended. Its methods may be called from any goroutine.
type Link struct {
	up  *Upstream
	tls *certificate.Client // nil: nothing is said about it
	env kind.UpstreamEnv

	life context.Context // ends with Close
	end  context.CancelFunc
	dial sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	closed  bool
	conn    *client.Conn // nil: there is none
	why     error        // why there is none
	attempt chan struct{}
	last    time.Time // when the last attempt began
}

func newLink(u *Upstream, env kind.UpstreamEnv) (io.Closer, error) {
	secured, err := u.TLS.Open(env.Log)
	if err != nil {
		return nil, err
	}
	l := &Link{up: u, tls: secured, env: env}
	l.life, l.end = context.WithCancel(context.Background())
	return l, nil
}

// Close implements [io.Closer].
func (l *Link) Close() error {
	l.mu.Lock()
	l.closed = true
	conn := l.conn
	l.mu.Unlock()
	l.end()
	l.dial.Wait()
	if conn != nil {
		conn.Close()
	}
	return nil
}

// Publish publishes a message, once the link is up. It does not wait for the message to arrive: one that is on its way when
// the connection ends is lost. The error is ctx's, or why there is no connection. A message that is too large for the
// servers is dropped, and logged.
func (l *Link) Publish(ctx context.Context, subject string, data []byte) error {
	conn, err := l.get(ctx)
	if err != nil {
		return err
	}
	err = conn.Publish(subject, data)
	if errors.Is(err, client.ErrMaxPayload) {
		l.env.Log.Error("a message was not published: it is larger than the servers take", "subject", subject, "bytes", len(data), "most", conn.MaxPayload())
		return nil
	}
	return err
}

// get returns the connection, or makes one. Whoever wants it meanwhile waits for the same attempt, of which there is at most
// one in dialAgain.
func (l *Link) get(ctx context.Context) (*client.Conn, error) {
	for {
		l.mu.Lock()
		switch {
		case l.closed:
			l.mu.Unlock()
			return nil, errClosed
		case l.conn != nil:
			defer l.mu.Unlock()
			return l.conn, nil
		case l.attempt != nil:
		case l.why != nil && time.Since(l.last) < dialAgain:
			defer l.mu.Unlock()
			return nil, l.why
		default:
			l.attempt, l.last = make(chan struct{}), time.Now()
			l.dial.Go(l.connect)
		}
		attempt := l.attempt
		l.mu.Unlock()
		select {
		case <-attempt:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		l.mu.Lock()
		conn, why := l.conn, l.why
		l.mu.Unlock()
		if conn != nil || why != nil {
			return conn, why
		}
	}
}

// connect makes an attempt to connect.
func (l *Link) connect() {
	dialer := &dialer{of: l.life}
	options := []client.Option{
		client.Name("tidewire"), client.NoReconnect(), client.Timeout(dialWithin), client.SetCustomDialer(dialer),
		client.PingInterval(signOfLife), client.MaxPingsOutstanding(2), client.FlusherTimeout(signOfLife),
		client.PermissionErrOnSubscribe(true),
		client.NoCallbacksAfterClientClose(),
		client.ClosedHandler(func(conn *client.Conn) { _ = l.down(conn) }),
		client.ErrorHandler(func(*client.Conn, *client.Subscription, error) {}), // whoever waits is told
	}
	if l.up.Creds != "" {
		options = append(options, client.UserCredentials(l.up.Creds))
	}
	if l.tls != nil {
		options = append(options, client.Secure(l.tls.Config()))
	}
	conn, err := client.Connect(l.up.URL, options...)
	dialer.done()
	if errors.Is(err, client.ErrNoServers) && dialer.err != nil {
		err = dialer.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.closed {
		conn.Close()
		err = errClosed
	}
	l.conn, l.why = conn, err
	if err != nil {
		l.conn = nil
	} else if conn.IsClosed() { // before it was known here
		l.conn, l.why = nil, whyClosed(conn)
	}
	close(l.attempt)
	l.attempt = nil
}

// down takes note that a connection has ended, and returns why.
func (l *Link) down(conn *client.Conn) error {
	why := whyClosed(conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == conn {
		l.conn, l.why, l.last = nil, why, time.Time{}
	}
	return why
}

func whyClosed(conn *client.Conn) error {
	if err := conn.LastError(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return errors.New("the server has closed the connection")
}

// A dialer remembers why it could not connect, which the client does not say. It closes what it has connected when its
// context ends, until done is called: the client would wait for the server's first words.
type dialer struct {
	of   context.Context
	err  error       // of the last attempt
	stop func() bool // of the last connection; nil: there is none
}

// Dial implements the client's CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.done()
	ctx, cancel := context.WithTimeout(d.of, dialWithin)
	defer cancel()
	var conn net.Conn
	if conn, d.err = (&net.Dialer{}).DialContext(ctx, network, address); d.err == nil {
		d.stop = context.AfterFunc(d.of, func() { _ = conn.Close() })
	}
	return conn, d.err
}

// done leaves the last connection to the client.
func (d *dialer) done() {
	if d.stop != nil {
		d.stop()
	}
}
