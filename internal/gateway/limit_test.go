package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

// answering is an upstream that answers every request at once.
type answering string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

// Sources that wait for the limit of their upstream say so, and until when; and those that are gone, by a reload,
// keep nobody waiting.
func TestSourcesThatWaitForALimitTellWhenTheyArePolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sources := func(names ...string) *config.Config {
			text := "upstreams: {plant: {http: 'http://plant.example', limit: 12/m, burst: 1}}\nsources:\n"
			for _, name := range names {
				text += fmt.Sprintf("  %s: {http: {upstream: plant, path: /%[1]s}, every: 1h}\n", name)
			}
			return load(t, text)
		}
		names := make([]string, 12)
		for n := range names {
			names[n] = fmt.Sprintf("s%02d", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := gateway.NewGateway(t, ctx, sources(names...), gateway.Options{})
		g.Ask(answering("1"))
		begin := time.Now()
		go g.Run(ctx)
		check := func(when, name, state string, next any, waiting string) {
			t.Helper()
			synctest.Wait()
			v := decode(t, []byte(g.Newest("source/"+name)))
			if d, ok := next.(time.Duration); ok {
				next = begin.Add(d).UTC().Format(time.RFC3339)
			}
			if got, want := []any{v["state"], v["next_at"], v["waiting"]}, []any{state, next, waiting}; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: state, next_at and waiting of %s are %v, want %v", when, name, got, want)
			}
		}
		check("at the start", "s01", "pending", 5*time.Second, "rate limit")
		check("at the start", "s11", "pending", 55*time.Second, "rate limit")
		time.Sleep(12 * time.Second)

		g.Reload(t, sources("s00", "s10", "s11"))
		check("with those before it gone", "s10", "pending", 15*time.Second, "rate limit")
		check("with those before it gone", "s11", "pending", 20*time.Second, "rate limit")

		g.Reload(t, sources("new"))
		check("as the only one", "new", "pending", 15*time.Second, "rate limit")
		time.Sleep(2900 * time.Millisecond)
		check("just before its time", "new", "pending", 15*time.Second, "rate limit")
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if v := decode(t, []byte(g.Newest("source/new"))); v["state"] != "ok" || v["waiting"] != "" {
			t.Errorf("after its time: %v, want it ok and waiting for nothing", v)
		}
	})
}
