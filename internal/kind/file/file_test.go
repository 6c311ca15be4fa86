package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/file"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// write writes a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fetch(t *testing.T, s *file.Source, env kind.Env) (kind.Result, error) {
	t.Helper()
	if env.Parse.Name == "" {
		env.Parse.Name = s.DefaultParse()
	}
	f, err := s.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return f.Fetch(t.Context())
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		name, text, parse string
		want              any
	}{
		{"temp", "45123\n", "", "45123"},
		{"temp", "45123\n", "json", 45123.0},
		{"state.json", `{"a": [1]}`, "", map[string]any{"a": []any{1.0}}},
		{"STATE.JSON", "7", "", 7.0},
		{"state.json", " x\n", "text", "x"},
		{"loadavg", "a\nb\n", "lines", []any{"a", "b"}},
		{"empty", "", "", ""},
	} {
		got, err := fetch(t, &file.Source{Path: write(t, tt.name, tt.text)}, kind.Env{Parse: value.Format{Name: tt.parse}})
		if err != nil || !reflect.DeepEqual(got, kind.Result{Value: tt.want, Size: len(tt.text)}) {
			t.Errorf("%s %q as %q = %#v, %v, want %#v", tt.name, tt.text, tt.parse, got, err, tt.want)
		}
	}
}

// What is read is the file of now, also one that has taken the place of another.
func TestEachFetchReads(t *testing.T) {
	path := write(t, "n", "1")
	f, _ := (&file.Source{Path: path}).Open(kind.Env{Parse: value.JSON})
	for _, want := range []float64{1, 2, 3} {
		got, err := f.Fetch(t.Context())
		if err != nil || got.Value != want {
			t.Errorf("Fetch = %v, %v, want %v", got, err, want)
		}
		next := write(t, "n", fmt.Sprint(want+1))
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrors(t *testing.T) {
	large := write(t, "large", strings.Repeat("x", value.MaxBody+1))
	broken := write(t, "broken.json", `{"a":`)
	page := write(t, "page.json", "<html>")
	for path, want := range map[string]string{
		"/no/such/file": "/no/such/file: there is no such file",
		large:           large + ": it is larger than 4 MiB",
		broken:          broken + `: JSON that ends too early, starts with "{\"a\":"`,
		page:            page + `: not JSON (invalid character '<' looking for beginning of value), starts with "<html>"`,
		t.TempDir():     ": it is a directory",
		"/dev/zero":     "/dev/zero: it is not a regular file",
	} {
		got, err := fetch(t, &file.Source{Path: path}, kind.Env{})
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s = %v, %v, want %s", path, got, err, want)
		}
	}
	if got, err := fetch(t, &file.Source{Path: write(t, "full", strings.Repeat("x", value.MaxBody))}, kind.Env{}); err != nil {
		t.Errorf("4 MiB = %.20v, %v, want them", got, err)
	}
}

func TestPermission(t *testing.T) {
	path := write(t, "hidden", "1")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		f.Close()
		t.Skip("this user may read everything")
	}
	_, err := fetch(t, &file.Source{Path: path}, kind.Env{})
	if want := path + ": Tidewire may not read it (permission denied)"; err == nil || err.Error() != want {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
}

func TestMaxAge(t *testing.T) {
	path := write(t, "n.json", "1")
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, err := fetch(t, &file.Source{Path: path, MaxAge: time.Minute}, kind.Env{})
	if want := path + " was last modified 1h0m0s ago, want at most 1m0s"; err != nil || got.Value != 1.0 || got.Stale != want {
		t.Errorf("Fetch = %v, %v, want 1 which is stale: %s", got, err, want)
	}
	if got, err = fetch(t, &file.Source{Path: path, MaxAge: 2 * time.Hour}, kind.Env{}); err != nil || got.Stale != "" {
		t.Errorf("Fetch = %v, %v, want it fresh", got, err)
	}
}

// A read that does not end costs one goroutine, whatever the number of polls, and its content is that of the next one.
func TestAReadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := make(chan string)
		f := file.Slow(&file.Source{Path: "/mnt/away"}, kind.Env{Parse: value.Text}, again)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := f.Fetch(ctx)
			cancel()
			if err == nil || err.Error() != "/mnt/away: timed out after 1 s" || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Fetch = %v, want it to time out", err)
			}
		}
		go func() { again <- "back" }()
		if got, err := f.Fetch(t.Context()); err != nil || got.Value != "back" {
			t.Errorf("Fetch = %v, %v, want what the read gave in the end", got, err)
		}
	})
}

// What a read of an earlier poll gave when nobody waited for it any more may be of any age.
func TestAReadThatEndedLongAgoIsNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := make(chan string)
		f := file.Slow(&file.Source{Path: "/mnt/away"}, kind.Env{Parse: value.Text}, again)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Fetch(ctx); err == nil {
			t.Fatal("Fetch = nil, want it to time out")
		}
		again <- "old"
		time.Sleep(time.Hour) // a poll whose source is not watched, say
		go func() { again <- "new" }()
		if got, err := f.Fetch(t.Context()); err != nil || got.Value != "new" {
			t.Errorf("Fetch = %v, %v, want what the file has now", got, err)
		}
	})
}

// While a link is changed from one file to another, the age is that of the content.
func TestTheAgeIsThatOfTheContent(t *testing.T) {
	dir := t.TempDir()
	at := map[string]time.Time{"old": time.Now().Add(-time.Hour), "new": time.Now()}
	for name, modified := range at {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	swap := func(to string) {
		if err := os.Symlink(to, link+".next"); err != nil {
			t.Skip(err)
		}
		if err := os.Rename(link+".next", link); err != nil {
			t.Error(err)
		}
	}
	swap("old")
	ctx, cancel := context.WithCancel(t.Context())
	var swaps sync.WaitGroup
	swaps.Go(func() {
		for ctx.Err() == nil {
			swap("new")
			swap("old")
		}
	})
	defer swaps.Wait()
	defer cancel()
	f, _ := (&file.Source{Path: link, MaxAge: time.Minute}).Open(kind.Env{Parse: value.Text})
	for range 2000 {
		got, err := f.Fetch(t.Context())
		if err != nil || (got.Value == "old") != (got.Stale != "") {
			t.Fatalf("Fetch = %v, %v, want old to be stale and new to be fresh", got, err)
		}
	}
}

// An age is not rounded before it is compared.
func TestMaxAgeBelowASecond(t *testing.T) {
	path := write(t, "n.json", "1")
	for age, fresh := range map[time.Duration]bool{450 * time.Millisecond: false, 0: true, -time.Hour: true} {
		now := time.Now()
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
		got, err := fetch(t, &file.Source{Path: path, MaxAge: 300 * time.Millisecond}, kind.Env{})
		if took := time.Since(now); err != nil || (got.Stale == "") != fresh && took < 200*time.Millisecond {
			t.Errorf("Fetch of a file of %v = %v, %v, want fresh: %t", age, got, err, fresh)
		}
	}
}

func TestSecrets(t *testing.T) {
	s := &file.Source{Path: "/run/s3cret-name/x", Given: []string{"s3cret-name"}}
	_, err := fetch(t, s, kind.Env{Secrets: secret.New(s.Secrets().Said...)})
	if want := "/run/***/x: there is no such file"; err == nil || err.Error() != want {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
	if got := s.Describe(); got != "reads a file" {
		t.Errorf("Describe() = %s, want no name that a reference gave", got)
	}
}

func TestTrace(t *testing.T) {
	var b strings.Builder
	s := &file.Source{Path: write(t, "temp", "45123\n")}
	f, _ := s.Open(kind.Env{Parse: value.Text})
	if _, err := f.Fetch(kind.WithTrace(t.Context(), kind.NewTrace(&b, nil))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nread after ", "\n  last modified 20", "\noutput of 6 bytes\n  45123\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the trace is\n%s\nwant %q in it", b.String(), want)
		}
	}
	if got, want := s.Describe(), "reads "+s.Path; got != want {
		t.Errorf("Describe() = %s, want %s", got, want)
	}
}
