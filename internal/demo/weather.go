package demo

import (
	"math"
	"net/http"
	"time"
)

// conditions are the weather at a place and time.
type conditions struct {
	temp     float64 // °C
	wind     float64 // m/s, not negative
	humidity float64 // %, 20 to 100
}

// weatherAt is the true weather of the demo at time t: a day's course, fronts
// that take minutes to pass, and gusts. All three services observe it.
func weatherAt(t time.Time) conditions {
	const day = 24 * time.Hour
	sun := math.Sin(2 * math.Pi * (float64(t.UnixNano()%int64(day))/float64(day) - 0.375)) // highest at 15:00
	temp := 14 + 5*sun + 1.8*noise(1, t, 9*time.Minute) + 0.5*noise(2, t, 80*time.Second)
	return conditions{
		temp:     temp,
		wind:     max(0, 5+2.5*noise(3, t, 5*time.Minute)+1.2*noise(4, t, 20*time.Second)),
		humidity: min(100, max(20, 68-2.2*(temp-14)+5*noise(5, t, 7*time.Minute))),
	}
}

// A provider is one weather service: how its station observes the weather, and the format of its answers.
type provider struct {
	seed  uint64
	bias  conditions // how its station differs from the others
	shape func(conditions, time.Time) any
}

// ServeHTTP answers with the current weather.
func (p provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	c := weatherAt(now)
	c.temp += p.bias.temp + 0.15*noise(p.seed, now, 15*time.Second)
	c.wind = max(0, c.wind+p.bias.wind+0.3*noise(p.seed+1, now, 8*time.Second))
	c.humidity = min(100, max(20, c.humidity+p.bias.humidity+0.8*noise(p.seed+2, now, 30*time.Second)))
	writeJSON(w, p.shape(c, now))
}

type object map[string]any

// newNorth returns a fast service with nested metric values and a quota: 45 requests in 2 minutes, counted from the
// first; then 429 with Retry-After.
func newNorth() http.Handler {
	return route(
		"GET /v1/now",
		&quota{limit: 45, window: 2 * time.Minute, next: &latency{
			base:   20 * time.Millisecond,
			spread: 40 * time.Millisecond,
			next: provider{
				seed: 100,
				bias: conditions{temp: -0.4, wind: 0.8, humidity: 2},
				shape: func(c conditions, t time.Time) any {
					return object{
						"station": "North Pier",
						"time":    t.UTC().Format(time.RFC3339),
						"main":    object{"temp": round(c.temp, 2), "humidity": round(c.humidity, 1)},
						"wind":    object{"speed": round(c.wind, 2)},
					}
				},
			},
		}},
	)
}

// newCoast returns a service with a list of observations in imperial units, a quota of 20 requests a minute, and an
// outage: of every 40 requests the 21st to the 23rd are answered with 500.
func newCoast() http.Handler {
	return route(
		"GET /observations",
		&quota{limit: 20, window: time.Minute, next: &outage{every: 40, from: 21, to: 23, next: &latency{
			base:   60 * time.Millisecond,
			spread: 90 * time.Millisecond,
			next: provider{
				seed: 200,
				bias: conditions{temp: 0.3, wind: 0.2, humidity: 4},
				shape: func(c conditions, t time.Time) any {
					return object{"site": 4411, "observations": []object{
						{"kind": "temperature", "value": round(c.temp*9/5+32, 2), "unit": "F"},
						{"kind": "wind", "value": round(c.wind/0.44704, 2), "unit": "mph"},
						{"kind": "humidity", "value": round(c.humidity/100, 3), "unit": "1"},
					}}
				},
			},
		}}},
	)
}

// newValley returns a slow service with terse values, temperature in kelvin, and a generous quota of 60 requests a
// minute; of every 25 requests the 13th takes 4 s.
func newValley() http.Handler {
	return route(
		"GET /api",
		&quota{limit: 60, window: time.Minute, next: &latency{
			base:   300 * time.Millisecond,
			spread: 600 * time.Millisecond,
			every:  25,
			nth:    13,
			stall:  4 * time.Second,
			next: provider{
				seed: 300,
				bias: conditions{temp: 0.6, wind: -1.1, humidity: -5},
				shape: func(c conditions, t time.Time) any {
					return object{
						"ok":  true,
						"at":  t.Unix(),
						"now": object{"k": round(c.temp+273.15, 2), "ms": round(c.wind, 2), "rh": round(c.humidity, 1)},
					}
				},
			},
		}},
	)
}

// route answers pattern with h and anything else with 404.
func route(pattern string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	return mux
}
