package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// countedSamples count how much is read of them.
type countedSamples struct {
	archive.Samples
	read time.Duration
	err  error
}

func (c *countedSamples) Read(ctx context.Context, source, field string, since, until time.Time) (archive.Numbers, error) {
	if c.err != nil {
		return archive.Numbers{}, c.err
	}
	c.read += until.Sub(since)
	return c.Samples.Read(ctx, source, field, since, until)
}

// A trend has the last number and the worst state of each half hour, moves on, and reads what is over once.
func TestTrends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		samples, spans := &countedSamples{Samples: archive.NewMemorySamples()}, archive.NewMemorySpans()
		cfg := &config.Config{Sources: []*config.Source{
			{Name: "tank", Show: config.Show{Value: "level", History: 24 * time.Hour}}, {Name: "text"},
		}}
		get := api.NewTrends(api.Deps{Config: func() *config.Config { return cfg }, Samples: samples, Spans: spans})
		want := func(until, trend, day string) {
			t.Helper()
			body, err := get(t.Context())
			var got wire.Trends
			if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Trends) != 2 || got.Trends[1].Trend == nil || len(got.Trends[1].Trend) > 0 {
				t.Fatalf("the trends are %s, %v", body, err)
			}
			trends := fmt.Sprint(got.Trends[0].Trend)
			if err != nil || got.Until.Format(time.TimeOnly) != until || !strings.HasSuffix(trends, trend+"]") || !strings.HasSuffix(got.Trends[0].Day, "u"+day) ||
				len(got.Trends[0].Day) != 48 {
				t.Errorf("until %v, %s %s, %v, want until %s, %s %s", got.Until, trends, got.Trends[0].Day, err, until, trend, day)
			}
		}
		samples.Keep("tank", 24*time.Hour)
		spans.Enter("tank", time.Now(), "pending", "")
		want("00:30:00", "[", "")
		poll := func(level float64, state string) {
			spans.Enter("tank", time.Now(), state, "")
			samples.Add("tank", archive.Sample{Poll: archive.Poll{At: time.Now(), State: state}, Value: map[string]any{"level": level}})
		}
		time.Sleep(time.Minute)
		poll(1.23456789, "ok")
		want("00:30:00", "1.23457", "o")
		poll(2, "stale")
		want("00:30:00", "1.23457", "o") // it is not calculated for each request
		time.Sleep(time.Minute)
		want("00:30:00", "2", "s")
		poll(3, "ok")
		time.Sleep(time.Hour)
		want("01:30:00", "3 NaN NaN", "soo")
		poll(4, "failing")
		time.Sleep(30 * time.Minute)
		poll(5, "ok")
		read := samples.read
		want("02:00:00", "3 NaN 4 5", "soff")
		if read = samples.read - read; read > time.Hour {
			t.Errorf("%v are read again, want what was not over", read)
		}
		samples.err = errors.New("the disk is gone")
		time.Sleep(time.Minute)
		if _, err := get(t.Context()); err != samples.err {
			t.Errorf("the error is %v, want %v", err, samples.err)
		}
		samples.err = nil
		want("02:00:00", "3 NaN 4 5", "soff")
		spans.Leave("tank", time.Now())
		time.Sleep(48 * time.Hour)
		want("02:00:00", "NaN NaN", "")
	})
}
