package gateway

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
)

// A History is what a source's numbers were.
type History struct{ *history }

// A HistoryObject is what the API answers of it.
type HistoryObject = historyObject

// HistoryBuckets is how many points a history can have.
const HistoryBuckets = historyBuckets

func NewHistory(span time.Duration) History { return History{newHistory(span)} }

func (h History) Add(now time.Time, value any) { h.add(now, value) }

func (h History) Read(field string, since, now time.Time, points int) HistoryObject {
	return h.read(field, since, now, points)
}

// Routes returns the verb of each route, by pattern.
func Routes() map[string]access.Verb {
	all := map[string]access.Verb{}
	for _, route := range (&gateway{}).routes() {
		all[route.pattern] = route.verb
	}
	return all
}

// NewHandler is what a gateway answers with, which polls nothing, until stop is called.
func NewHandler(t testing.TB, cfg *config.Config) (handler http.Handler, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	g, err := open(ctx, ctx, cfg, "127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g.handler(), cancel
}
