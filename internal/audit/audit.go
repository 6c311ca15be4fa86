// Package audit appends actions to a file, one line of JSON each: the actor, the action, the address and the result.
//
// A line is one write to a file in append mode, so lines of several goroutines, and of several processes, do not mix.
// The file is opened again after it was renamed or removed, as logrotate does, or when the configuration names another
// one. The journal of events reads the same records ([Options].Tell), so that each is made in one place.
//
// A line that cannot be written is lost, so that a full disk does not keep people from cancelling a job. The beginning
// and the end of such a period are logged.
package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/flood"
)

// maxLine bounds a line, in bytes. Arguments may be long, and users must not be able to fill the administrator's file.
const maxLine = 8 << 10

// Options are what a [Log] works with.
type Options struct {
	// File is the name of the file to which a line is appended now. Empty means that nothing is recorded.
	File func() string
	// Replica is the name of this process among those that share its store, which each line has; empty: there are no
	// others.
	Replica string
	// Clock has the times of lines.
	Clock *clock.Clock
	// Logger gets a record when lines are lost, and when they are written again.
	Logger *slog.Logger
	// Lost is called for each line that is lost. Nil means that nobody counts them.
	Lost func()
	// Tell is called with each record, whether there is a file or not, before it is written. Nil means that nobody else
	// reads them. It may be called from many goroutines, and must not block.
	Tell func(Record)
}

// A Record is what a line says.
type Record struct {
	Who    Actor
	Action string
	Attrs  []slog.Attr // Attrs are not modified
}

// A Log appends lines to a file. [New] makes one. Its methods may be called concurrently.
type Log struct {
	options Options
	metered flood.Meter // of the lines of RecordMetered

	mu      sync.Mutex // guards the fields below; nothing is read or written under it
	file    *os.File   // nil before the first line and after a failure
	failing bool       // the last line was not written
	torn    bool       // or a part of it was
}

// New returns a log that has opened no file yet.
func New(options Options) *Log {
	if options.Lost == nil {
		options.Lost = func() {}
	}
	if options.Tell == nil {
		options.Tell = func(Record) {}
	}
	return &Log{options: options}
}

// An Actor has the attributes of a line that tell who acted.
type Actor []slog.Attr

// Program is the actor of what the program does by itself, such as a scheduled start.
func Program() Actor {
	return Actor{slog.String("user", "tidewire"), slog.String("kind", "gateway")}
}

// Check reports why lines cannot be appended to the file of that name, nil if they can. The file exists then.
func Check(name string) error {
	opened, err := openFile(name)
	if err != nil {
		return err
	}
	return opened.Close()
}

// Record appends a line: the actor, the action, and attributes, none of which may hold a secret. The longest attributes
// are left out of a line that would be longer than 8 KiB, and "truncated" is true in it.
func (l *Log) Record(who Actor, action string, attrs ...slog.Attr) {
	l.options.Tell(Record{who, action, attrs})
	if name := l.options.File(); name != "" {
		attrs = slices.Concat(who, attrs)
		if l.options.Replica != "" {
			attrs = append(attrs, slog.String("replica", l.options.Replica))
		}
		l.write(name, encodeLine(l.options.Clock.Wall(), action, attrs))
	}
}

// RecordMetered is Record of an action that costs its caller nothing and could be used to fill the disk: of each
// caller, the first lines of a minute are appended and the others are counted. [Log.Report] appends their number, with
// about, which identifies the caller. There must be few actions.
func (l *Log) RecordMetered(caller string, about slog.Attr, who Actor, action string, attrs ...slog.Attr) {
	if l.metered.Pass(time.Now(), action, caller, about) {
		l.Record(who, action, attrs...)
	}
}

// Report appends how many lines RecordMetered has left out in the minutes that are over by now, and of which callers.
// It is to be called about once a second.
func (l *Log) Report(now time.Time) { l.report(l.metered.Due(now)) }

// Close appends how many lines were left out since, and closes the file.
func (l *Log) Close() {
	l.report(l.metered.Rest())
	l.mu.Lock()
	file := l.file
	l.file = nil
	l.mu.Unlock()
	if file != nil {
		file.Close()
	}
}

func (l *Log) report(due []flood.Excess) {
	for _, e := range due {
		var who Actor
		if about, ok := e.About.(slog.Attr); ok {
			who = Actor{about}
		}
		l.Record(who, e.Kind, slog.Int("more", e.More), slog.Time("since", e.Since.UTC()))
	}
}

// open opens the file of that name for appending, readable for its owner alone, in place
// of the one that is given, unless somebody has just done that.
func (l *Log) open(name string, old *os.File) (*os.File, error) {
	opened, err := openFile(name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	if l.file == old {
		l.file = opened
	} else {
		opened, old = l.file, opened
	}
	l.mu.Unlock()
	if old != nil {
		old.Close() // a line under way to it is written again
	}
	return opened, nil
}

func openFile(name string) (*os.File, error) {
	opened, err := file.Open(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w (it must be a file that the gateway may append to)", err)
	}
	return opened, nil
}

// write appends a line to the file of that name.
func (l *Log) write(name string, line []byte) {
	l.mu.Lock()
	torn := l.torn
	l.mu.Unlock()
	if torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.append(name, line)
	l.mu.Lock()
	changed := l.failing != (err != nil)
	l.failing, l.torn = err != nil, err != nil && (torn || n > 0)
	l.mu.Unlock()
	if err != nil {
		l.options.Lost()
	}
	switch {
	case changed && err != nil:
		l.options.Logger.Error("the audit log cannot be written; lines are lost", "err", err)
	case changed:
		l.options.Logger.Info("the audit log is written again", "file", name)
	}
}

// append writes a line, and returns how much of it was written if not all.
func (l *Log) append(name string, line []byte) (n int, err error) {
	for {
		file, err := l.current(name)
		if err != nil {
			return 0, err
		}
		if n, err = file.Write(line); !errors.Is(err, os.ErrClosed) { // else it was exchanged meanwhile
			return n, err
		}
	}
}

// current returns the file that has the name now.
func (l *Log) current(name string) (*os.File, error) {
	l.mu.Lock()
	file := l.file
	l.mu.Unlock()
	if file != nil {
		is, errIs := file.Stat()
		named, errNamed := os.Stat(name)
		if errIs == nil && errNamed == nil && os.SameFile(is, named) {
			return file, nil
		}
	}
	return l.open(name, file)
}

// encodeLine encodes a line of at most maxLine bytes. Of a longer one, the longest
// attributes are left out, which "truncated" says.
func encodeLine(at time.Time, action string, attrs []slog.Attr) []byte {
	line := encode(at, action, attrs)
	for len(line) > maxLine && len(attrs) > 0 {
		longest, size := 0, 0
		for i, attr := range attrs {
			if n := len(encode(time.Time{}, "", []slog.Attr{attr})); n > size {
				longest, size = i, n
			}
		}
		attrs = append(append([]slog.Attr{}, attrs[:longest]...), attrs[longest+1:]...)
		line = encode(at, action, append(attrs[:len(attrs):len(attrs)], slog.Bool("truncated", true)))
	}
	return line
}

func encode(at time.Time, action string, attrs []slog.Attr) []byte {
	var line bytes.Buffer
	handler := slog.NewJSONHandler(
		&line,
		&slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case len(groups) == 0 && a.Key == slog.LevelKey:
				return slog.Attr{}
			case len(groups) == 0 && a.Key == slog.MessageKey:
				a.Key = "action"
			}
			return a
		}},
	)
	record := slog.NewRecord(at.UTC(), slog.LevelInfo, action, 0)
	record.AddAttrs(attrs...)
	_ = handler.Handle(context.Background(), record) // a buffer takes everything
	return line.Bytes()
}
