package e2e_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// An upstream is a real HTTP server that answers what it is told to answer, and
// that can die and come back at the same address.
type upstream struct {
	t      *testing.T
	url    string
	server *httptest.Server
	answer atomic.Pointer[string]
}

// newUpstream starts an upstream that answers with the given JSON.
func newUpstream(t *testing.T, answer string) *upstream {
	u := &upstream{t: t}
	u.say(answer)
	u.start("127.0.0.1:0")
	t.Cleanup(func() { u.server.Close() })
	return u
}

// say changes the answer.
func (u *upstream) say(answer string) { u.answer.Store(&answer) }

// kill ends the server: connections are refused from now on.
func (u *upstream) kill() {
	u.server.CloseClientConnections()
	u.server.Close()
}

// restart starts the server again where it was.
func (u *upstream) restart() { u.start(u.server.Listener.Addr().String()) }

func (u *upstream) start(addr string) {
	u.t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		u.t.Fatal(err)
	}
	u.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, *u.answer.Load())
	}))
	u.server.Listener.Close()
	u.server.Listener = ln
	u.server.Start()
	u.url = u.server.URL
}
