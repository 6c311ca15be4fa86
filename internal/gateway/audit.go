package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/flood"
)

// maxAuditLine bounds a line of the audit log, in bytes. Arguments may be long, and the
// file belongs to the administrator, not to whoever fills a form.
const maxAuditLine = 8 << 10

// An auditLog appends lines of JSON to a file: who did what, from where, and what came
// of it. The file is opened anew when it was renamed or removed, or when the
// configuration names another one.
//
// What cannot be written is lost, and that is logged when it begins and when it ends:
// a full disk stops nobody from cancelling a job. The file must be writable when the
// gateway starts.
//
// Its methods may be called from any goroutine. A line is one write to a file in append
// mode, so lines of several goroutines, and of several processes, do not mix.
type auditLog struct {
	log  *slog.Logger
	lost func() // called for each line that is

	mu      sync.Mutex // guards the fields below; nothing is read or written under it
	file    *os.File   // nil before the first line and after a failure
	failing bool       // the last line was not written
	torn    bool       // or a part of it was
}

// open opens the file of that name for appending, readable for its owner alone, in place
// of the one that is given, unless somebody has just done that.
func (a *auditLog) open(name string, old *os.File) (*os.File, error) {
	opened, err := openAudit(name)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	if a.file == old {
		a.file = opened
	} else {
		opened, old = a.file, opened
	}
	a.mu.Unlock()
	if old != nil {
		old.Close() // a line under way to it is written again
	}
	return opened, nil
}

func openAudit(name string) (*os.File, error) {
	opened, err := file.Open(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w (it must be a file that the gateway may append to)", err)
	}
	return opened, nil
}

// write appends a line to the file of that name.
func (a *auditLog) write(name string, line []byte) {
	a.mu.Lock()
	torn := a.torn
	a.mu.Unlock()
	if torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := a.append(name, line)
	a.mu.Lock()
	changed := a.failing != (err != nil)
	a.failing, a.torn = err != nil, err != nil && (torn || n > 0)
	a.mu.Unlock()
	if err != nil {
		a.lost()
	}
	switch {
	case changed && err != nil:
		a.log.Error("the audit log cannot be written; lines are lost", "err", err)
	case changed:
		a.log.Info("the audit log is written again", "file", name)
	}
}

// append writes a line, and returns how much of it was written if not all.
func (a *auditLog) append(name string, line []byte) (n int, err error) {
	for {
		file, err := a.current(name)
		if err != nil {
			return 0, err
		}
		if n, err = file.Write(line); !errors.Is(err, os.ErrClosed) { // else it was exchanged meanwhile
			return n, err
		}
	}
}

// current returns the file that has the name now.
func (a *auditLog) current(name string) (*os.File, error) {
	a.mu.Lock()
	file := a.file
	a.mu.Unlock()
	if file != nil {
		is, errIs := file.Stat()
		named, errNamed := os.Stat(name)
		if errIs == nil && errNamed == nil && os.SameFile(is, named) {
			return file, nil
		}
	}
	return a.open(name, file)
}

// close ends the log.
func (a *auditLog) close() {
	a.mu.Lock()
	file := a.file
	a.file = nil
	a.mu.Unlock()
	if file != nil {
		file.Close()
	}
}

// audit records what the user of r did, or tried to. r is nil of what the gateway does
// by itself, as a job's time table says. Attributes must hold no secret.
func (g *gateway) audit(r *http.Request, action string, attrs ...slog.Attr) {
	name := g.cfg.Load().Audit
	if name == "" {
		return
	}
	who := []slog.Attr{slog.String("user", "tidewire"), slog.String("kind", "gateway")}
	if r != nil {
		user := userOf(r)
		who = []slog.Attr{slog.String("user", user.Name), identityAttr("", user.ID), slog.String("address", g.addressOf(r))}
	}
	g.auditing.write(name, auditLine(g.clock.Wall(), action, append(who, attrs...)))
}

// auditMetered records what costs a client nothing, so that it could fill the disk with
// it: requests that are denied, and signing in and out. Of each user, or of each address
// of an unknown one, the first of a minute are recorded and the others counted.
func (g *gateway) auditMetered(r *http.Request, action string, of access.Identity, attrs ...slog.Attr) {
	caller, about := fmt.Sprint(of), identityAttr("", of)
	if of == (access.Identity{}) {
		network := access.Network(g.guard.Address(r))
		caller = network.String()
		about = slog.String("address", caller)
	}
	if g.metered.Pass(time.Now(), action, caller, about) {
		g.audit(r, action, attrs...)
	}
}

// tellExcess records how many lines were left out, and whose.
func (g *gateway) tellExcess(due []flood.Excess) {
	name := g.cfg.Load().Audit
	if name == "" {
		return
	}
	for _, e := range due {
		attrs := []slog.Attr{slog.Int("more", e.More), slog.Time("since", e.Since.UTC())}
		if about, ok := e.About.(slog.Attr); ok {
			attrs = append([]slog.Attr{about}, attrs...)
		}
		g.auditing.write(name, auditLine(g.clock.Wall(), e.Kind, attrs))
	}
}

// identityAttr is who somebody is, beside their name: a person can be called like a token,
// or like the gateway itself. It has no members of nobody.
func identityAttr(prefix string, id access.Identity) slog.Attr {
	var members []any
	for _, member := range []struct{ key, value string }{{"kind", id.Kind}, {"issuer", id.Issuer}, {"subject", id.Subject}} {
		if member.value != "" {
			members = append(members, slog.String(prefix+member.key, member.value))
		}
	}
	return slog.Group("", members...) // whose members stand in the line itself
}

// auditLine encodes a line of at most maxAuditLine bytes. Of a longer one, the longest
// attributes are left out, which "truncated" says.
func auditLine(at time.Time, action string, attrs []slog.Attr) []byte {
	line := encodeAudit(at, action, attrs)
	for len(line) > maxAuditLine && len(attrs) > 0 {
		longest, size := 0, 0
		for i, attr := range attrs {
			if n := len(encodeAudit(time.Time{}, "", []slog.Attr{attr})); n > size {
				longest, size = i, n
			}
		}
		attrs = append(append([]slog.Attr{}, attrs[:longest]...), attrs[longest+1:]...)
		line = encodeAudit(at, action, append(attrs[:len(attrs):len(attrs)], slog.Bool("truncated", true)))
	}
	return line
}

func encodeAudit(at time.Time, action string, attrs []slog.Attr) []byte {
	var line bytes.Buffer
	handler := slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) == 0 && a.Key == slog.LevelKey:
			return slog.Attr{}
		case len(groups) == 0 && a.Key == slog.MessageKey:
			a.Key = "action"
		}
		return a
	}})
	record := slog.NewRecord(at.UTC(), slog.LevelInfo, action, 0)
	record.AddAttrs(attrs...)
	_ = handler.Handle(context.Background(), record) // a buffer takes everything
	return line.Bytes()
}
