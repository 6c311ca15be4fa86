package demo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/demo"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/from"
)

// loadDemo starts a demo and loads its configuration.
func loadDemo(t *testing.T) *config.Config {
	t.Helper()
	d, _ := startDemo(t, demo.Options{})
	cfg, problems := config.Load("demo", d.Config())
	for _, p := range problems {
		t.Errorf("%v", p)
	}
	if t.Failed() {
		t.Fatalf("the configuration is\n%s", d.Config())
	}
	return cfg
}

func lookup(t *testing.T, cfg *config.Config, name string) *config.Source {
	t.Helper()
	i := slices.IndexFunc(cfg.Sources, func(s *config.Source) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("the configuration has no source %q", name)
	}
	return cfg.Sources[i]
}

// TestConfigPicksValues: each source of the configuration gets what its cards
// show, numbers within the scale of the card, from the real upstreams.
func TestConfigPicksValues(t *testing.T) {
	cfg := loadDemo(t)
	inputs := map[string]any{}
	for _, s := range cfg.Sources {
		if !s.Polled() {
			continue
		}
		fetcher, err := s.Spec.Open(kind.Env{Parse: s.Parse})
		if err != nil {
			t.Fatal(err)
		}
		got, err := fetcher.Fetch(t.Context())
		if err != nil {
			t.Errorf("fetch %s: %v", s.Name, err)
			continue
		}
		value := map[string]any{}
		for _, f := range s.Pick {
			if value[f.Name], err = f.Expr.Run(t.Context(), got.Value); err != nil {
				t.Errorf("pick %s of %s: %v", f.Name, s.Name, err)
			}
		}
		checkShown(t, s, value)
		inputs[s.Name] = map[string]any{"state": "ok", "value": value}
	}
	want := []string{"coast", "north", "tank", "valley"}
	if runtime.GOOS == "linux" {
		want = append(want, "load")
	}
	for _, name := range want {
		if inputs[name] == nil {
			t.Errorf("the configuration has no source %s", name)
		}
	}

	forecast := lookup(t, cfg, "forecast")
	computed, used := forecast.Spec.(*from.Source), map[string]any{}
	for _, name := range computed.From {
		used[name] = inputs[name]
	}
	value, err := computed.Combine.Run(t.Context(), used)
	if err != nil {
		t.Fatalf("combine of forecast: %v", err)
	}
	checkShown(t, forecast, value.(map[string]any))
}

// checkShown checks that the headline of s's card is a number within its scale.
func checkShown(t *testing.T, s *config.Source, value map[string]any) {
	t.Helper()
	text, err := json.Marshal(value[s.Show.Value])
	if err != nil {
		t.Fatal(err)
	}
	var v float64
	if err := json.Unmarshal(text, &v); err != nil || string(text) == "null" {
		t.Errorf("%s shows %s as %s of %v, want a number", s.Name, s.Show.Value, text, value)
	}
	if s.Show.Min != nil && v < *s.Show.Min || s.Show.Max != nil && v > *s.Show.Max {
		t.Errorf("%s shows %v, want it within its scale %+v", s.Name, v, s.Show)
	}
}

// TestForecastAverages: the forecast is the mean of the services that are up to date.
func TestForecastAverages(t *testing.T) {
	cfg := loadDemo(t)
	combine := lookup(t, cfg, "forecast").Spec.(*from.Source).Combine
	input := func(state string, temp float64) any {
		return map[string]any{"state": state, "value": map[string]any{"temp": temp, "wind": 3.0, "humidity": 50.0}}
	}
	pending := map[string]any{"state": "pending", "value": nil}
	for _, tt := range []struct {
		inputs [3]any
		want   string
	}{
		{[3]any{input("ok", 10), input("ok", 11), input("ok", 13)}, `{"humidity":50,"services":3,"temp":11.3,"wind":3}`},
		{[3]any{input("ok", 10), input("stale", 20), input("ok", 11)}, `{"humidity":50,"services":2,"temp":10.5,"wind":3}`},
		{[3]any{input("ok", 10), pending, pending}, `{"humidity":50,"services":1,"temp":10,"wind":3}`},
	} {
		got, err := combine.Run(t.Context(), map[string]any{"north": tt.inputs[0], "coast": tt.inputs[1], "valley": tt.inputs[2]})
		if err != nil {
			t.Errorf("combine of %v: %v", tt.inputs, err)
			continue
		}
		if text, err := json.Marshal(got); err != nil || string(text) != tt.want {
			t.Errorf("combine of %v = %s, %v, want %s", tt.inputs, text, err, tt.want)
		}
	}
	_, err := combine.Run(t.Context(), map[string]any{"north": input("stale", 1), "coast": pending, "valley": pending})
	if err == nil || !strings.Contains(err.Error(), "no weather service") {
		t.Errorf("combine without an up-to-date value: %v, want an error that says so", err)
	}
}

// TestConfigStaysWithinLimits: coast is polled within what it allows by its
// limit, north more often than it allows: 45 in 2 minutes.
func TestConfigStaysWithinLimits(t *testing.T) {
	cfg := loadDemo(t)
	for _, u := range cfg.Upstreams {
		if inMinute := u.Limit*60 + float64(u.Burst); u.Name == "coast" && (u.Limit == 0 || inMinute > 20) {
			t.Errorf("coast is asked up to %v times a minute, want at most 20", inMinute)
		}
	}
	north := lookup(t, cfg, "north")
	const answer = 60 * time.Millisecond // at most, by the service
	if n := float64(2*time.Minute) / (float64(north.Every)*(1+north.Jitter) + float64(answer)); n < 46 {
		t.Errorf("north is polled %v times in 2 minutes, want at least 46", n)
	}
	valley := lookup(t, cfg, "valley")
	if valley.Timeout < 900*time.Millisecond || valley.Timeout > 4*time.Second {
		t.Errorf("valley has the timeout %v, want it between its usual 0.9 s and its slow 4 s", valley.Timeout)
	}
}

// TestConfigJob: the job's command is this program's scan, takes the default
// subnet, and its lines match the job's pattern.
func TestConfigJob(t *testing.T) {
	cfg := loadDemo(t)
	job := cfg.Jobs[0]
	values, errs := job.Bind(nil)
	if len(errs) > 0 {
		t.Fatalf("Bind(nil) of %s: %v", job.Name, errs)
	}
	argv := append(job.Argv(values), "--rate", "2000", "--timeout", "10s")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	progress, res := split(t, string(out))
	if len(res.Found) != 12 {
		t.Errorf("%q found %d devices, want 12", argv, len(res.Found))
	}
	for i, line := range progress {
		m := job.Progress.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %q does not match %v", line, job.Progress)
		}
		if message := m[job.Progress.SubexpIndex("message")]; !strings.HasSuffix(message, "found") {
			t.Errorf("line %q has the message %q", line, message)
		}
		if percent := m[job.Progress.SubexpIndex("percent")]; i == len(progress)-1 && percent != "100" {
			t.Errorf("the last progress is %s, want 100", percent)
		}
	}

	values, errs = job.Bind(map[string]any{"subnet": "127.77.1.0/29"})
	if len(errs) > 0 {
		t.Fatalf("Bind: %v", errs)
	}
	argv = job.Argv(values)
	if !slices.Contains(argv, "127.77.1.0/29") {
		t.Errorf("with the argument 127.77.1.0/29 the command is %q", argv)
	}
}

// ExampleDemo_Config shows the configuration's sources.
func ExampleDemo_Config() {
	d, err := demo.Start(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	cfg, problems := config.Load("demo", d.Config())
	fmt.Println(len(problems), cfg.Sources[1].Title, cfg.Sources[1].Every, cfg.Jobs[0].Title)
	// Output: 0 Tank T-101 1s Discover devices
}
