package sse_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// byHeader is a quota of the number in a header for each of its values: `X-User: ann 2`.
func byHeader(name string) sse.Quota {
	return func(r *http.Request) (any, int) {
		key, number, _ := strings.Cut(r.Header.Get(name), " ")
		streams, _ := strconv.Atoi(number)
		if key == "" {
			return nil, 1
		}
		return key, streams
	}
}

// A stream has to fit into all quotas. Keys of different quotas are different, and no key outlives its streams.
func TestQuotas(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, e, &sse.HubOptions{Quotas: []sse.Quota{byHeader("X-User"), byHeader("X-Tenant")}})
				publish(t, f.topic("a"), "x")
				open := func(user, tenant string) *ssetest.Stream {
					return f.srv.Open(t, "/one/a", http.Header{"X-User": {user}, "X-Tenant": {tenant}, "Accept": {"text/event-stream"}})
				}
				var all []*ssetest.Stream
				for _, tt := range []struct {
					user, tenant string
					admitted     bool
				}{
					{"ann 2", "x 3", true}, {"ann 2", "x 3", true}, {"ann 2", "x 3", false},
					{"ann 3", "x 3", true}, // who may have more now
					{"bob 9", "x 3", false}, {"bob 9", "y 1", true}, {"bob 9", "y 1", false},
					{"bob 1", "z 1", false}, {"bob 2", "z 1", true}, // it did not count for z when it was refused for bob
					{"x 1", "", true}, // x is a tenant too
					{"", "", true}, {"", "", true}, {"eve 0", "", true}, {"eve -1", "", true},
				} {
					st := open(tt.user, tt.tenant)
					if !tt.admitted {
						expect(t, "stream of one too many", rest(t, st), "bye()")
						<-f.results
						continue
					}
					expect(t, tt.user+" of "+tt.tenant, string(st.Event(t).Data), "x")
					all = append(all, st)
				}
				if got := f.hub.Counts(); got != 6 {
					t.Errorf("the hub holds %d keys, want 6", got)
				}
				for _, st := range all {
					st.Close()
					<-f.results
				}
				if got := f.hub.Counts(); got != 0 {
					t.Errorf("the hub holds %d keys without streams, want none", got)
				}
			})
		})
	}
}

// A panic of a quota, or a key that cannot be one, reaches the caller and leaves nothing behind.
func TestQuotaPanics(t *testing.T) {
	for name, tt := range map[string]struct {
		quota sse.Quota
		want  any
	}{
		"itself": {func(*http.Request) (any, int) { panic("boom") }, "boom"},
		"slice":  {func(*http.Request) (any, int) { return []string{"x"}, 1 }, "sse: a Quota has returned a key of type []string: want a comparable one"},
		"field": {func(*http.Request) (any, int) { return [1]any{[]int{}}, 1 },
			"sse: a Quota has returned a key of type [1]interface {}: want a comparable one"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			hub := sse.NewHub(ctx, &sse.HubOptions{Quotas: []sse.Quota{tt.quota}})
			topic := hub.Topic("a", sse.TopicOptions{})
			defer func() {
				if got := recover(); got != tt.want {
					t.Errorf("panic = %v, want %v", got, tt.want)
				}
				if _, streams := hub.Size(); streams != 0 || hub.Counts() != 0 {
					t.Errorf("%d streams and %d keys are left behind", streams, hub.Counts())
				}
			}()
			err := hub.Serve(&ssetest.Writer{}, httptest.NewRequest("GET", "/", nil), topic)
			t.Errorf("Serve = %v, want a panic", err)
		})
	}
}

func TestPerClient(t *testing.T) {
	remote := sse.PerClient(3, nil)
	for at, want := range map[string]any{
		"10.0.0.1:80": netip.MustParseAddr("10.0.0.1"), "[2001:db8::9]:80": netip.MustParseAddr("2001:db8::"),
		"[::ffff:10.0.0.1]:80": netip.MustParseAddr("10.0.0.1"), "@": nil, "": nil,
	} {
		key, streams := remote(&http.Request{RemoteAddr: at})
		if key != want || want != nil && streams != 3 {
			t.Errorf("PerClient of %q = %v, %d, want %v, 3", at, key, streams, want)
		}
	}
}

// Each user may have two streams, and all users of a tenant together three.
func ExampleQuota() {
	perUser := func(r *http.Request) (any, int) { return r.FormValue("user"), 2 }
	perTenant := func(r *http.Request) (any, int) { return r.FormValue("tenant"), 3 }

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, &sse.HubOptions{Quotas: []sse.Quota{perUser, perTenant}})
	tank := hub.Topic("tank", sse.TopicOptions{})
	srv := httptest.NewServer(hub.Handler(func(*http.Request) ([]*sse.Topic, error) { return []*sse.Topic{tank}, nil }))
	defer srv.Close()

	for _, user := range []string{"ann", "ann", "ann", "bob", "bob"} {
		resp, err := http.Get(srv.URL + "?tenant=acme&user=" + user)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		fmt.Println(user, resp.Status)
	}
	// Output:
	// ann 200 OK
	// ann 200 OK
	// ann 503 Service Unavailable
	// bob 200 OK
	// bob 503 Service Unavailable
}
