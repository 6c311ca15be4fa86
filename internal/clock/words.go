package clock

import (
	"strings"
	"time"
)

// Words is a duration as people read it: "26 h", "1 min 30 s", "1.5 s", "20 ms".
func Words(d time.Duration) string { return strings.TrimSpace(units.Replace(Short(d))) }

// Short is a duration as people write it in a configuration: "26h", "1m30s", "1.5s", "20ms".
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var units = strings.NewReplacer("ms", " ms", "µs", " µs", "ns", " ns", "h", " h ", "m", " min ", "s", " s")
