package demo

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// The tank's dimensions, and the levels between which its pump keeps it.
const (
	tankVolume  = 600.0 // litres
	pumpOn      = 35.0  // percent, below which the pump starts
	pumpOff     = 80.0  // percent, above which it stops
	pumpFlow    = 12.0  // litres a second while it runs
	tankStep    = 50 * time.Millisecond
	tankCatchUp = 10 * time.Minute // simulated at most in one go, after the machine has slept
)

// A tank is a simulation that is advanced to the present with each request. Consumers draw 3 to 9 l/s from it; a pump
// with hysteresis fills it.
type tank struct {
	mu      sync.Mutex // guards the fields below
	at      time.Time
	level   float64 // percent
	pumping bool
	inflow  float64 // l/s
	outflow float64 // l/s
	horn    bool    // sounds: an alert of the gateway has switched it on
}

// newPlant returns the plant: its tank, which was half full a second ago so that the first answer has flows, and the
// horn.
func newPlant() http.Handler {
	t := &tank{at: time.Now().Add(-time.Second), level: 52}
	plant := http.NewServeMux()
	plant.Handle("GET /tank", t)
	plant.HandleFunc("POST /horn", t.sound)
	return plant
}

// advance simulates the tank until now, in steps short enough for the pump to switch within 0.1 % of its levels.
func (t *tank) advance(now time.Time) {
	if now.Sub(t.at) > tankCatchUp {
		t.at = now.Add(-tankCatchUp)
	}
	for now.Sub(t.at) >= tankStep {
		t.at = t.at.Add(tankStep)
		switch {
		case t.level < pumpOn:
			t.pumping = true
		case t.level > pumpOff:
			t.pumping = false
		}
		t.inflow = 0
		if t.pumping {
			t.inflow = pumpFlow + 0.4*noise(11, t.at, 2*time.Second)
		}
		t.outflow = 6 + 2*noise(12, t.at, 25*time.Second) + noise(13, t.at, 4*time.Second)
		t.level += (t.inflow - t.outflow) * tankStep.Seconds() / tankVolume * 100
		t.level = min(100, max(0, t.level))
	}
}

// ServeHTTP answers with the current state of the tank.
func (t *tank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	t.advance(time.Now())
	state := object{
		"tag":   "T-101",
		"level": round(t.level, 2),
		"pump":  object{"running": t.pumping, "flow": round(t.inflow, 2)},
		"drain": object{"flow": round(t.outflow, 2)},
		"horn":  t.horn,
	}
	t.mu.Unlock()
	writeJSON(w, state)
}

// sound is the webhook that switches the horn: on with "firing", off with anything else.
func (t *tank) sound(w http.ResponseWriter, r *http.Request) {
	state, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 100))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t.mu.Lock()
	t.horn = string(state) == "firing"
	t.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}
