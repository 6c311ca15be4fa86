// Package file gets values from files, such as those below /sys and /proc, and those that other programs write.
//
// A file is read with every poll, since neither its size nor its time tells whether it has changed where the system
// makes up its content. Package file of the module bounds that: only a regular file of at most [value.MaxBody] bytes
// is read, and a pipe or a device is an error rather than waited for.
//
// A file system that does not answer, such as that of a network server which is away, keeps a read waiting for as
// long as the system likes. The poll then ends as its timeout says, and so do the next ones, until that one read has
// ended: there is never more than one for a source.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// A Source is a file.
type Source struct {
	Path   string        // absolute
	MaxAge time.Duration // since the file was modified; older ones are stale. 0: at any age the value is fresh
	Given  []string      // what references gave in Path: secrets
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) {
	return &fetcher{source: s, env: env, content: read}, nil
}

// SameValue implements [kind.Source]: the file may be another one.
func (s *Source) SameValue(kind.Source) bool { return true }

// Describe implements [kind.Source].
func (s *Source) Describe() string {
	if len(s.Given) > 0 {
		return "reads a file"
	}
	return "reads " + s.Path
}

// Secrets implements [kind.Source].
func (s *Source) Secrets() kind.Secrets { return kind.Secrets{Said: s.Given, Values: s.Given} }

// DefaultParse implements [kind.Parsed].
func (s *Source) DefaultParse() string {
	if strings.EqualFold(filepath.Ext(s.Path), ".json") {
		return "json"
	}
	return "text"
}

// A fetcher reads the file.
type fetcher struct {
	source  *Source
	env     kind.Env
	content func(path string) content
	read    chan content // of a read that has not ended, or whose content was not taken; nil: there is none
}

// A content is what a read gave.
type content struct {
	data     []byte
	modified time.Time
	err      error
}

// Fetch implements [kind.Fetcher].
func (f *fetcher) Fetch(ctx context.Context) (kind.Result, error) {
	start := time.Now()
	got, err := f.get(ctx)
	size := len(got.data)
	if err == nil {
		f.trace(kind.TraceOf(ctx), got)
		var v any
		if v, err = value.Parse(ctx, f.env.Parse, got.data); err == nil {
			return kind.Result{Value: v, Stale: f.stale(got.modified), Size: size}, nil
		}
	}
	if e, ok := errors.AsType[*value.ParseError](err); ok {
		e.Start = f.env.Secrets.Text(e.Start)
	}
	name := f.env.Secrets.Text(f.source.Path)
	return kind.Result{Size: size}, kind.Fail(ctx, start, name, reason(err), err, f.env.Secrets)
}

// get waits for a read of the file. What an earlier one gave after its poll had timed out is not taken: it may be of
// any age by now. But one that is still going on is waited for.
func (f *fetcher) get(ctx context.Context) (content, error) {
	select {
	case <-f.read:
		f.read = nil
	default:
	}
	if f.read == nil {
		f.read = make(chan content, 1)
		go func(to chan<- content) { to <- f.content(f.source.Path) }(f.read)
	}
	select {
	case got := <-f.read:
		f.read = nil
		return got, got.err
	case <-ctx.Done():
		return content{}, context.Cause(ctx)
	}
}

func read(path string) content {
	data, modified, err := file.ReadModified(path, value.MaxBody)
	return content{data, modified, err}
}

// stale says why the content is too old, or "" if it is not.
func (f *fetcher) stale(modified time.Time) string {
	age := time.Since(modified)
	if f.source.MaxAge == 0 || age <= f.source.MaxAge {
		return ""
	}
	name := f.env.Secrets.Text(f.source.Path)
	return fmt.Sprintf("%s was last modified %v ago, want at most %v", name, shown(age), f.source.MaxAge)
}

// shown is an age for people.
func shown(age time.Duration) time.Duration {
	if age < 10*time.Second {
		return age.Round(10 * time.Millisecond)
	}
	return age.Round(time.Second)
}

func (f *fetcher) trace(t *kind.Trace, got content) {
	t.Section("read after %s", t.Took())
	t.Line("last modified %s", got.modified.UTC().Format(time.RFC3339))
	t.Output(got.data, 0)
}

// reason is the short cause of an error, which names the file otherwise.
func reason(err error) string {
	var (
		large *file.TooLargeError
		path  *fs.PathError
	)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "Tidewire may not read it (permission denied)"
	case errors.As(err, &large):
		return fmt.Sprintf("it is larger than %d MiB", value.MaxBody>>20)
	case errors.Is(err, file.ErrNotRegular) && errors.As(err, &path):
		if info, errStat := os.Stat(path.Path); errStat == nil && info.IsDir() {
			return "it is a directory"
		}
		return file.ErrNotRegular.Error()
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}
