package demo_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/demo"
)

func command(t *testing.T, name string) demo.Command {
	t.Helper()
	for _, c := range demo.Commands() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no command %q", name)
	return demo.Command{}
}

func TestCommandsRefuseWrongArguments(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"upstream", "want one of north, coast, valley, plant"},
		{"upstream west", `"west"`},
		{"upstream north coast", `"north coast"`},
		{"upstream --quick north", "-quick"},
		{"device", "without an address"},
		{"device ten", `"ten"`},
		{"device 10.0.0.1", "loopback"},
		{"device 127.77.0.1:70000", `"127.77.0.1:70000"`},
		{"device 127.77.0.1 --until-eof", `"--until-eof"`},
		{"scan 127.77.0.0/24", `"127.77.0.0/24"`},
		{"scan --subnet 127.77.0.0", "CIDR"},
		{"scan --subnet 127.0.0.0/8", "at most a /22"},
		{"scan --subnet 192.168.0.0/24", "not on this machine"},
		{"scan --ports 0", `"0"`},
		{"scan --ports 9-8", `"9-8"`},
		{"scan --ports 1-70000", `"1-70000"`},
		{"scan --rate 0", "above 0"},
		{"scan --workers -1", "above 0"},
		{"scan --timeout soon", "soon"},
	} {
		args := strings.Fields(tt.args)
		var out strings.Builder
		err := command(t, args[0]).Run(t.Context(), args[1:], strings.NewReader(""), &out)
		if usage := new(demo.UsageError); !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: %v and output %q, want a UsageError with %q and no output", tt.args, err, out.String(), tt.want)
		}
	}
}

func TestCommandsHelp(t *testing.T) {
	for _, c := range demo.Commands() {
		var out strings.Builder
		if err := c.Run(t.Context(), []string{"--help"}, strings.NewReader(""), &out); err != nil || !strings.Contains(out.String(), "  -") {
			t.Errorf("%s --help = %v with output %q, want its flags", c.Name, err, out.String())
		}
	}
}

func TestUpstreamEndsWithItsStdin(t *testing.T) {
	stdin, end := io.Pipe()
	url, ended := start(t, t.Context(), stdin, "upstream", "--until-eof", "plant")
	if _, err := http.Get(url + "/tank"); err != nil {
		t.Errorf("GET: %v", err)
	}
	end.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		conn.Close()
		t.Error("the upstream still listens after its end")
	}
}

func TestUpstreamIgnoresItsStdinUnlessTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, ended := start(t, ctx, strings.NewReader(""), "upstream", "plant")
	resp, err := http.Get(url + "/tank")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("GET: %v, %v, want 200", resp, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestListenFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, args := range [][]string{{"upstream", "--listen", l.Addr().String(), "north"}, {"device", l.Addr().String()}} {
		err := command(t, args[0]).Run(t.Context(), args[1:], strings.NewReader(""), io.Discard)
		if usage := new(demo.UsageError); err == nil || errors.As(err, &usage) || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("%v with its address taken = %v, want an error that names it", args, err)
		}
	}
}

// start runs a command that serves, in this process, and returns its URL.
func start(t *testing.T, ctx context.Context, stdin io.Reader, name string, args ...string) (url string, ended <-chan error) {
	t.Helper()
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := command(t, name).Run(ctx, args, stdin, stdout)
		stdout.Close()
		done <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s %v announced nothing: %v, %v", name, args, err, <-done)
	}
	return strings.TrimSpace(line), done
}
