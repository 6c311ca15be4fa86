package store_test

import (
	"math"
	"testing"

	"github.com/tidewire/tidewire/internal/store"
)

// The mean of numbers that are further apart than a number can be large is one.
func TestTheMeanOfHugeNumbers(t *testing.T) {
	const most = math.MaxFloat64
	for want, numbers := range map[float64][]float64{2: {1, 2, 3}, 0: {most, -most}, most: {most, most, most}, most / 3: {-most, most, most}} {
		if got := store.MeanOfAMinute(numbers...); math.Abs(got-want) > math.Abs(want)*1e-12 {
			t.Errorf("the mean of %g is %g, want %g", numbers, got, want)
		}
	}
}
