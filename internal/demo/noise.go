package demo

import (
	"math"
	"time"
)

// noise is a smooth random function of time with values in [-1, 1]: it takes
// new random values every step and eases from one to the next. The same seed
// and time give the same value in every process.
func noise(seed uint64, t time.Time, step time.Duration) float64 {
	at := float64(t.UnixNano()) / float64(step)
	n := math.Floor(at)
	f := at - n
	f = f * f * (3 - 2*f)
	a, b := random(seed, int64(n)), random(seed, int64(n)+1)
	return a + (b-a)*f
}

// random is the nth of seed's random values in [-1, 1).
func random(seed uint64, n int64) float64 {
	return float64(mix(mix(seed)^uint64(n))>>11)/(1<<52) - 1
}

// mix scrambles x so that each bit of the result depends on all of x (the
// finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// round keeps the given number of decimals of v.
func round(v float64, decimals int) float64 {
	f := math.Pow10(decimals)
	return math.Round(v*f) / f
}
