package nats_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A server is as much of one of NATS as the tests need. Its answers to subscriptions are in the order in which they came.
type server struct {
	t      *testing.T
	listen net.Listener
	all    sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	refuses string     // what it answers a CONNECT with; empty: nothing
	denied  string     // the subject to which nobody may subscribe
	answers map[string]string
	conns   map[*session]bool
	dialed  int
}

type session struct {
	of   *server
	conn net.Conn
	mu   sync.Mutex        // guards writes, and the field below
	subs map[string]string // by id
}

func newServer(t *testing.T) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, listen: l, answers: map[string]string{}, conns: map[*session]bool{}}
	s.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			one := &session{of: s, conn: conn, subs: map[string]string{}}
			s.mu.Lock()
			s.conns[one], s.dialed = true, s.dialed+1
			s.mu.Unlock()
			s.all.Go(one.serve)
		}
	})
	t.Cleanup(func() { l.Close(); s.cut(); s.all.Wait() })
	return s
}

func (s *server) url() string { return "nats://ann:s3cret-word@" + s.listen.Addr().String() }

// cut ends all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.conns {
		one.conn.Close()
	}
}

// publish sends a message to all that have subscribed to its subject, and returns how many have.
func (s *server) publish(subject, data string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.conns {
		n += one.deliver(subject, data)
	}
	return n
}

func (c *session) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.WriteString(c.conn, text)
}

// deliver sends a message to the subscriptions to a subject.
func (c *session) deliver(subject, data string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, to := range c.subs {
		prefix, wild := strings.CutSuffix(to, "*")
		switch {
		case to != subject && !(wild && strings.HasPrefix(subject, prefix)):
		case data == "nobody":
			const head = "NATS/1.0 503\r\n\r\n"
			fmt.Fprintf(c.conn, "HMSG %s %s %d %d\r\n%s\r\n", subject, id, len(head), len(head), head)
			n++
		default:
			fmt.Fprintf(c.conn, "MSG %s %s %d\r\n%s\r\n", subject, id, len(data), data)
			n++
		}
	}
	return n
}

func (c *session) serve() {
	defer func() {
		c.conn.Close()
		c.of.mu.Lock()
		delete(c.of.conns, c)
		c.of.mu.Unlock()
	}()
	c.say("INFO {\"server_id\":\"fake\",\"version\":\"2.11.0\",\"headers\":true,\"max_payload\":1048576,\"proto\":1}\r\n")
	in := bufio.NewReader(c.conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "CONNECT":
			c.of.mu.Lock()
			refuses := c.of.refuses
			c.of.mu.Unlock()
			if refuses != "" {
				c.say("-ERR '" + refuses + "'\r\n")
				return
			}
		case "PING":
			c.say("PONG\r\n")
		case "SUB":
			c.of.mu.Lock()
			denied := c.of.denied == words[1]
			c.of.mu.Unlock()
			if denied {
				c.say("-ERR 'Permissions Violation for Subscription to \"" + words[1] + "\"'\r\n")
				continue
			}
			c.mu.Lock()
			c.subs[words[len(words)-1]] = words[1]
			c.mu.Unlock()
		case "UNSUB":
			c.mu.Lock()
			delete(c.subs, words[1])
			c.mu.Unlock()
		case "PUB":
			size, _ := strconv.Atoi(words[len(words)-1])
			data := make([]byte, size+2)
			if _, err := io.ReadFull(in, data); err != nil {
				return
			}
			if len(words) == 4 { // a request
				c.of.mu.Lock()
				answer := c.of.answers[words[1]]
				c.of.mu.Unlock()
				if answer == "" {
					answer = "nobody"
				}
				c.deliver(words[2], answer)
				continue
			}
			c.of.publish(words[1], string(data[:size]))
		}
	}
}
