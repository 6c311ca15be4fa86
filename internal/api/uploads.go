package api

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tidewire/tidewire/internal/config"
)

// maxUploads bounds what the bodies of starts with files have together while they are read, in bytes. Of such a body there are
// up to four copies for a moment.
const maxUploads = 64 << 20

// errUploads is why a body is not read on.
var errUploads = errors.New("too many files are sent at once")

// uploads counts the bytes of bodies with files that are being read.
type uploads struct{ bytes atomic.Int64 }

// limit has the body of a start of j count until done is called, if the job takes files. A read beyond the bound fails with errUploads.
func (u *uploads) limit(r *http.Request, j *config.Job) (done func()) {
	if j.MaxGiven() == 0 {
		return func() {}
	}
	body := &upload{ReadCloser: r.Body, all: u}
	r.Body = body
	return func() { u.bytes.Add(-body.bytes) }
}

// An upload is a body that counts.
type upload struct {
	io.ReadCloser
	all   *uploads
	bytes int64 // that count
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.bytes += int64(n)
	if u.all.bytes.Add(int64(n)) > maxUploads {
		return 0, errUploads
	}
	return n, err
}

// failUploads answers a start whose body was not read because of others.
func failUploads(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "1")
	fail(w, r, http.StatusServiceUnavailable, errUploads.Error()+": try again in a moment")
}
