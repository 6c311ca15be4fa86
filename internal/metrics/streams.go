package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/sse"
)

// streamMetrics are the metrics of event streams. The hub reports every event, so only what occurs once per stream is
// looked up.
type streamMetrics struct {
	open      *prometheus.GaugeVec
	age       prometheus.Histogram
	coalesced prometheus.Counter
	sent      prometheus.Counter
	ended     *prometheus.CounterVec
	refused   *prometheus.CounterVec
	resumed   *prometheus.CounterVec
}

func (s *streamMetrics) register(r *prometheus.Registry) {
	s.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tidewire_streams_open",
		Help: "Open event streams and long polls, by engine: goroutine or handoff.",
	}, []string{"engine"})
	s.age = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "tidewire_stream_delivery_age_seconds",
		Help:    "Age of snapshots when they were handed to the kernel for a reader. The count is the number of deliveries.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 15},
	})
	s.coalesced = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tidewire_stream_coalesced_total",
		Help: "Snapshots that slow readers skipped because newer ones had replaced them.",
	})
	s.sent = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tidewire_stream_sent_bytes_total",
		Help: "Bytes sent on streams, counted when they end.",
	})
	s.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidewire_streams_ended_total",
		Help: "Streams that have ended, by cause; stalled and timeout are readers that were evicted.",
	}, []string{"cause"})
	s.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidewire_streams_refused_total",
		Help: "Refused requests for a stream, by cause.",
	}, []string{"cause"})
	s.resumed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidewire_streams_resumed_total",
		Help: "Accepted requests for a stream, by the result of resuming from their id; fresh requests had none.",
	}, []string{"resume"})
	for _, e := range []sse.Engine{sse.EngineGoroutine, sse.EngineHandOff} {
		s.open.WithLabelValues(string(e))
	}
	// All label values exist from the start: for Prometheus, a counter whose first value is 1 has not increased.
	for _, c := range []sse.Cause{sse.CauseFinished, sse.CauseLeft, sse.CauseStalled, sse.CauseTimeout, sse.CauseReset, sse.CauseDrained, sse.CauseStopped, sse.CauseForbidden} {
		s.ended.WithLabelValues(string(c))
	}
	for _, c := range []sse.Cause{sse.CauseTotal, sse.CauseQuota, sse.CauseTopic, sse.CauseElsewhere, sse.CauseForbidden, sse.CauseDrained, sse.CauseStopped} {
		s.refused.WithLabelValues(string(c))
	}
	for _, r := range []sse.Resume{sse.ResumeFresh, sse.ResumeCurrent, sse.ResumeReplayed, sse.ResumeGap, sse.ResumeResent, sse.ResumeEnded} {
		s.resumed.WithLabelValues(string(r))
	}
	r.MustRegister(s.open, s.age, s.coalesced, s.sent, s.ended, s.refused, s.resumed)
}

func (s *streamMetrics) observer() *sse.Observer {
	return &sse.Observer{
		Delivered: func(age time.Duration) { s.age.Observe(age.Seconds()) },
		Coalesced: func(n uint64) { s.coalesced.Add(float64(n)) },
		Resumed:   func(r sse.Resume) { s.resumed.WithLabelValues(string(r)).Inc() },
		Opened:    func(e sse.Engine) { s.open.WithLabelValues(string(e)).Inc() },
		Ended: func(e sse.Ended) {
			s.open.WithLabelValues(string(e.Engine)).Dec()
			s.ended.WithLabelValues(string(e.Cause)).Inc()
			s.sent.Add(float64(e.Bytes))
		},
		Refused: func(r sse.Refused) { s.refused.WithLabelValues(string(r.Cause)).Inc() },
	}
}
