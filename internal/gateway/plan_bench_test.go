package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

// many is a configuration with n sources of one upstream.
func many(url string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nupstreams: {plant: {http: %q}}\nsources:\n", url)
	for i := range n {
		fmt.Fprintf(&b, `  s%04d:
    title: Sensor %d
    http: {upstream: plant, path: /sensor/%d, query: {unit: metric}}
    every: 1s
    jitter: 0
    pick: {level: .level, temp: '.temp | round'}
    show: {value: level, unit: "%%", min: 0, max: 100}
`, i, i, i)
	}
	return b.String()
}

// BenchmarkStart is what a gateway does from the name of its file until it answers.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			file := filepath.Join(b.TempDir(), "tidewire.yaml")
			if err := os.WriteFile(file, []byte(many("http://127.0.0.1:9", n)), 0o600); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				cfg, _, err := config.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				_, stop := gateway.NewHandler(b, cfg)
				stop()
			}
		})
	}
}

// BenchmarkLoad is the part of BenchmarkStart that reads the file.
func BenchmarkLoad(b *testing.B) {
	text := []byte(many("http://127.0.0.1:9", 1000))
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := config.Load("t.yaml", text); problems != nil {
			b.Fatal(problems)
		}
	}
}
