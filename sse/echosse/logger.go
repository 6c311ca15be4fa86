package echosse

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

// Logger is the part of a printf-style logger that this package uses. It must be safe for concurrent use.
type Logger interface {
	Debugf(format string, args ...any)
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
	Errorf(format string, args ...any)
}

// structured returns a logger that formats its records for lc, nil for nil.
func structured(lc Logger) *slog.Logger {
	if lc == nil {
		return nil
	}
	line := &line{}
	text := slog.NewTextHandler(&line.buf, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{} // lc adds its own time and level
			}
			return a
		},
	})
	return slog.New(printf{text, line, lc})
}

// printf is a handler that passes lines to a Logger, which filters by level itself.
type printf struct {
	text slog.Handler // writes to line.buf
	line *line
	lc   Logger
}

type line struct {
	mu sync.Mutex // guards the field below

	buf bytes.Buffer
}

func (p printf) Enabled(context.Context, slog.Level) bool { return true }

func (p printf) WithAttrs(attrs []slog.Attr) slog.Handler {
	return printf{p.text.WithAttrs(attrs), p.line, p.lc}
}

func (p printf) WithGroup(name string) slog.Handler {
	return printf{p.text.WithGroup(name), p.line, p.lc}
}

func (p printf) Handle(ctx context.Context, r slog.Record) error {
	text, err := p.format(ctx, r)
	if err != nil {
		return err
	}
	switch {
	case r.Level >= slog.LevelError:
		p.lc.Errorf("%s", text)
	case r.Level >= slog.LevelWarn:
		p.lc.Warnf("%s", text)
	case r.Level >= slog.LevelInfo:
		p.lc.Infof("%s", text)
	default:
		p.lc.Debugf("%s", text)
	}
	return nil
}

func (p printf) format(ctx context.Context, r slog.Record) (string, error) {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.line.buf.Reset()
	err := p.text.Handle(ctx, r)
	return string(bytes.TrimSpace(p.line.buf.Bytes())), err
}
