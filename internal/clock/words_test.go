package clock_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
)

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		26 * time.Hour: "26 h", 90 * time.Second: "1 min 30 s", 70 * time.Second: "1 min 10 s", 10 * time.Minute: "10 min", time.Hour + time.Second: "1 h 0 min 1 s",
		5 * time.Second: "5 s", 1500 * time.Millisecond: "1.5 s", 20 * time.Millisecond: "20 ms", 3 * time.Microsecond: "3 µs", 7: "7 ns", 0: "0 s",
	} {
		if got := clock.Words(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
