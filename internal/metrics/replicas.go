package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/internal/gateway"
)

// What replicas adopt.
const (
	adoptedSource = "source"
	adoptedJob    = "job"
)

// replicaMetrics are those of a gateway among others that share its store.
type replicaMetrics struct {
	asks        *prometheus.CounterVec
	askDuration prometheus.Histogram
	adopted     *prometheus.CounterVec
}

// register makes them, and adds them to a registry. They are present from the start, as 0.
func (m *replicaMetrics) register(r *prometheus.Registry) {
	m.asks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidewire_replica_asks_total",
		Help: "Questions to other replicas, by what was asked for, and outcome: answered, nobody, timeout or error.",
	}, []string{"op", "outcome"})
	m.askDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "tidewire_replica_ask_seconds",
		Help:    "How long other replicas took to answer, or not to.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 2, 5, 10},
	})
	m.adopted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidewire_replica_adopted_total",
		Help: "What this replica has taken over from one that left, by kind: source or job.",
	}, []string{"kind"})
	for _, op := range gateway.Asks() {
		for _, outcome := range gateway.AskOutcomes() {
			m.asks.WithLabelValues(op, outcome)
		}
	}
	for _, kind := range []string{adoptedSource, adoptedJob} {
		m.adopted.WithLabelValues(kind)
	}
	r.MustRegister(m.asks, m.askDuration, m.adopted)
}

func (m *replicaMetrics) asked(op, outcome string, took time.Duration) {
	m.asks.WithLabelValues(op, outcome).Inc()
	m.askDuration.Observe(took.Seconds())
}
