package sources

import (
	"bytes"
	"encoding/json"
	"math"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
)

// applyDeadband returns v with each number that differs from the published one by less than its
// deadband replaced by that one, so that a value which swings around a threshold is published once.
// It changes v in place.
func applyDeadband(bands []config.Deadband, v any, published json.RawMessage) any {
	if len(bands) == 0 {
		return v
	}
	var before any
	decoder := json.NewDecoder(bytes.NewReader(published))
	decoder.UseNumber() // so that a number that is published again has the same digits
	if decoder.Decode(&before) != nil {
		return v // nothing is published yet
	}
	fields, _ := v.(map[string]any)
	old, _ := before.(map[string]any)
	for _, band := range bands {
		switch {
		case band.Field == "" && fields == nil:
			return keepWithin(v, before, band.Least)
		case band.Field == "":
			for name := range fields {
				fields[name] = keepWithin(fields[name], old[name], band.Least)
			}
		case fields != nil:
			if now, picked := fields[band.Field]; picked {
				fields[band.Field] = keepWithin(now, old[band.Field], band.Least)
			}
		}
	}
	return v
}

// keepWithin returns before if both are numbers that differ by less than least, and now otherwise.
func keepWithin(now, before any, least float64) any {
	if _, isBool := now.(bool); isBool {
		return now
	}
	a, isNumber := archive.Number(now)
	b, wasNumber := archive.Number(before)
	if isNumber && wasNumber && math.Abs(a-b) < least {
		return before
	}
	return now
}
