//go:build unix

package notify_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/internal/notify"
)

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "page-me")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAProgramIsTold(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	to := &notify.Exec{Argv: []string{script(t, `printf '%s|' "$@" > `+out+`; cat >> `+out), "{summary}", "--of={source}", "{error}", "${HOME}"}}
	m := tank(func(i *notify.Item) { i.Error = new("--help\x00me\r\nBcc: evil\x1b[31m") })
	if err := to.Send(t.Context(), nil, m); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	args, input, _ := strings.Cut(string(data), "|{")
	if want := "Tank is firing: --helpme Bcc: evil|--of=tank| --helpme Bcc: evil|${HOME}"; args != want {
		t.Errorf("the arguments are %q, want %q", args, want)
	}
	var got notify.Message
	if err := json.Unmarshal([]byte("{"+input), &got); err != nil || got.Alerts[0].Source != "tank" {
		t.Errorf("the input is %s (%v)", input, err)
	}
}

// over is a context whose time is over when a channel is closed.
type over struct {
	context.Context
	done <-chan struct{}
}

func (o over) Done() <-chan struct{} { return o.done }

func (o over) Err() error {
	select {
	case <-o.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestErrorsOfPrograms(t *testing.T) {
	fifo, begun := filepath.Join(t.TempDir(), "begun"), make(chan struct{})
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = os.ReadFile(fifo) // which waits until somebody writes
		close(begun)
	}()
	for _, tt := range []struct {
		argv []string
		want string
		ends bool
	}{
		{[]string{script(t, "echo no hunter2 here >&2; exit 3"), "--token", "hunter2"}, "page-me: exit status 3: no *** here", true},
		{[]string{script(t, "echo out; exit 1")}, "page-me: exit status 1: out", true},
		{[]string{"/nonexistent/page-me"}, "page-me: ", true},
		{[]string{script(t, "sleep 60 & echo > "+fifo+"; sleep 60")}, "page-me: timed out after ", false},
	} {
		ctx := t.Context()
		if !tt.ends {
			ctx = over{ctx, begun}
		}
		err := (&notify.Exec{Argv: tt.argv}).Send(ctx, nil, tank(nil))
		e, ok := err.(*notify.Error)
		if !ok || !strings.HasPrefix(err.Error(), tt.want) || e.Permanent {
			t.Errorf("%q: %v, %#v, want %s", tt.argv, err, e, tt.want)
		}
	}
	shown, err := (&notify.Exec{Argv: []string{"page-me", "--token=hunter2", "{summary}"}}).Show(tank(nil))
	if err != nil || !strings.HasPrefix(shown, `exec ["page-me","--token=***","Tank is firing: 91.50"]`+"\n\n{") {
		t.Errorf("Show = %s, %v", shown, err)
	}
}
