package demo_test

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

type tankState struct {
	Level float64
	Pump  struct {
		Running bool
		Flow    float64
	}
	Drain struct{ Flow float64 }
	Horn  bool
}

func TestPumpKeepsTheLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant := demo.Service("plant")
		read := func() tankState {
			rec, _ := get(t, plant, "/tank")
			return decode[tankState](t, rec)
		}
		last := read()
		starts, stops := 0, 0
		for range 3600 {
			time.Sleep(time.Second)
			s := read()
			switch {
			case s.Pump.Running && !last.Pump.Running:
				starts++
				if s.Level < 33 || s.Level > 36.5 {
					t.Errorf("the pump started at %v %%, want about 35 %%", s.Level)
				}
			case !s.Pump.Running && last.Pump.Running:
				stops++
				if s.Level < 78.5 || s.Level > 82 {
					t.Errorf("the pump stopped at %v %%, want about 80 %%", s.Level)
				}
			default: // what flowed is what the level says, of 600 l
				flow := (s.Pump.Flow - s.Drain.Flow + last.Pump.Flow - last.Drain.Flow) / 2
				if got, want := s.Level-last.Level, flow/6; math.Abs(got-want) > 0.15 {
					t.Errorf("level changed by %.2f %% in 1 s, want %.2f by flows %+v, %+v", got, want, last, s)
				}
			}
			if s.Pump.Running != (s.Pump.Flow > 0) || s.Drain.Flow < 3 || s.Drain.Flow > 9 {
				t.Errorf("state %+v, want a flow while the pump runs only, and 3 to 9 l/s of drain", s)
			}
			last = s
		}
		if starts < 20 || stops < 20 {
			t.Errorf("the pump started %d times and stopped %d times in an hour, want 20 at least", starts, stops)
		}
	})
}

// TestTankAfterSleep: after a night nobody asked, one answer does not simulate
// the night, and the level is sane.
func TestTankAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant := demo.Service("plant")
		time.Sleep(10 * 365 * 24 * time.Hour)
		rec, _ := get(t, plant, "/tank")
		if s := decode[tankState](t, rec); s.Level < 33 || s.Level > 82 {
			t.Errorf("level %v %% after ten years, want it between the pump's limits", s.Level)
		}
	})
}

func TestHornIsSwitchedByAWebhook(t *testing.T) {
	plant := demo.Service("plant")
	for _, state := range []string{"firing", "resolved", "firing", ""} {
		rec := httptest.NewRecorder()
		plant.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "POST", "/horn", strings.NewReader(state)))
		tank, _ := get(t, plant, "/tank")
		if got := decode[tankState](t, tank).Horn; rec.Code != 204 || got != (state == "firing") {
			t.Errorf("POST /horn %q = %d, and the horn sounds: %v, want 204, %v", state, rec.Code, got, state == "firing")
		}
	}
}
