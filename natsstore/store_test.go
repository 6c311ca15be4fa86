package natsstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
)

// listenAs runs a server that says that it has a version and a max_payload, and has nothing else.
func listenAs(t *testing.T, version string, maxPayload int) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprintf(conn, "INFO {\"server_id\":\"X\",\"server_name\":\"old\",\"version\":%q,\"max_payload\":%d,\"headers\":true,\"proto\":1}\r\n", version, maxPayload)
				for in := bufio.NewScanner(conn); in.Scan(); {
					if strings.HasPrefix(in.Text(), "PING") {
						fmt.Fprint(conn, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return "nats://" + l.Addr().String()
}

func TestServersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		version    string
		maxPayload int
		want       string
	}{
		{"2.9.10", 1 << 20, "server old has version 2.9.10: entries that expire need nats-server 2.11 or newer"},
		{"2.10.29-RC.1", 1 << 20, "version 2.10.29-RC.1"},
		{"1.4.1", 1 << 20, "version 1.4.1"},
		{"2.11.0", 64 << 10, "max_payload of 65536 bytes: data of up to 1032192 bytes (MaxData) needs 1048576"},
	} {
		s, err := natsstore.Open(natsstore.Options{URL: listenAs(t, c.version, c.maxPayload)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open on version %s with a max_payload of %d = %v, want %q", c.version, c.maxPayload, err, c.want)
		}
		if s != nil {
			t.Errorf("Open returns a store although there is an error")
		}
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for want, o := range map[string]natsstore.Options{
		`prefix "a.b"`: {Prefix: "a.b"}, `prefix "*"`: {Prefix: "*"}, `prefix "a b"`: {Prefix: "a b"}, `prefix "é"`: {Prefix: "é"},
		`prefix "a>b"`: {Prefix: "a>b"}, `prefix "a$b"`: {Prefix: "a$b"},
		"2 replicas": {Replicas: 2}, "a lease of 1ms": {Lease: time.Millisecond}, "up to 1000 bytes": {MaxData: 1000},
		"connect to nats://host: the address": {URL: "nats://me:secret#1@host"}, "connect to nats://h: the address": {URL: "nats://me:secret?@h"},
		"read the credentials": {Credentials: "/nowhere/x.creds"}, "connect to nats": {URL: "nats://a:b:c"}, "connect to nats://host:x": {URL: "nats://me:secret@host:x"},
	} {
		if s, err := natsstore.Open(o); err == nil || !strings.HasPrefix(err.Error(), "natsstore: ") || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%+v) = %v, %v, want an error with %q", o, s, err, want)
		}
	}
}

// Without any server, calls end with their context and say why; passwords are not in what they say.
func TestWithoutServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s, err := natsstore.Open(natsstore.Options{URL: "nats://me:secret@" + addr})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for what, err := range map[string]error{
		"Sync": s.Sync(ctx), "Forget": s.Forget(ctx, "a", "Run1"), "Follow": s.Follow(ctx, nil, nil),
	} {
		if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s = %v, want it to end with its context", what, err)
		}
	}
	if got := s.Status(); got.Err == nil || !strings.Contains(got.Err.Error(), "no connection to nats://"+addr) {
		t.Errorf("Status = %+v, want it to say that there is no connection", got)
	}
	if err := s.Forget(t.Context(), strings.Repeat("x", 8193), "Run1"); err == nil || !strings.Contains(err.Error(), "8193 bytes") {
		t.Errorf("Forget of a topic with a long name = %v, want an error", err)
	}
	began := time.Now()
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close = %v", err)
	}
	if took := time.Since(began); took > 10*time.Second { // the lease is longer
		t.Errorf("Close took %v", took)
	}
}
