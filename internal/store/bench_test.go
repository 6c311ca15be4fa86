package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
)

// A thousand sources, each of which has a new value of 600 bytes: what one value costs until it is in the database.
func BenchmarkPut(b *testing.B) {
	for _, bench := range []struct {
		name  string
		flush int // after how many values they are written
	}{{"a second", 1000}, {"50 ms", 50}} {
		b.Run(bench.name, func(b *testing.B) {
			d, err := store.Open(context.Background(), b.TempDir(), store.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close(context.Background())
			var claims []snapshot.Claim
			for i := range 1000 {
				c, _, err := d.Snapshots().Claim(context.Background(), fmt.Sprintf("source/%04d", i*617%1000), snapshot.ClaimOptions{})
				if err != nil {
					b.Fatal(err)
				}
				claims = append(claims, c)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				claims[n%len(claims)].Put(fmt.Appendf(nil, "%0600d", n))
				if n++; n%bench.flush == 0 {
					d.Flush()
				}
			}
		})
	}
}
