package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tidewire/tidewire/internal/gateway"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/metrics"
	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// A fixture is metrics, and the gateway that they believe to watch.
type fixture struct {
	*gateway.Observer
	metrics *metrics.Metrics
	status  gateway.Status
	scrape  func(t testing.TB) (map[string]*dto.MetricFamily, string)
}

func newFixture() *fixture {
	m := metrics.New("1.2.3")
	f := &fixture{Observer: m.Observer(), metrics: m}
	h := m.Handler(func() gateway.Status { return f.status })
	f.scrape = func(t testing.TB) (map[string]*dto.MetricFamily, string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return parsed(t, w)
	}
	return f
}

// parsed returns what an answer to a scrape says.
func parsed(t testing.TB, w *httptest.ResponseRecorder) (map[string]*dto.MetricFamily, string) {
	t.Helper()
	text := w.Body.String()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if w.Code != 200 || err != nil {
		t.Fatalf("scrape = %d, %v\n%s", w.Code, err, text)
	}
	return families, text
}

// busy has everything happen once.
func (f *fixture) busy() {
	f.status = gateway.Status{
		Sources:   []sources.Status{{Name: "tank", State: "ok", LastSuccess: time.UnixMilli(1_700_000_000_500), Alert: "firing"}, {Name: "new", State: "pending"}},
		Jobs:      []gateway.JobStatus{{Name: "scan", Running: 1, Queued: 2, Alert: "clear"}, {Name: "tidy"}},
		Upstreams: []string{"plant", "other"},
		Receivers: []wire.Receiver{{Name: "ops", Waiting: 3, FailingSince: new(time.Unix(1_700_000_000, 0))}, {Name: "lead"}},
		Silences:  2,
		Forwards:  []gateway.ForwardStatus{{To: "http", Waiting: 5, Failing: true}},
		Config:    gateway.ConfigStatus{LoadedAt: time.Unix(1_700_000_000, 0), Good: true},
		Store:     &gateway.StoreStatus{Failing: true, Bytes: 4096, Dropped: 3},
		Replicas:  &gateway.ReplicaStatus{Count: 3, Differ: 1, Sources: 2, Jobs: 1, Connected: true, LeaseAge: 2 * time.Second, Resyncs: 4},
	}
	f.Sources.Late(20*time.Millisecond, 2*time.Second)
	for _, err := range []error{nil, nil, &httpkind.StatusError{Code: 429}, fmt.Errorf("x: %w", context.DeadlineExceeded), errors.New("refused"), &httpkind.StatusError{Code: 500}} {
		f.Sources.Polled(sources.Poll{Source: "tank", Kind: "http", Upstream: "plant", Took: time.Second, Err: err})
	}
	f.Jobs.Ended("scan", "failed", time.Minute)
	f.Reloaded(nil)
	f.Reloaded(errors.New("bad"))
	f.AuditFailed()
	f.StoreWritten(2 * time.Millisecond)
	f.Asked("start", "answered", time.Millisecond)
	f.Sources.Adopted("tank")
	f.Jobs.Adopted("scan")
	f.Alerts.Told("ops", "firing", nil)
	f.Alerts.Told("ops", "resolved", errors.New("refused"))
	f.Alerts.GivenUp("ops", "resolved")
	f.Streams.Resumed(sse.ResumeFresh)
	f.Streams.Opened(sse.EngineHandOff)
	f.Streams.Opened(sse.EngineGoroutine)
	f.Streams.Delivered(3 * time.Millisecond)
	f.Streams.Coalesced(7)
	f.Streams.Ended(sse.Ended{Engine: sse.EngineHandOff, Cause: sse.CauseStalled, Bytes: 100})
	f.Streams.Refused(sse.Refused{Cause: sse.CauseTotal})
}

func TestValues(t *testing.T) {
	f := newFixture()
	f.busy()
	_, text := f.scrape(t)
	for _, line := range []string{
		`tidewire_source_polls_total{result="ok",source="tank"} 2`,
		`tidewire_source_polls_total{result="rate_limited",source="tank"} 1`,
		`tidewire_source_polls_total{result="timeout",source="tank"} 1`,
		`tidewire_source_polls_total{result="error",source="tank"} 2`,
		`tidewire_upstream_rate_limited_total{upstream="plant"} 1`,
		`tidewire_poll_duration_seconds_sum{kind="http"} 6`,
		`tidewire_poll_duration_seconds_count{kind="exec"} 0`,
		`tidewire_poll_lateness_seconds_bucket{le="0.01"} 0`,
		`tidewire_poll_lateness_seconds_bucket{le="0.025"} 1`,
		`tidewire_poll_held_seconds_bucket{le="1"} 0`,
		`tidewire_poll_held_seconds_bucket{le="5"} 1`,
		`tidewire_source_state{source="tank",state="ok"} 1`,
		`tidewire_source_state{source="tank",state="failing"} 0`,
		`tidewire_source_state{source="new",state="pending"} 1`,
		`tidewire_source_last_success_timestamp_seconds{source="tank"} 1.7000000005e+09`,
		`tidewire_job_runs_total{job_name="scan",status="failed"} 1`,
		`tidewire_job_run_duration_seconds_sum{job_name="scan"} 60`,
		`tidewire_job_runs_in_progress{job_name="scan"} 1`,
		`tidewire_job_queue_length{job_name="scan"} 2`,
		`tidewire_streams_open{engine="handoff"} 0`,
		`tidewire_streams_open{engine="goroutine"} 1`,
		`tidewire_stream_delivery_age_seconds_count 1`,
		`tidewire_stream_coalesced_total 7`,
		`tidewire_stream_sent_bytes_total 100`,
		`tidewire_streams_ended_total{cause="stalled"} 1`,
		`tidewire_streams_ended_total{cause="timeout"} 0`,
		`tidewire_streams_refused_total{cause="total"} 1`,
		`tidewire_streams_resumed_total{resume="fresh"} 1`,
		`tidewire_config_reloads_total{result="error"} 1`,
		`tidewire_config_reloads_total{result="ok"} 1`,
		`tidewire_config_last_reload_successful 1`,
		`tidewire_config_last_reload_success_timestamp_seconds 1.7e+09`,
		`tidewire_audit_failures_total 1`,
		`tidewire_store_write_seconds_bucket{le="0.0025"} 1`,
		`tidewire_store_failing 1`,
		`tidewire_store_bytes 4096`,
		`tidewire_store_dropped_total 3`,
		`tidewire_alert_state{job_name="",source="tank",state="firing"} 1`,
		`tidewire_alert_state{job_name="",source="tank",state="clear"} 0`,
		`tidewire_alert_state{job_name="scan",source="",state="clear"} 1`,
		`tidewire_alert_state{job_name="scan",source="",state="firing"} 0`,
		`tidewire_alert_messages_total{receiver="ops",result="told",state="firing"} 1`,
		`tidewire_alert_messages_total{receiver="ops",result="failed",state="resolved"} 1`,
		`tidewire_alert_messages_total{receiver="ops",result="given_up",state="resolved"} 1`,
		`tidewire_alert_messages_total{receiver="lead",result="told",state="firing"} 0`,
		`tidewire_alert_messages_waiting{receiver="ops"} 3`,
		`tidewire_alert_receiver_failing{receiver="ops"} 1`,
		`tidewire_alert_receiver_failing{receiver="lead"} 0`,
		`tidewire_alert_silences 2`,
		`tidewire_forward_waiting{to="http"} 5`,
		`tidewire_forward_failing{to="http"} 1`,
		`tidewire_replicas 3`,
		`tidewire_replicas_other_config 1`,
		`tidewire_replica_sources 2`,
		`tidewire_replica_jobs 1`,
		`tidewire_replica_adopted_total{kind="source"} 1`,
		`tidewire_replica_asks_total{op="start",outcome="answered"} 1`,
		`tidewire_replica_asks_total{op="start",outcome="timeout"} 0`,
		`tidewire_replica_ask_seconds_count 1`,
		`tidewire_store_connected 1`,
		`tidewire_store_lease_age_seconds 2`,
		`tidewire_store_resyncs_total 4`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("there is no %s, but\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(text, -1), "\n"))
		}
	}
	if regexp.MustCompile(`tidewire_alert_state{.*"(new|tidy)"`).MatchString(text) {
		t.Error("a source or a job without an alert has a state of it")
	}
	if strings.Contains(text, `success_timestamp_seconds{source="new"}`) {
		t.Error("a source without a value has had one")
	}
}

// The first failure must be seen to be one more: increase() of a series that begins with 1 is 0.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	f := newFixture()
	f.status = gateway.Status{
		Sources: []sources.Status{{Name: "tank", State: "pending"}}, Jobs: []gateway.JobStatus{{Name: "scan"}},
		Upstreams: []string{"plant"}, Receivers: []wire.Receiver{{Name: "ops"}}, Store: &gateway.StoreStatus{},
		Replicas: &gateway.ReplicaStatus{},
	}
	before, _ := f.scrape(t)
	f.busy()
	f.Jobs.Ended("scan", "lost", time.Second)
	for _, status := range gateway.Ends() {
		f.Jobs.Ended("scan", status, time.Second)
	}
	f.status.Sources, f.status.Jobs, f.status.Upstreams = f.status.Sources[:1], f.status.Jobs[:1], []string{"plant"}
	f.status.Receivers = f.status.Receivers[:1]
	after, _ := f.scrape(t)
	series := func(families map[string]*dto.MetricFamily) (names []string) {
		for name, family := range families {
			for _, m := range family.Metric {
				if strings.HasPrefix(name, "tidewire_") && m.Counter != nil {
					names = append(names, fmt.Sprint(name, m.Label))
				}
			}
		}
		slices.Sort(names)
		return names
	}
	if got, want := series(before), series(after); !slices.Equal(got, want) || len(got) < 30 {
		t.Errorf("before anything happened there were %d counters\n%s\nwant those of after\n%s", len(got), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// No label has a name that Prometheus gives to each target: its own would win, and ours be "exported_".
func TestLabelsAreNotThoseOfPrometheus(t *testing.T) {
	f := newFixture()
	f.busy()
	families, _ := f.scrape(t)
	for name, family := range families {
		for _, m := range family.Metric {
			for _, l := range m.Label {
				if l.GetName() == "job" || l.GetName() == "instance" {
					t.Errorf("%s has the label %s", name, l.GetName())
				}
			}
		}
	}
}

// What is configured no more is forgotten.
func TestForgets(t *testing.T) {
	f := newFixture()
	f.busy()
	f.scrape(t)
	f.status.Sources, f.status.Jobs, f.status.Receivers = f.status.Sources[1:], nil, nil
	if _, text := f.scrape(t); strings.Contains(text, "tank") || strings.Contains(text, `"scan"`) || strings.Contains(text, `"ops"`) {
		t.Errorf("a source, a job and a receiver that are gone are still counted:\n%s", text)
	}
	f.Sources.Polled(sources.Poll{Source: "new", Kind: "exec"})
	if _, text := f.scrape(t); !strings.Contains(text, `tidewire_source_polls_total{result="ok",source="new"} 1`) {
		t.Errorf("a source that is there is not counted:\n%s", text)
	}
}

// Sources that come and go, such as those of rows, are forgotten without a scrape.
func TestSourcesThatComeAndGo(t *testing.T) {
	f := newFixture()
	const many = 2_000
	for i := range many {
		f.Sources.Polled(sources.Poll{Source: fmt.Sprint("boiler/", i), Kind: "split"})
	}
	for i := range many / 2 {
		f.Sources.Removed(fmt.Sprint("boiler/", i))
	}
	if got := f.metrics.Sources(); got != many/2 {
		t.Errorf("%d sources are counted after half of %d have gone, want the other half", got, many)
	}
	if _, text := f.scrape(t); strings.Contains(text, "boiler/") {
		t.Error("sources that are gone are still counted")
	}
	f.Sources.Removed("nobody")
}

// A scrape after half of the sources have gone: each of those costs the same, however many there are.
func BenchmarkSourcesThatAreGone(b *testing.B) {
	for _, many := range []int{2_000, 20_000} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := newFixture()
				for i := range many {
					f.Sources.Polled(sources.Poll{Source: fmt.Sprint("boiler/", i), Kind: "split"})
				}
				for i := range many / 2 {
					f.Sources.Removed(fmt.Sprint("boiler/", i))
				}
				b.StartTimer()
				f.scrape(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(many/2), "ns/source")
		})
	}
}

func TestLint(t *testing.T) {
	f := newFixture()
	f.busy()
	_, text := f.scrape(t)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tidewire_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// docs/metrics.md has every metric with its type and labels, and no other.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(tidewire_\\w+)` \\| (\\w+) \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		labels := regexp.MustCompile(`\w+`).FindAllString(row[3], -1)
		slices.Sort(labels)
		documented = append(documented, fmt.Sprintf("%s %s %v", row[1], row[2], labels))
	}
	f := newFixture()
	f.busy()
	families, _ := f.scrape(t)
	values, _ := scrapeValues(t, plant())
	maps.Copy(families, values)
	var exposed []string
	process := 0
	for name, family := range families {
		if !strings.HasPrefix(name, "tidewire_") {
			if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
				process++
				continue
			}
			t.Errorf("%s has a name of nobody's", name)
		}
		var labels []string
		for _, l := range family.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		exposed = append(exposed, fmt.Sprintf("%s %s %v", name, strings.ToLower(family.GetType().String()), labels))
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
	}
	slices.Sort(documented)
	slices.Sort(exposed)
	if !slices.Equal(documented, exposed) {
		t.Errorf("docs/metrics.md has\n%s\nbut the gateway shows\n%s", strings.Join(documented, "\n"), strings.Join(exposed, "\n"))
	}
	if process < 20 {
		t.Errorf("%d metrics of Go and the process, want theirs", process)
	}
	for _, name := range regexp.MustCompile(`tidewire_\w+`).FindAllString(string(page), -1) { // in the rules too
		base := regexp.MustCompile(`_bucket$`).ReplaceAllString(name, "")
		if families[base] == nil {
			t.Errorf("the page names %s, which is not there", name)
		}
	}
}

func BenchmarkPoll(b *testing.B) {
	f := newFixture()
	p := sources.Poll{Source: "tank", Kind: "http", Upstream: "plant", Took: 3 * time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		f.Sources.Late(time.Millisecond, 0)
		f.Sources.Polled(p)
	}
}

func BenchmarkScrape1000(b *testing.B) {
	m := metrics.New("1")
	o := m.Observer()
	var status gateway.Status
	for i := range 1000 {
		name := fmt.Sprintf("source-%d", i)
		status.Sources = append(status.Sources, sources.Status{Name: name, State: "ok", LastSuccess: time.Unix(1_700_000_000, 0)})
		o.Sources.Polled(sources.Poll{Source: name, Kind: "http"})
	}
	h := m.Handler(func() gateway.Status { return status })
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}
}
