package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// A runsAPI is a place where runs are started, and one that goes on there.
type runsAPI struct {
	t             *testing.T
	start         string // POST starts, or joins the one that goes on
	events        string // of that run
	first, second string // bodies of two different starts

}

// both calls test with a gateway and with a Handler of package progress, whose clients are told that they are the same.
func both(t *testing.T, test func(*testing.T, runsAPI)) {
	t.Run("gateway", func(t *testing.T) {
		script := newScript(t)
		test(t, newRunsAPI(t, start(t, script.scan()).url+runs, `{}`, `{"args":{"fast":true}}`))
	})
	t.Run("progress.Handler", func(t *testing.T) {
		tracker := progress.New(t.Context(), time.Minute, time.Minute, nil)
		server := httptest.NewServer(progress.Handler(tracker, progress.HandlerOptions{
			Work: func(ctx context.Context, _ *progress.Reporter, _ *http.Request) (any, error) {
				<-ctx.Done()
				return nil, nil
			},
		}))
		t.Cleanup(server.Close)
		t.Cleanup(server.CloseClientConnections)
		test(t, newRunsAPI(t, server.URL+"/scan", `{}`, `{"fast":true}`))
	})
}

func newRunsAPI(t *testing.T, at, first, second string) runsAPI {
	api := runsAPI{t: t, start: at, first: first, second: second}
	resp, body := api.do("POST", at, first)
	var run struct{ Events string }
	if err := json.Unmarshal([]byte(body), &run); err != nil || resp.StatusCode != 202 {
		t.Fatalf("POST %s = %s %s", at, resp.Status, body)
	}
	events, err := resp.Request.URL.Parse(run.Events)
	if err != nil {
		t.Fatal(err)
	}
	api.events = events.String()
	return api
}

// do makes a request; header is pairs. Of a stream only the head is read.
func (api runsAPI) do(method, at, body string, header ...string) (*http.Response, string) {
	api.t.Helper()
	ctx, cancel := context.WithTimeout(api.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(body))
	if err != nil {
		api.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		api.t.Fatal(err)
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp, ""
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		api.t.Fatal(err)
	}
	return resp, string(data)
}

func TestBothChooseTheSameRepresentation(t *testing.T) {
	const asStream = "text/event-stream"
	both(t, func(t *testing.T, api runsAPI) {
		for accept, want := range map[string]string{
			"":                                    asStream,
			"*/*":                                 asStream,
			"text/event-stream":                   asStream,
			"application/json":                    asJSON,
			"application/*":                       asJSON,
			"APPLICATION/JSON; charset=utf-8":     asJSON,
			"application/json, text/event-stream": asStream,
			"application/json, text/event-stream;q=0.1": asJSON,
			"application/json;q=0.1, text/event-stream": asStream,
			"text/event-stream;q=0, */*":                asJSON,
			"application/jsonp, text/*":                 asStream,
			`text/x;a="application/json"`:               asStream,
		} {
			var header []string
			if accept != "" {
				header = []string{"Accept", accept}
			}
			resp, body := api.do("GET", api.events, "", header...)
			if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !strings.HasPrefix(got, want) {
				t.Errorf("Accept: %s is answered %s %s, want %s\n%s", accept, resp.Status, got, want, body)
			}
		}
	})
}

func TestBothReadTheSameConditions(t *testing.T) {
	both(t, func(t *testing.T, api runsAPI) {
		resp, _ := api.do("GET", api.events, "", "Accept", asJSON)
		tag := resp.Header.Get("ETag")
		for given, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x,y", ` + tag: 304, "*": 304,
			`"x"`: 200, strings.Trim(tag, `"`): 200, `"x, ` + tag: 200,
		} {
			resp, body := api.do("GET", api.events, "", "Accept", asJSON, "If-None-Match", given)
			if resp.StatusCode != want || resp.Header.Get("ETag") != tag || (body == "") != (want == 304) {
				t.Errorf("If-None-Match: %s is answered %s, ETag %s, want %d, %s", given, resp.Status, resp.Header.Get("ETag"), want, tag)
			}
		}
		for prefer, want := range map[string]string{
			"wait=0": "wait=0", "WAIT=\"0\"; x=y": "wait=0", "wait=61": "wait=60", "wait=99999999999": "wait=60", "wait=1, wait=2": "wait=1",
			"wait=x, wait=2": "", "wait=-1": "", "wait": "", "respond-async": "", `x="wait=3"`: "",
		} {
			resp, _ := api.do("GET", api.events, "", "Accept", asJSON, "If-None-Match", `"x"`, "Prefer", prefer)
			if got := resp.Header.Get("Preference-Applied"); resp.StatusCode != 200 || got != want {
				t.Errorf("GET, Prefer: %s is answered %s and applies %q, want %q", prefer, resp.Status, got, want)
			}
		}
		for prefer, want := range map[string]string{"wait=0": "wait=0", "wait=x": "", "respond-async": "respond-async", "wait=0, respond-async": "respond-async, wait=0"} {
			resp, body := api.do("POST", api.start, api.first, "Prefer", prefer)
			if got := resp.Header.Get("Preference-Applied"); resp.StatusCode != 202 || got != want {
				t.Errorf("POST, Prefer: %s is answered %s and applies %q, want %q\n%s", prefer, resp.Status, got, want, body)
			}
		}
	})
}

// A key is the same with quotes and without: a start of something else with it is a mistake.
func TestBothReadTheSameKeys(t *testing.T) {
	both(t, func(t *testing.T, api runsAPI) {
		for _, keys := range [][2]string{{`"k1"`, `k1`}, {`k2`, `"k2"`}, {`"a \"b\\"`, ` "a \"b\\" `}, {strings.Repeat("k", 255), `"` + strings.Repeat("k", 255) + `"`}} {
			if resp, body := api.do("POST", api.start, api.first, "Idempotency-Key", keys[0]); resp.StatusCode != 202 {
				t.Errorf("the key %s is answered %s\n%s", keys[0], resp.Status, body)
			}
			resp, body := api.do("POST", api.start, api.second, "Idempotency-Key", keys[1])
			var p struct{ Type string }
			_ = json.Unmarshal([]byte(body), &p)
			if resp.StatusCode != 422 || !strings.HasSuffix(p.Type, "/idempotency-key-reused") {
				t.Errorf("the key %s with another body after %s is answered %s, want 422\n%s", keys[1], keys[0], resp.Status, body)
			}
		}
		for _, bad := range [][]string{{``}, {`""`}, {`"a`}, {`a"`}, {`a b`}, {`é`}, {`"a\b"`}, {strings.Repeat("k", 256)}, {"a", "b"}} {
			var header []string
			for _, key := range bad {
				header = append(header, "Idempotency-Key", key)
			}
			resp, body := api.do("POST", api.start, api.first, header...)
			if resp.StatusCode != 400 || resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "Idempotency-Key must be") {
				t.Errorf("the keys %q are answered %s, want 400 and how to write one\n%s", bad, resp.Status, body)
			}
		}
	})
}

// Both answer errors with problems of the same members.
func TestBothAnswerWithProblems(t *testing.T) {
	both(t, func(t *testing.T, api runsAPI) {
		at, err := url.Parse(api.events)
		if err != nil {
			t.Fatal(err)
		}
		if at.RawQuery != "" {
			at.RawQuery = "run=none"
		} else {
			at.Path = "/api/v1/runs/none/events"
		}
		resp, body := api.do("GET", at.String(), "", "Accept", asJSON)
		var p map[string]any
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err, body)
		}
		for name, want := range map[string]any{"type": "about:blank", "title": "Not Found", "status": 404.0, "instance": at.Path} {
			if got := p[name]; got != want {
				t.Errorf("the problem's %s is %v, want %v", name, got, want)
			}
		}
		if h := resp.Header; h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" || p["detail"] == nil {
			t.Errorf("the problem is %v %s", h, body)
		}
	})
}
