// Package scripttest is a command for tests: the test binary itself, which connects to the
// test, prints what it is told line by line, and exits when it is told to. So every moment
// of a run is in the hands of the test.
//
// A package that uses it calls [Main] first in its TestMain.
package scripttest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds each wait for something that a process must do.
const patience = time.Minute

// address is the variable of the environment that makes a test binary the command.
const address = "SCRIPTTEST_ADDRESS"

// A Script is a command whose executions the test directs.
type Script struct {
	t  testing.TB
	ln *net.TCPListener
}

// New returns a script, which ends with the test.
func New(t testing.TB) *Script {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &Script{t, ln}
}

// Argv is the command line of the script with those arguments, as YAML.
func (s *Script) Argv(args ...string) string {
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	// The race detector's runtime would otherwise sleep for a second before a good exit.
	argv := append([]string{"env", "GORACE=atexit_sleep_ms=0", address + "=" + s.ln.Addr().String(), exe}, args...)
	for i := range argv {
		argv[i] = fmt.Sprintf("%q", argv[i])
	}
	return "[" + strings.Join(argv, ", ") + "]"
}

// A Process is one execution of a script.
type Process struct {
	Args string // its arguments, as %q prints them
	t    testing.TB
	conn net.Conn
}

// Begun waits for the next execution.
func (s *Script) Begun() *Process {
	s.t.Helper()
	_ = s.ln.SetDeadline(time.Now().Add(patience))
	conn, err := s.ln.Accept()
	if err != nil {
		s.t.Fatalf("no process begins: %v", err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	args, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		s.t.Fatalf("the process does not say its arguments: %v", err)
	}
	return &Process{strings.TrimSuffix(args, "\n"), s.t, conn}
}

// Print has the process print a line.
func (p *Process) Print(line string) { p.send("print " + line) }

// Write has the process print a text with escapes as Go has them, and no line end.
func (p *Process) Write(escaped string) { p.send("write " + escaped) }

// Exit has the process end with that code.
func (p *Process) Exit(code int) { p.send("exit " + strconv.Itoa(code)) }

// Stubborn has the process ignore that it is told to end, and returns when it does.
func (p *Process) Stubborn() {
	p.t.Helper()
	p.send("stubborn")
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(p.conn, make([]byte, 1)); err != nil {
		p.t.Fatalf("the process does not answer: %v", err)
	}
}

// Ended waits until the process is gone, whatever ended it.
func (p *Process) Ended() {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, p.conn); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the process does not end")
	}
}

func (p *Process) send(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// Main is the command where a script started this process: it exits then, and otherwise
// does nothing.
func Main() {
	if addr := os.Getenv(address); addr != "" {
		os.Exit(play(addr))
	}
}

// play does what the test at addr says, and returns the code to exit with.
func play(addr string) (code int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	fmt.Fprintf(conn, "%q\n", os.Args[1:])
	for lines := bufio.NewReader(conn); ; { // a line may be of any length
		line, err := lines.ReadString('\n')
		if err != nil {
			return 98
		}
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch verb {
		case "print":
			fmt.Println(rest)
		case "write":
			text, err := strconv.Unquote(`"` + rest + `"`)
			if err != nil {
				return 97
			}
			fmt.Print(text)
		case "stubborn":
			signal.Ignore(syscall.SIGTERM)
			fmt.Fprint(conn, "!")
		case "exit":
			fmt.Sscan(rest, &code)
			return code
		}
	}
}
