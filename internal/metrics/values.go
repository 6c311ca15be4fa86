package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/wire"
)

var (
	valueNumber = prometheus.NewDesc("tidewire_value",
		"A number of the newest good value of a source: the field of that name, or with an empty name the value itself.",
		[]string{"source", "field"}, nil)
	valueState = prometheus.NewDesc("tidewire_value_state",
		"1 for the state that a source is in, 0 for the others: pending, ok, stale and failing.",
		[]string{"source", "state"}, nil)
	valueTime = prometheus.NewDesc("tidewire_value_timestamp_seconds",
		"When the newest good value of a source was got. Absent before the first.", []string{"source"}, nil)
	valueAge = prometheus.NewDesc("tidewire_value_age_seconds",
		"How long ago that was, by the clock of the gateway. Absent before the first.", []string{"source"}, nil)
	valueInfo = prometheus.NewDesc("tidewire_value_info",
		"Always 1; the labels say how a source is presented: its title, its section, and the field and the unit of its headline.",
		[]string{"source", "title", "section", "field", "unit"}, nil)
)

// Values returns what answers scrapes of the values of sources. Each answer has what now returns at that moment, which is all
// sources, each once, and at most [archive.MaxFields] numbers of each.
func Values(now func() []wire.Source) http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(valueCollector(now))
	return promhttp.HandlerFor(own, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// A valueCollector collects the newest snapshots of all sources at a scrape.
type valueCollector func() []wire.Source

func (valueCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{valueNumber, valueState, valueTime, valueAge, valueInfo} {
		ch <- d
	}
}

func (now valueCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	at := time.Now()
	for _, s := range now() {
		gauge(valueInfo, 1, s.Name, s.Title, s.Section, s.Show.Value, s.Show.Unit)
		for _, state := range gateway.States() {
			gauge(valueState, one(s.State == state), s.Name, state)
		}
		if s.UpdatedAt == nil {
			continue
		}
		gauge(valueTime, float64(s.UpdatedAt.UnixMilli())/1000, s.Name)
		gauge(valueAge, max(0, at.Sub(*s.UpdatedAt).Seconds()), s.Name)
		for field, x := range numbersOf(s) {
			gauge(valueNumber, x, s.Name, field)
		}
	}
}

// numbersOf returns the numbers of a source's value by their fields: those of which charts are made.
func numbersOf(s wire.Source) map[string]float64 {
	value, _ := archive.Decode(s.Value)
	if x, ok := archive.Number(value); ok {
		return map[string]float64{"": x}
	}
	numbers := map[string]float64{}
	object, _ := archive.Few(value, s.Show.Value).(map[string]any)
	for field, v := range object {
		if x, ok := archive.Number(v); ok {
			numbers[field] = x
		}
	}
	return numbers
}
