package echosse_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/echosse"
)

// lines is a Logger that keeps what it is told.
type lines struct {
	mu   sync.Mutex // guards the field below
	kept []string
}

func (l *lines) Debugf(format string, args ...any) { l.add("DEBUG", format, args) }
func (l *lines) Infof(format string, args ...any)  { l.add("INFO", format, args) }
func (l *lines) Warnf(format string, args ...any)  { l.add("WARN", format, args) }
func (l *lines) Errorf(format string, args ...any) { l.add("ERROR", format, args) }

func (l *lines) add(level, format string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, level+" "+fmt.Sprintf(format, args...))
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.kept)
}

func TestLoggerGetsWholeLines(t *testing.T) {
	var lc lines
	log := echosse.Structured(&lc)
	log.Debug("began")
	log.Info("goes on", "percent", "50%d") // no format of ours
	log.With("topic", "scan").WithGroup("http").Warn("slow", "status", 200)
	log.Error("ended", "err", errors.New("no route to host"))
	want := []string{
		`DEBUG msg=began`,
		`INFO msg="goes on" percent=50%d`,
		`WARN msg=slow topic=scan http.status=200`,
		`ERROR msg=ended err="no route to host"`,
	}
	if got := lc.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if echosse.Structured(nil) != nil {
		t.Error("a nil Logger became a logger that would call it")
	}
}

func TestPollingLogsToTheLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lc lines
		p := echosse.NewPolling(&lc, func(context.Context) (any, error) { return nil, errors.New("no route to host") },
			echosse.WithCustomPollingInterval(time.Minute))
		p.Start(discard{})
		synctest.Wait()
		p.Stop()
		want := []string{`ERROR msg="poll failed" err="no route to host"`}
		if got := lc.all(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

type discard struct{}

func (discard) Publish(any) {}
