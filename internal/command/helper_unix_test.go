//go:build unix

package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/command"
)

// TestMain lets the test binary be the commands that the tests run: with ROLE in
// the environment it plays that role instead of running tests.
func TestMain(m *testing.M) {
	if role := os.Getenv("ROLE"); role != "" {
		play(role)
		return
	}
	os.Exit(m.Run())
}

// helper is this binary in a role.
func helper(role string, env ...string) *command.Command {
	return &command.Command{Argv: []string{os.Args[0]}, Env: append([]string{"ROLE=" + role, "GORACE=atexit_sleep_ms=0"}, env...)}
}

func play(role string) {
	terms := make(chan os.Signal, 1)
	switch role {
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "polite": // ends when it is asked to
		signal.Notify(terms, syscall.SIGTERM)
		meet("ready")
		<-terms
		fmt.Println("bye")
	case "slow": // needs longer to end than outputs stay open after an exit
		signal.Notify(terms, syscall.SIGTERM)
		meet("ready")
		<-terms
		time.Sleep(2200 * time.Millisecond)
		fmt.Println("bye")
	case "stubborn": // hears TERM and stays
		signal.Notify(terms, syscall.SIGTERM)
		meet("ready")
		<-terms
		fmt.Println("heard")
		select {}
	case "parent": // passes the role CHILD on and waits; TERM ends it at once
		child := spawn(os.Getenv("CHILD"), nil)
		_ = child.Wait()
	case "grandparent":
		child := spawn("parent", nil)
		_ = child.Wait()
	case "leaver": // exits while its child, of the same group, goes on
		leave(nil)
	case "daemon": // exits while its child, of its own session, goes on
		leave(&syscall.SysProcAttr{Setsid: true})
	case "heir": // exits; its child speaks at the end
		r, w, err := os.Pipe()
		if err != nil {
			os.Exit(2)
		}
		spawn("orphan", nil, r)
		meet("ready")
		w.Close() // the exit would do it too
	case "orphan":
		_, _ = io.Copy(io.Discard, os.NewFile(3, "parent"))
		fmt.Println("orphan")
	case "runner": // runs a command as the gateway does
		_, _ = helper("polite", "WITNESS="+os.Getenv("WITNESS")).Run(context.Background())
	default:
		fmt.Fprintln(os.Stderr, "unknown role", role)
		os.Exit(2)
	}
}

// meet announces the process to the test, which then sees its death as the end
// of a connection, and ends the process when the test closes it.
func meet(line string) {
	if addr := os.Getenv("WITNESS"); addr != "" {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Fprintln(conn, line)
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			os.Exit(0)
		}()
	}
	fmt.Println(line)
}

func spawn(role string, attr *syscall.SysProcAttr, files ...*os.File) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE="+role)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, attr
	cmd.ExtraFiles = files
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return cmd
}

// leave starts a child and exits when the test, which has met the child, says so.
func leave(attr *syscall.SysProcAttr) {
	spawn("stubborn", attr)
	conn, err := net.Dial("tcp", os.Getenv("WITNESS"))
	if err != nil {
		os.Exit(2)
	}
	fmt.Fprintln(conn, "leaver")
	_, _ = io.Copy(io.Discard, conn)
}

// A witness is told by processes that they run, and sees when they end.
type witness struct {
	t testing.TB
	l net.Listener
}

func newWitness(t testing.TB) *witness {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &witness{t, l}
}

func (w *witness) env() string { return "WITNESS=" + w.l.Addr().String() }

// meet returns the connection of the next process that runs, and its line.
func (w *witness) meet() (net.Conn, string) {
	w.t.Helper()
	_ = w.l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	conn, err := w.l.Accept()
	if err != nil {
		w.t.Fatal("no process came:", err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	line := make([]byte, 0, 64)
	for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; line = append(line, b[0]) {
		if _, err := conn.Read(b); err != nil {
			w.t.Fatal("the process said nothing:", err)
		}
	}
	return conn, strings.TrimSpace(string(line))
}

// dies returns when the process at the other end is dead.
func (w *witness) dies(conn net.Conn) {
	w.t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Error("the process lives on after its group was killed")
	}
}
