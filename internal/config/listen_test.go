package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestCheckListen: beyond loopback only with access; the file's listen and an
// address that overrides it obey one rule.
func TestCheckListen(t *testing.T) {
	for _, test := range []struct {
		addr, open, withAccess string // what the error begins with
	}{
		{"127.0.0.1:8480", "", ""},
		{"127.9.9.9:0", "", ""},
		{"[::1]:65535", "", ""},
		{"localhost:80", "", ""},
		{"0.0.0.0:80", `listen: "0.0.0.0:80" would let anybody on the network do everything`, ""},
		{":80", `listen: ":80" would let anybody on the network do everything`, ""},
		{"[::]:80", `listen: "[::]:80" would let anybody on the network do everything`, ""},
		{"10.0.0.1:80", `listen: "10.0.0.1:80" would let anybody on the network do everything`, ""},
		{"example.com:80", `listen: "example.com" is not an address of this machine`, `listen: "example.com"`},
		{"127.0.0.1", `listen: "127.0.0.1" is not host:port`, `listen: "127.0.0.1"`},
		{"127.0.0.1:http", `listen: "http" is not a port`, `listen: "http"`},
		{"127.0.0.1:65536", `listen: "65536" is not a port`, `listen: "65536"`},
		{"127.0.0.1:", `listen: "" is not a port`, `listen: ""`},
		{"unix:/run/tidewire/tidewire.sock", "", ""},
		{"unix:", `listen: unix: has no path`, `listen: unix: has no path`},
		{"unix:/" + strings.Repeat("x", 103), `listen: "/xxx`, `listen: "/xxx`},
		{"::1:80", `listen: "::1:80" is not host:port`, `listen: "::1:80"`},
	} {
		for access, want := range map[string]string{"": test.open, "access: {anonymous: viewer}\n": test.withAccess} {
			c := load(t, "version: 1\n"+access)
			err := config.CheckListen(test.addr, c)
			if got := errorText(err); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
				t.Errorf("CheckListen(%q) with %q = %q, want %q", test.addr, access, got, want)
			}
			_, problems := config.Load("f", []byte("version: 1\n"+access+"listen: '"+test.addr+"'\n"))
			got := ""
			for _, p := range problems {
				got = p.What + ", " + p.Want
			}
			if got != errorText(err) {
				t.Errorf("Load with listen: %s and %q = %q, want %q as of CheckListen", test.addr, access, got, errorText(err))
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The path of a socket is relative to the file; who may connect is by name or number.
func TestSocket(t *testing.T) {
	c := load(t, "version: 1\nlisten: unix:t.sock\nsocket: {mode: 0660, owner: root, group: 33}\n")
	want, err := filepath.Abs("t.sock")
	if err != nil {
		t.Fatal(err)
	}
	if path, ok := config.UnixPath(c.Listen); !ok || filepath.Base(path) != filepath.Base(want) || c.Socket != (config.Socket{Mode: 0o660, UID: 0, GID: 33}) {
		t.Errorf("Listen = %q, Socket = %+v, want t.sock, 0660, 0 and 33", c.Listen, c.Socket)
	}
	if c := load(t, "version: 1\n"); c.Socket != (config.Socket{Mode: 0o600, UID: -1, GID: -1}) {
		t.Errorf("Socket = %+v, want 0600 and the owner of the process", c.Socket)
	}
	for text, want := range map[string]string{
		"{mode: 888}":              `mode: "888" is not octal permissions`,
		"{mode: 66}":               `mode: "66" is not octal permissions`,
		"{owner: nobody-has-this}": `owner: this system has no "nobody-has-this"`,
		"{group: -1}":              `group: this system has no "-1"`,
	} {
		if _, problems := config.Load("f", []byte("version: 1\nsocket: "+text+"\n")); len(problems) != 1 || problems[0].What != want {
			t.Errorf("socket: %s is %v, want %s", text, problems, want)
		}
	}
}
