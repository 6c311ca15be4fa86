package flood

import (
	"context"
	"log/slog"
	"time"
)

// Address is the key of the attribute by which a [Handler] distinguishes callers. It has to be an attribute of the
// record itself.
const Address = "address"

// A Handler passes records on to another one: of each message as many as a [Meter] lets pass. Messages must be constant
// texts of the program.
type Handler struct {
	next  slog.Handler
	meter *Meter // shared by what WithAttrs and WithGroup return
}

// NewHandler returns a Handler that passes records on to next.
func NewHandler(next slog.Handler) *Handler { return &Handler{next, &Meter{}} }

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *Handler) Handle(ctx context.Context, record slog.Record) error {
	caller := ""
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == Address {
			caller = a.Value.String()
		}
		return caller == ""
	})
	var about any
	if caller != "" {
		about = caller
	}
	if !h.meter.Pass(record.Time, record.Message, caller, about) {
		return nil
	}
	return h.next.Handle(ctx, record)
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.next.WithAttrs(attrs), h.meter}
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.meter}
}

// Report writes a warning for each message of which records were left out, in the windows that have ended by now.
func (h *Handler) Report(now time.Time) { h.report(now, h.meter.Due(now)) }

// ReportAll does the same for all windows.
func (h *Handler) ReportAll(now time.Time) { h.report(now, h.meter.Rest()) }

func (h *Handler) report(now time.Time, due []Excess) {
	for _, e := range due {
		record := slog.NewRecord(now, slog.LevelWarn, "lines left out", 0)
		record.AddAttrs(
			slog.String("of", e.Kind),
			slog.Int("more", e.More),
			slog.Duration("within", now.Sub(e.Since).Round(time.Second)),
		)
		if caller, ok := e.About.(string); ok {
			record.AddAttrs(slog.String(Address, caller))
		}
		if h.next.Enabled(context.Background(), slog.LevelWarn) {
			_ = h.next.Handle(context.Background(), record) // as for any other record, an error cannot be reported
		}
	}
}
