package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/metrics"
	"github.com/tidewire/tidewire/sse"
)

// What happens to a gateway is in its metrics, as package metrics counts it.
func TestMetrics(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			fmt.Fprint(w, "1")
		case "/limited":
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			<-r.Context().Done()
		}
	}))
	defer upstream.Close()
	yaml := `upstreams: {plant: {http: "` + upstream.URL + `"}}
defaults: {every: 1h, backoff: {min: 1h, max: 1h}}
sources:
  good: {http: {upstream: plant, path: /good}}
  limited: {http: {upstream: plant, path: /limited}}
  hangs: {http: {upstream: plant, path: /hangs}, timeout: 50ms}
  bad: {exec: ['false']}
  sum: {from: [good], combine: .good.value}
jobs:
  good: {exec: ['true']}
  slow: {exec: [sleep, '60'], timeout: 50ms}
`
	counted := metrics.New("1")
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte("version: 1\n"+yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, files, err := config.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Audit = filepath.Join(t.TempDir(), "audit")
	// Some of what is counted happens after the answers that say so.
	o, happened := counted.Observer(), make(chan string, 3)
	ended, opened := o.Jobs.Ended, o.Streams.Opened
	o.Jobs.Ended = func(job, status string, took time.Duration) { ended(job, status, took); happened <- "end" }
	o.Streams.Opened = func(e sse.Engine) {
		if opened(e); e == sse.EngineHandOff {
			happened <- "stream"
		}
	}
	s := run(t, cfg, gateway.Options{Files: files, Observer: o, Metrics: counted.Handler, Values: metrics.Values})
	s.file = file
	for name, state := range map[string]string{"good": "ok", "limited": "failing", "hangs": "failing", "bad": "failing", "sum": "ok"} {
		s.awaitState(name, state)
	}
	// A directory in the place of the audit log cannot be written to.
	if err := os.Remove(cfg.Audit); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(cfg.Audit, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"good", "slow"} {
		id := s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", "{}")["id"].(string)
		s.awaitEnd(id)
	}
	s.stream()
	for range 3 {
		<-happened
	}
	s.write("sources: {}\nnonsense: true\n")
	s.do("POST", "/api/v1/config/reload", "")
	status, h, text := s.do("GET", "/metrics", "")
	if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("GET /metrics = %d, %s", status, h.Get("Content-Type"))
	}
	want := func(line string) {
		t.Helper()
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			name, _, _ := strings.Cut(line, `\{`)
			t.Errorf("there is no %s, but\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(text, -1), "\n"))
		}
	}
	want(`tidewire_source_polls_total\{result="ok",source="good"\} 1`)
	want(`tidewire_source_polls_total\{result="rate_limited",source="limited"\} 1`)
	want(`tidewire_source_polls_total\{result="timeout",source="hangs"\} 1`)
	want(`tidewire_source_polls_total\{result="error",source="bad"\} 1`)
	want(`tidewire_upstream_rate_limited_total\{upstream="plant"\} 1`)
	want(`tidewire_poll_duration_seconds_count\{kind="http"\} 3`)
	want(`tidewire_poll_duration_seconds_count\{kind="exec"\} 1`)
	want(`tidewire_poll_duration_seconds_count\{kind="from"\} [1-9]\d*`)
	want(`tidewire_poll_lateness_seconds_count [5-9]`)
	want(`tidewire_source_state\{source="good",state="ok"\} 1`)
	want(`tidewire_source_state\{source="bad",state="failing"\} 1`)
	want(`tidewire_source_last_success_timestamp_seconds\{source="good"\} 1\.\d+e\+09`)
	want(`tidewire_job_runs_total\{job_name="good",status="succeeded"\} 1`)
	want(`tidewire_job_runs_total\{job_name="slow",status="timed_out"\} 1`)
	want(`tidewire_job_run_duration_seconds_count\{job_name="slow"\} 1`)
	want(`tidewire_job_runs_in_progress\{job_name="slow"\} 0`)
	want(`tidewire_job_queue_length\{job_name="slow"\} 0`)
	want(`tidewire_streams_open\{engine="handoff"\} 1`)
	want(`tidewire_streams_resumed_total\{resume="fresh"\} [1-9]\d*`)
	want(`tidewire_config_reloads_total\{result="error"\} 1`)
	want(`tidewire_config_last_reload_successful 0`)
	want(`tidewire_audit_failures_total [1-9]\d*`)
	if status, h, text = s.do("GET", "/metrics/values", ""); status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("GET /metrics/values = %d, %s", status, h.Get("Content-Type"))
	}
	want(`tidewire_value\{field="",source="sum"\} 1`)
	want(`tidewire_value_state\{source="bad",state="failing"\} 1`)

	s.reload("sources: {one: {exec: [echo]}}\n")
	s.awaitState("one", "ok")
	if _, _, text = s.do("GET", "/metrics", ""); contains(text, `"bad"`) || contains(text, `job_name="slow"`) {
		t.Error("what is configured no more is still among the metrics")
	}
	want(`tidewire_config_last_reload_successful 1`)
	want(`tidewire_config_reloads_total\{result="ok"\} 1`)
}

// awaitState waits until a source is in a state.
func (s *server) awaitState(name, state string) {
	s.t.Helper()
	tag := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_, h, body := s.do("GET", "/api/v1/sources/"+name, "", "If-None-Match", tag, "Prefer", "wait=5")
		if contains(body, `"state":"`+state+`"`) {
			return
		}
		tag = h.Get("ETag")
	}
	s.t.Fatalf("%s did not become %s", name, state)
}

// awaitEnd waits until a run is over.
func (s *server) awaitEnd(id string) {
	s.t.Helper()
	tag := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_, h, body := s.do("GET", "/api/v1/runs/"+id, "", "If-None-Match", tag, "Prefer", "wait=5")
		if !contains(body, `"finished_at":null`) && body != "" {
			return
		}
		tag = h.Get("ETag")
	}
	s.t.Fatalf("run %s did not end", id)
}

// An observer is told of the gateway's life, in order.
func TestObserverOfLife(t *testing.T) {
	var alive atomic.Int32
	told := make(chan string, 10)
	beats := make(chan struct{}, 100)
	s := run(t, load(t, "sources: {}\n"), gateway.Options{Observer: &gateway.Observer{
		Ready:      func() { told <- "ready" },
		Stopping:   func() { told <- "stopping" },
		Alive:      func() { alive.Add(1); beats <- struct{}{} },
		AliveEvery: time.Millisecond,
	}})
	if got := <-told; got != "ready" {
		t.Errorf("the first that is told is %q, want ready", got)
	}
	if status, _, _ := s.do("GET", "/readyz", ""); status != 200 {
		t.Errorf("GET /readyz = %d when ready was told", status)
	}
	<-beats
	<-beats
	s.stop()
	if got := <-told; got != "stopping" {
		t.Errorf("then %q is told, want stopping", got)
	}
	last := alive.Load()
	if time.Sleep(5 * time.Millisecond); alive.Load() != last {
		t.Error("a gateway that has stopped says that it is alive")
	}
}

// Everything works over TLS too, by HTTP/2 where the client can: answers, and streams.
func TestTLS(t *testing.T) {
	fake := httptest.NewUnstartedServer(nil)
	fake.EnableHTTP2 = true
	fake.StartTLS()
	defer fake.Close()
	opened := make(chan sse.Engine, 2)
	s := run(t, load(t, "sources: {one: {exec: [echo, '1']}}\n"), gateway.Options{
		TLS:      &tls.Config{Certificates: fake.TLS.Certificates},
		Observer: &gateway.Observer{Streams: &sse.Observer{Opened: func(e sse.Engine) { opened <- e }}},
	})
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	pool := x509.NewCertPool()
	pool.AddCert(fake.Certificate())
	for _, h2 := range []bool{true, false} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "example.com"}, ForceAttemptHTTP2: h2}
		s.client = &http.Client{Transport: transport}
		s.awaitState("one", "ok")
		resp, err := s.client.Get(s.url + "/api/v1/stream")
		if err != nil {
			t.Fatal(err)
		}
		if (resp.ProtoMajor == 2) != h2 {
			t.Errorf("the stream came by %s, HTTP/2 wanted: %v", resp.Proto, h2)
		}
		for ev, err := range sse.Read(resp.Body, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if contains(string(ev.Data), `"source/one"`) {
				break
			}
		}
		resp.Body.Close()
		if got := <-opened; got != sse.EngineGoroutine {
			t.Errorf("a stream over TLS is carried by %s, want a goroutine", got)
		}
		transport.CloseIdleConnections()
	}
}

// At level debug there is a line for each request, which has nothing in it that is secret.
func TestAccessLog(t *testing.T) {
	s := run(t, load(t, "sources: {one: {exec: [echo, '1']}}\n"), gateway.Options{})
	s.do("GET", "/api/v1/sources/none?token=canary", "", "Authorization", "Bearer canary")
	s.do("GET", "/livez", "")
	s.stream()
	s.stop()
	log := s.log.String()
	for _, line := range []string{
		`level=DEBUG msg=request method=GET path=/api/v1/sources/none status=404 took=\S+ address=127\.0\.0\.1`,
		`msg=request method=GET path=/livez status=200 `,
		`msg=request method=GET path=/api/v1/stream status=200 `,
	} {
		if !regexp.MustCompile(line).MatchString(log) {
			t.Errorf("the log has no line %s", line)
		}
	}
	if contains(log, "canary") {
		t.Error("the log has a token in it")
	}
}

// A hook that blocks the scheduler is in the log while it does so.
func TestASlowHookIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var log lockedBuffer
		g := gateway.NewGateway(t, ctx, load(t, "sources: {}\n"), gateway.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		over := g.Start(ctx)
		go func() { _ = g.Block(ctx, time.Minute) }()
		time.Sleep(10 * time.Second)
		if line := `level=WARN msg="a hook holds up all polls, jobs and deliveries" task=<nil> took=5s`; !contains(log.String(), line) {
			t.Errorf("the log has\n%s, want %s", log.String(), line)
		}
		cancel()
		<-over
	})
}
