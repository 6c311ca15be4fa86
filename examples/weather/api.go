package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/internal/demo"
	"github.com/tidewire/tidewire/smartpoll"
)

// A reading is the weather as one API sees it, in our units.
type reading struct{ temp, wind, humidity float64 } // °C, m/s, %

// aggregate is what is published: the means, rounded, and whose they are.
func aggregate(readings map[string]reading) string {
	if len(readings) == 0 {
		return "no service answers"
	}
	var sum reading
	for _, r := range readings {
		sum.temp, sum.wind, sum.humidity = sum.temp+r.temp, sum.wind+r.wind, sum.humidity+r.humidity
	}
	n := float64(len(readings))
	names := strings.Join(slices.Sorted(maps.Keys(readings)), ", ")
	return fmt.Sprintf("%.1f °C  %.1f m/s  %.0f %%  (%s)", sum.temp/n, sum.wind/n, sum.humidity/n, names)
}

// An api is one weather service: where it is, how often it may be asked, and what
// its answers mean.
type api struct {
	name    string
	url     string
	every   time.Duration
	options []smartpoll.TaskOption
	decode  func(*json.Decoder) (reading, error)
}

// apis returns the services of the demo. Each has its own limit: north refuses
// callers beyond 45 requests in 2 minutes, and is met with patience; coast allows
// 20 a minute, which a Group keeps to, retries included; valley is slow, sometimes
// slower than anybody waits.
func apis(d *demo.Demo) []api {
	urls := map[string]string{}
	for _, u := range d.Upstreams() {
		urls[u.Name] = u.URL
	}
	retry := smartpoll.Retry(smartpoll.Backoff{Min: time.Second, Max: 30 * time.Second})
	timeout := smartpoll.Timeout(2 * time.Second)
	coast := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: rate.Every(time.Minute / 18), Burst: 2})
	return []api{
		{
			"north", urls["north"] + "/v1/now", 2500 * time.Millisecond, []smartpoll.TaskOption{retry, timeout},
			decodeNorth,
		},
		{
			"coast", urls["coast"] + "/observations", 3500 * time.Millisecond,
			[]smartpoll.TaskOption{retry, timeout, smartpoll.In(coast)}, decodeCoast,
		},
		{"valley", urls["valley"] + "/api", 5 * time.Second, []smartpoll.TaskOption{retry, timeout}, decodeValley},
	}
}

// fetch asks the service.
func (a api) fetch(ctx context.Context) (reading, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return reading{}, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return reading{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return reading{}, refused{response.Status, time.Duration(seconds) * time.Second}
	}
	now, err := a.decode(json.NewDecoder(io.LimitReader(response.Body, 1<<20)))
	if err != nil {
		return reading{}, fmt.Errorf("GET %s: %w", a.url, err)
	}
	return now, nil
}

// refused is an answer without weather. Retry waits for as long as it asks for.
type refused struct {
	status string
	after  time.Duration
}

func (r refused) Error() string             { return r.status }
func (r refused) RetryAfter() time.Duration { return r.after }

func decodeNorth(d *json.Decoder) (reading, error) {
	var v struct {
		Main struct{ Temp, Humidity float64 }
		Wind struct{ Speed float64 }
	}
	err := d.Decode(&v)
	return reading{v.Main.Temp, v.Wind.Speed, v.Main.Humidity}, err
}

func decodeCoast(d *json.Decoder) (reading, error) {
	var v struct {
		Observations []struct {
			Kind  string
			Value float64
		}
	}
	err := d.Decode(&v)
	var now reading
	for _, o := range v.Observations {
		switch o.Kind {
		case "temperature":
			now.temp = (o.Value - 32) * 5 / 9
		case "wind":
			now.wind = o.Value * 0.44704
		case "humidity":
			now.humidity = o.Value * 100
		}
	}
	return now, err
}

func decodeValley(d *json.Decoder) (reading, error) {
	var v struct{ Now struct{ K, Ms, Rh float64 } }
	err := d.Decode(&v)
	return reading{v.Now.K - 273.15, v.Now.Ms, v.Now.Rh}, err
}
