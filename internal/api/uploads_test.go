package api_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/config"
)

// Bodies of starts with files are bounded together, and what one has taken is given back; other bodies do not count.
func TestBodiesWithFilesAreBoundedTogether(t *testing.T) {
	limit, most := api.NewUploads()
	withFile := &config.Job{Args: []config.Arg{{Type: config.ArgFile, MaxSize: 1000}}}
	read := func(j *config.Job, size int64) (done func(), err error) {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "/", io.NopCloser(io.LimitReader(zeros{}, size)))
		done = limit(r, j)
		_, err = io.Copy(io.Discard, r.Body)
		return done, err
	}
	first, err := read(withFile, most-1000)
	if err != nil {
		t.Fatalf("a body below the bound: %v", err)
	}
	if done, err := read(&config.Job{}, most); err != nil {
		t.Errorf("a body of a job without files: %v", err)
	} else {
		done()
	}
	second, err := read(withFile, 2000)
	if !errors.Is(err, api.ErrUploads) {
		t.Errorf("a body beyond the bound: %v, want %v", err, api.ErrUploads)
	}
	second()
	third, err := read(withFile, 1000)
	if err != nil {
		t.Errorf("a body that just fits, after one that did not: %v", err)
	}
	third()
	first()
	if done, err := read(withFile, most); err != nil {
		t.Errorf("the largest body once the others are read: %v", err)
	} else {
		done()
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
