package demo_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

func TestWeatherIsPlausible(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	lastTemp, lastWind, lastHumidity := demo.WeatherAt(noon)
	changed := 0
	for s := range 24 * 60 * 60 {
		at := noon.Add(time.Duration(s) * time.Second)
		temp, wind, humidity := demo.WeatherAt(at)
		if temp < 4 || temp > 24 || wind < 0 || wind > 12 || humidity < 20 || humidity > 100 {
			t.Fatalf("weather at %v: %v °C, %v m/s, %v %%", at, temp, wind, humidity)
		}
		if math.Abs(temp-lastTemp) > 0.05 || math.Abs(wind-lastWind) > 0.4 || math.Abs(humidity-lastHumidity) > 0.3 {
			t.Fatalf("weather at %v jumps from %v, %v, %v to %v, %v, %v", at, lastTemp, lastWind, lastHumidity, temp, wind, humidity)
		}
		if s%10 == 0 && math.Abs(wind-lastWind) > 0 {
			changed++
		}
		lastTemp, lastWind, lastHumidity = temp, wind, humidity
	}
	if changed < 8000 {
		t.Errorf("the wind changed in %d of 8640 seconds, want nearly all", changed)
	}
	night, _, _ := demo.WeatherAt(noon.Add(15 * time.Hour))
	day, _, _ := demo.WeatherAt(noon.Add(27 * time.Hour))
	if day <= night {
		t.Errorf("%v °C at 15:00 and %v °C at 03:00, want the day warmer", day, night)
	}
}

// TestServicesObserveOneWeather: once their shapes and units are undone, the
// three agree up to their stations' differences.
func TestServicesObserveOneWeather(t *testing.T) {
	type north struct {
		Main struct{ Temp, Humidity float64 }
		Wind struct{ Speed float64 }
	}
	type coast struct {
		Observations []struct {
			Kind  string
			Value float64
		}
	}
	type valley struct{ Now struct{ K, Ms, Rh float64 } }

	synctest.Test(t, func(t *testing.T) {
		services := map[string]func() (temp, wind, humidity float64){
			"north": func() (float64, float64, float64) {
				rec, _ := get(t, demo.Service("north"), "/v1/now")
				v := decode[north](t, rec)
				return v.Main.Temp, v.Wind.Speed, v.Main.Humidity
			},
			"coast": func() (float64, float64, float64) {
				rec, _ := get(t, demo.Service("coast"), "/observations")
				m := map[string]float64{}
				for _, o := range decode[coast](t, rec).Observations {
					m[o.Kind] = o.Value
				}
				return (m["temperature"] - 32) * 5 / 9, m["wind"] * 0.44704, m["humidity"] * 100
			},
			"valley": func() (float64, float64, float64) {
				rec, _ := get(t, demo.Service("valley"), "/api")
				v := decode[valley](t, rec)
				return v.Now.K - 273.15, v.Now.Ms, v.Now.Rh
			},
		}
		for range 100 {
			time.Sleep(97 * time.Second)
			for name, service := range services {
				temp, wind, humidity := service()
				trueTemp, trueWind, trueHumidity := demo.WeatherAt(time.Now())
				if math.Abs(temp-trueTemp) > 0.8 || math.Abs(wind-trueWind) > 1.5 || math.Abs(humidity-trueHumidity) > 6 {
					t.Errorf("%s at %v: %.1f °C, %.1f m/s, %.0f %%, want about %.1f, %.1f, %.0f",
						name, time.Now(), temp, wind, humidity, trueTemp, trueWind, trueHumidity)
				}
			}
		}
	})
}
