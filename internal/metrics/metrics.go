// Package metrics counts the activity of a gateway for Prometheus. Only this package imports client_golang; the gateway
// uses its own [gateway.Observer].
//
// Every name is documented in docs/metrics.md, which a test checks. Labels are names from the configuration and words
// from fixed lists, never text from outside. The metrics of a source or job that is no longer configured are dropped at
// the next scrape.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/sources"
)

// labelJob names a job. A label "job" would be overridden by that of Prometheus.
const labelJob = "job_name"

// The results of polls.
const (
	resultOK      = "ok"
	resultLimited = "rate_limited" // the upstream answered 429
	resultTimeout = "timeout"
	resultError   = "error"
)

// Metrics are the metrics of one gateway. Its methods may be called from any goroutine.
type Metrics struct {
	registry *prometheus.Registry

	sources children[*sourceCounters]
	jobs    children[*jobCounters]
	limited children[prometheus.Counter] // by upstream
	told    children[*receiverCounters]

	polls        *prometheus.CounterVec
	pollDuration children[prometheus.Observer] // by kind of source
	pollLateness prometheus.Histogram
	pollHeld     prometheus.Histogram
	throttled    *prometheus.CounterVec
	runs         *prometheus.CounterVec
	runDuration  *prometheus.HistogramVec
	reloads      *prometheus.CounterVec
	auditLost    prometheus.Counter
	storeWrites  prometheus.Histogram
	messages     *prometheus.CounterVec
	replicas     replicaMetrics
	streams      streamMetrics
}

// sourceCounters are the children of one source, which are looked up once.
type sourceCounters struct{ ok, limited, timeout, failed prometheus.Counter }

// jobCounters are the children of one job.
type jobCounters struct {
	ended    map[string]prometheus.Counter // by status
	duration prometheus.Observer
}

// receiverCounters are the children of one receiver of alerts, by the state that its messages tell of.
type receiverCounters struct{ told, failed, givenUp map[string]prometheus.Counter }

// New returns metrics of a gateway of the given version, all of them zero. It is long because
// each metric has its lines.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidewire_source_polls_total",
			Help: "Polls of a source that have ended, by result: ok, rate_limited, timeout or error.",
		}, []string{"source", "result"}),
		pollLateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidewire_poll_lateness_seconds",
			Help:    "How late polls began although nothing held them up.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}),
		pollHeld: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidewire_poll_held_seconds",
			Help:    "How long due polls were held up by the limit of their upstream, or by the poll before.",
			Buckets: []float64{.01, .1, .5, 1, 5, 15, 60, 300, 1800},
		}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidewire_upstream_rate_limited_total",
			Help: "Requests that an upstream answered with 429 Too Many Requests.",
		}, []string{"upstream"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidewire_job_runs_total",
			Help: "Runs of a job that have ended, by status: succeeded, warned, failed, cancelled, timed_out or lost.",
		}, []string{labelJob, "status"}),
		runDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidewire_job_run_duration_seconds",
			Help:    "How long runs took, without the time in the queue.",
			Buckets: []float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400},
		}, []string{labelJob}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidewire_config_reloads_total",
			Help: "Reloads of the configuration since the start, by result: ok or error.",
		}, []string{"result"}),
		auditLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidewire_audit_failures_total",
			Help: "Lines of the audit log that could not be written.",
		}),
		storeWrites: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidewire_store_write_seconds",
			Help:    "How long transactions of a store in a directory took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5},
		}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidewire_alert_messages_total",
			Help: "Messages about alerts to a receiver by state, firing or resolved, and result: told, failed for an attempt, or given_up.",
		}, []string{"receiver", "state", "result"}),
	}
	m.makeChildren()
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "tidewire_poll_duration_seconds",
		Help:    "How long polls took, by kind of source, such as http.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"kind"})
	m.pollDuration.make = func(kind string) prometheus.Observer { return durations.WithLabelValues(kind) }
	for _, kind := range all.Names() {
		m.pollDuration.of(kind) // present in scrapes from the start
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "tidewire_build_info",
		Help:        "Always 1; the labels give the versions of Tidewire and of the Go that built it.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.polls,
		durations,
		m.pollLateness,
		m.pollHeld,
		m.throttled,
		m.runs,
		m.runDuration,
		m.reloads,
		m.auditLost,
		m.storeWrites,
		m.messages,
		build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.streams.register(m.registry)
	m.replicas.register(m.registry)
	return m
}

// makeChildren defines how the counters of a source, a job, a receiver and an upstream are made when they are first
// needed.
func (m *Metrics) makeChildren() {
	m.sources.make = func(name string) *sourceCounters {
		return &sourceCounters{
			ok:      m.polls.WithLabelValues(name, resultOK),
			limited: m.polls.WithLabelValues(name, resultLimited),
			timeout: m.polls.WithLabelValues(name, resultTimeout),
			failed:  m.polls.WithLabelValues(name, resultError),
		}
	}
	m.jobs.make = func(name string) *jobCounters {
		c := &jobCounters{ended: make(map[string]prometheus.Counter), duration: m.runDuration.WithLabelValues(name)}
		for _, status := range gateway.Ends() {
			c.ended[status] = m.runs.WithLabelValues(name, status)
		}
		return c
	}
	m.told.make = func(name string) *receiverCounters {
		counters := func(result string) map[string]prometheus.Counter {
			all := map[string]prometheus.Counter{}
			for _, state := range []string{notify.Firing, notify.Resolved} {
				all[state] = m.messages.WithLabelValues(name, state, result)
			}
			return all
		}
		return &receiverCounters{told: counters("told"), failed: counters("failed"), givenUp: counters("given_up")}
	}
	for _, result := range []string{resultOK, resultError} {
		m.reloads.WithLabelValues(result) // present from the start, as 0
	}
	m.limited.make = func(name string) prometheus.Counter { return m.throttled.WithLabelValues(name) }
}

// Observer returns the observer through which the gateway updates m.
func (m *Metrics) Observer() *gateway.Observer {
	return &gateway.Observer{
		Reloaded: func(err error) {
			result := resultOK
			if err != nil {
				result = resultError
			}
			m.reloads.WithLabelValues(result).Inc()
		},
		AuditFailed:  m.auditLost.Inc,
		Asked:        m.replicas.asked,
		StoreWritten: func(took time.Duration) { m.storeWrites.Observe(took.Seconds()) },
		Sources: &sources.Observer{
			Late: func(late, held time.Duration) {
				m.pollLateness.Observe(late.Seconds())
				m.pollHeld.Observe(held.Seconds())
			},
			Polled:  m.polled,
			Adopted: func(string) { m.replicas.adopted.WithLabelValues(adoptedSource).Inc() },
			Removed: func(source string) { m.sources.drop(source, m.dropSource) },
		},
		Jobs: &jobs.Observer{Ended: func(job, status string, took time.Duration) {
			c := m.jobs.of(job)
			if ended, ok := c.ended[status]; ok {
				ended.Inc()
			}
			c.duration.Observe(took.Seconds())
		}, Adopted: func(string) { m.replicas.adopted.WithLabelValues(adoptedJob).Inc() }},
		Alerts: &alert.Observer{
			Told: func(receiver, state string, err error) {
				c := m.told.of(receiver)
				result := c.told
				if err != nil {
					result = c.failed
				}
				result[state].Inc()
			},
			GivenUp: func(receiver, state string) { m.told.of(receiver).givenUp[state].Inc() },
		},
		Streams: m.streams.observer(),
	}
}

func (m *Metrics) polled(p sources.Poll) {
	m.pollDuration.of(p.Kind).Observe(p.Took.Seconds())
	c := m.sources.of(p.Source)
	switch {
	case p.Err == nil:
		c.ok.Inc()
	case kind.Limited(p.Err):
		c.limited.Inc()
		if p.Upstream != "" {
			m.limited.of(p.Upstream).Inc()
		}
	case errors.Is(p.Err, context.DeadlineExceeded):
		c.timeout.Inc()
	default:
		c.failed.Inc()
	}
}

// Handler answers scrapes. They include the status that now returns at that moment.
func (m *Metrics) Handler(now func() gateway.Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := now()
		m.agree(status)
		own := prometheus.NewRegistry()
		own.MustRegister(statusCollector(status))
		promhttp.HandlerFor(prometheus.Gatherers{m.registry, own}, promhttp.HandlerOpts{EnableOpenMetrics: true}).
			ServeHTTP(w, r)
	})
}

// agree makes the children for everything that is configured, since for Prometheus a counter whose first value is 1 has
// not increased, and drops those of everything that is no longer configured.
func (m *Metrics) agree(now gateway.Status) {
	sources, jobs := make(map[string]bool), make(map[string]bool)
	upstreams, receivers := make(map[string]bool), make(map[string]bool)
	for _, s := range now.Sources {
		sources[s.Name] = true
		m.sources.of(s.Name)
	}
	for _, j := range now.Jobs {
		jobs[j.Name] = true
		m.jobs.of(j.Name)
	}
	for _, name := range now.Upstreams {
		upstreams[name] = true
		m.limited.of(name)
	}
	for _, r := range now.Receivers {
		receivers[r.Name] = true
		m.told.of(r.Name)
	}
	m.sources.keep(sources, m.dropSource)
	m.jobs.keep(jobs, func(name string) {
		for _, status := range gateway.Ends() {
			m.runs.DeleteLabelValues(name, status)
		}
		m.runDuration.DeleteLabelValues(name)
	})
	m.limited.keep(upstreams, func(name string) { m.throttled.DeleteLabelValues(name) })
	m.told.keep(receivers, func(name string) { m.messages.DeletePartialMatch(prometheus.Labels{"receiver": name}) })
}

// dropSource drops the counters of a source. There may be many that come and go: DeletePartialMatch would look at all of them each
// time, while polls wait.
func (m *Metrics) dropSource(name string) {
	for _, result := range []string{resultOK, resultLimited, resultTimeout, resultError} {
		m.polls.DeleteLabelValues(name, result)
	}
}
