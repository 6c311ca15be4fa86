package metrics_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/metrics"
	"github.com/tidewire/tidewire/internal/wire"
)

// plant is sources in all states, with values of all types.
func plant() []wire.Source {
	got := new(time.Now().Add(-time.Minute))
	return []wire.Source{
		{
			Name: "tank", Title: "Tank \"T-101\"\n", Section: "Plant/Line 1", State: wire.SourceOK, UpdatedAt: got,
			Value: json.RawMessage(`{"level":41.5,"pump":true,"name":"T-101","none":null,"nested":{"x":1},"two words/\"":-1e300,"huge":1e999}`),
			Show:  wire.Show{Value: "level", Unit: "%"},
		},
		{Name: "boiler/1", State: wire.SourceStale, UpdatedAt: got, Value: json.RawMessage(`7`)},
		{Name: "text", State: wire.SourceOK, UpdatedAt: got, Value: json.RawMessage(`"12"`)},
		{Name: "new", State: wire.SourcePending, Value: json.RawMessage(`null`)},
		{Name: "gone", State: wire.SourceFailing},
	}
}

func scrapeValues(t *testing.T, all []wire.Source) (map[string]*dto.MetricFamily, string) {
	t.Helper()
	w := httptest.NewRecorder()
	metrics.Values(func() []wire.Source { return all }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics/values", nil))
	return parsed(t, w)
}

// Every number of a source is there with its state and its age, and nothing else.
func TestNumbersOfSources(t *testing.T) {
	families, text := scrapeValues(t, plant())
	for _, line := range []string{
		`tidewire_value{field="level",source="tank"} 41.5`,
		`tidewire_value{field="pump",source="tank"} 1`,
		`tidewire_value{field="two words/\"",source="tank"} -1e+300`,
		`tidewire_value{field="",source="boiler/1"} 7`,
		`tidewire_value_state{source="tank",state="ok"} 1`,
		`tidewire_value_state{source="tank",state="stale"} 0`,
		`tidewire_value_state{source="boiler/1",state="stale"} 1`,
		`tidewire_value_state{source="new",state="pending"} 1`,
		`tidewire_value_state{source="gone",state="failing"} 1`,
		`tidewire_value_info{field="level",section="Plant/Line 1",source="tank",title="Tank \"T-101\"\n",unit="%"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no %s in\n%s", line, text)
		}
	}
	if n := len(families["tidewire_value"].Metric); n != 4 {
		t.Errorf("there are %d numbers, want 4", n)
	}
	for _, name := range []string{"tidewire_value_age_seconds", "tidewire_value_timestamp_seconds"} {
		if n := len(families[name].Metric); n != 3 {
			t.Errorf("%s is there for %d sources, want the 3 with a value", name, n)
		}
	}
	for _, m := range families["tidewire_value_age_seconds"].Metric {
		if age := m.Gauge.GetValue(); age < 60 || age > 70 {
			t.Errorf("the age is %v, want a minute", age)
		}
	}
	if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil || problems != nil {
		t.Errorf("%v, %v", problems, err)
	}
}

// An upstream that invents names makes no more series than charts, and the headline is among them.
func TestValuesAreBounded(t *testing.T) {
	value := map[string]int{"zz": 1}
	for i := range 10 * archive.MaxFields {
		value[fmt.Sprintf("f%03d", i)] = i
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	families, text := scrapeValues(t, []wire.Source{
		{Name: "a", State: wire.SourceOK, UpdatedAt: new(time.Now()), Value: data, Show: wire.Show{Value: "zz"}},
	})
	if n := len(families["tidewire_value"].Metric); n != archive.MaxFields || !strings.Contains(text, `{field="zz",source="a"} 1`) {
		t.Errorf("%d numbers of %d are there, want %d, with the headline", n, len(value), archive.MaxFields)
	}
}

// What a source says, whatever that is, can be scraped: each number as JSON has it.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`1`, `-0`, `1e400`, `true`, `null`, `{"a":1}`, `{"a":{"b":1},"\ud800":2}`, `{"":3}`, `[1]`, `{"a"`, "{\"\xff\":1}"} {
		f.Add("a", s)
	}
	plain := regexp.MustCompile(`^-?[0-9]{1,9}$`)
	f.Fuzz(func(t *testing.T, name, value string) {
		name = strings.ToValidUTF8(name, "?") // as JSON has it
		families, text := scrapeValues(t, []wire.Source{{Name: name, State: wire.SourceOK, UpdatedAt: new(time.Now()), Value: json.RawMessage(value)}})
		if plain.MatchString(value) && json.Valid([]byte(value)) {
			var want float64
			_ = json.Unmarshal([]byte(value), &want)
			if all := families["tidewire_value"].GetMetric(); len(all) != 1 || all[0].Gauge.GetValue() != want {
				t.Errorf("%s is not\n%s", value, text)
			}
		}
	})
}

func BenchmarkScrapeValues1000(b *testing.B) {
	var all []wire.Source
	for i := range 1000 {
		s := plant()[0]
		s.Name = fmt.Sprintf("tank-%d", i)
		all = append(all, s)
	}
	h := metrics.Values(func() []wire.Source { return all })
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics/values", nil))
	}
}
