package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// runFile answers with a file that is kept with a run. Whoever gave it may be anybody, so no browser shows it as a page of ours:
// it is saved, whatever it is.
func (a *API) runFile(w http.ResponseWriter, r *http.Request) {
	run, ok := a.findRun(w, r)
	if !ok {
		return
	}
	name := r.PathValue("name")
	i := slices.IndexFunc(run.Files, func(f wire.File) bool { return f.Name == name })
	if i < 0 {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("run %q has no file %q", run.ID, name))
		return
	}
	connection := http.NewResponseController(w)
	content := a.contentOf(r.Context(), run.Run, i)
	content.before = func() { _ = connection.SetWriteDeadline(time.Now().Add(pieceWithin)) } // otherwise that of the server holds
	if err := content.check(); errors.Is(err, errNotKept) {
		fail(w, r, http.StatusGone, fmt.Sprintf("the content of %q is not kept any more: there was too much after it", name))
		return
	} else if err != nil {
		a.failPast(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", run.Files[i].Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", fmt.Sprintf(`"%s-file-%d"`, run.ID, i)) // a file of a run does not change
	http.ServeContent(w, r, "", time.Time{}, content)
}

// contentOf returns the content of a file of a run.
func (a *API) contentOf(ctx context.Context, run wire.Run, i int) *runContent {
	c := &runContent{size: run.Files[i].Size}
	for _, before := range run.Files[:i] {
		c.begin += before.Size
	}
	c.read = func(from int64, most int) (archive.Output, error) {
		part, _, err := a.deps.Runs.Output(ctx, archive.FilesOf(run.ID), from, most)
		return part, err
	}
	return c
}

// errNotKept is why a file cannot be read that is not in the archive any more.
var errNotKept = errors.New("the content of the file is not kept any more")

// A runContent reads the content of a file of a run, a piece at a time. It implements [io.ReadSeeker].
type runContent struct {
	read        func(from int64, most int) (archive.Output, error)
	before      func() // called before a piece is read; nil: nothing is
	begin, size int64  // of the file, in all files of the run
	at          int64
}

// check returns why the file cannot be read.
func (c *runContent) check() error {
	if c.size == 0 {
		return nil
	}
	_, err := c.piece(0, 1)
	return err
}

// piece returns some bytes of the file, at least one, from an offset before its end on.
func (c *runContent) piece(from int64, most int) ([]byte, error) {
	part, err := c.read(c.begin+from, most)
	if err == nil && (part.Begin != c.begin+from || len(part.Text) == 0) {
		err = errNotKept
	}
	return part.Text, err
}

func (c *runContent) Read(p []byte) (int, error) {
	most := min(int64(len(p)), c.size-c.at, outputPiece)
	if most <= 0 {
		return 0, io.EOF
	}
	if c.before != nil {
		c.before()
	}
	piece, err := c.piece(c.at, int(most))
	if err != nil {
		return 0, err
	}
	n := copy(p[:most], piece)
	c.at += int64(n)
	return n, nil
}

func (c *runContent) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("there is nothing before the beginning of a file")
	}
	c.at = offset
	return offset, nil
}

// fileOf returns the file that a run was given for an argument. The error is errNotKept, or why it cannot be read.
func (a *API) fileOf(ctx context.Context, run wire.Run, arg string) (*config.File, error) {
	i := slices.IndexFunc(run.Files, func(f wire.File) bool { return f.Arg == arg })
	if i < 0 {
		return nil, errNotKept
	}
	data, err := io.ReadAll(a.contentOf(ctx, run, i))
	if err != nil {
		return nil, err
	}
	return config.NewFile(run.Files[i].Name, run.Files[i].Type, data), nil
}
