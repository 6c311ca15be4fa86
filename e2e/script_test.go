package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A script is what a job runs in these tests: this test binary, which connects to
// the test, prints what it is told line by line, and exits when it is told to.
type script struct {
	t  *testing.T
	ln net.Listener
}

func newScript(t *testing.T) *script {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &script{t, ln}
}

// argv is the command line of the job, as YAML.
func (s *script) argv(args ...string) string {
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	argv := append([]string{"env", "TIDEWIRE_E2E_SCRIPT=" + s.ln.Addr().String(), exe}, args...)
	for i := range argv {
		argv[i] = fmt.Sprintf("%q", argv[i])
	}
	return "[" + strings.Join(argv, ", ") + "]"
}

// A process is one execution of a script.
type process struct {
	t    *testing.T
	conn net.Conn
	args string // its arguments, as %q prints them
}

// begun waits for the next execution.
func (s *script) begun() *process {
	s.t.Helper()
	s.ln.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := s.ln.Accept()
	if err != nil {
		s.t.Fatalf("no process begins: %v", err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * patience))
	args, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	return &process{s.t, conn, strings.TrimSuffix(args, "\n")}
}

// print has the process print a line, exit has it end.
func (p *process) print(line string) { p.send("print " + line) }
func (p *process) exit(code int)     { p.send(fmt.Sprintf("exit %d", code)) }

func (p *process) send(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// ended waits until the process is gone, whatever ended it.
func (p *process) ended() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.conn); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the process does not end")
	}
}

// runScript is the process.
func runScript(addr string) (code int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	fmt.Fprintf(conn, "%q\n", os.Args[1:])
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return 98
		}
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch verb {
		case "print":
			fmt.Println(rest)
		case "exit":
			fmt.Sscan(rest, &code)
			return code
		}
	}
}
