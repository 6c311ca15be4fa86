package value

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parsePrometheus makes an object of metrics: for each name that stands in the text a list of {"labels", "value"}, in the
// order of the text. A histogram so is the lists of its names with _bucket, _sum and _count. A value that is not a finite
// number is null.
func parsePrometheus(text []byte) (any, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, &ParseError{What: "empty, want the text format of Prometheus"}
	}
	if text[len(text)-1] != '\n' { // the parser wants the last line to end, too
		text = append(bytes.Clone(text), '\n')
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(bytes.ToValidUTF8(text, []byte("\uFFFD"))))
	if err != nil {
		reason := strings.TrimPrefix(err.Error(), "text format parsing error in ")
		return nil, &ParseError{What: "not the text format of Prometheus (" + reason + ")", Err: err}
	}
	all := samples{}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, m := range families[name].GetMetric() {
			all.addMetric(name, m)
		}
	}
	return map[string]any(all), nil
}

// samples are metrics by name.
type samples map[string]any

// add adds a sample. Name and value of more are a label beside those of m, unless the name is empty.
func (s samples) add(name string, m *dto.Metric, more [2]string, value float64) {
	labels := make(map[string]any, len(m.GetLabel())+1)
	for _, pair := range m.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	if more[0] != "" {
		labels[more[0]] = more[1]
	}
	sample := map[string]any{"labels": labels, "value": nil}
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		sample["value"] = value
	}
	list, _ := s[name].([]any)
	s[name] = append(list, sample)
}

// addMetric adds the samples that the text has of a metric.
func (s samples) addMetric(name string, m *dto.Metric) {
	var none [2]string
	switch {
	case m.Counter != nil:
		s.add(name, m, none, m.GetCounter().GetValue())
	case m.Gauge != nil:
		s.add(name, m, none, m.GetGauge().GetValue())
	case m.Untyped != nil:
		s.add(name, m, none, m.GetUntyped().GetValue())
	case m.Summary != nil:
		of := m.GetSummary()
		for _, q := range of.GetQuantile() {
			s.add(name, m, [2]string{"quantile", number(q.GetQuantile())}, q.GetValue())
		}
		if of.SampleSum != nil {
			s.add(name+"_sum", m, none, of.GetSampleSum())
		}
		if of.SampleCount != nil {
			s.add(name+"_count", m, none, float64(of.GetSampleCount()))
		}
	case m.Histogram != nil:
		of := m.GetHistogram()
		for _, b := range of.GetBucket() {
			s.add(name+"_bucket", m, [2]string{"le", number(b.GetUpperBound())}, float64(b.GetCumulativeCount()))
		}
		if of.SampleSum != nil {
			s.add(name+"_sum", m, none, of.GetSampleSum())
		}
		if of.SampleCount != nil {
			s.add(name+"_count", m, none, float64(of.GetSampleCount()))
		}
	}
}

// number is a bound in a label, as Prometheus writes it.
func number(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
