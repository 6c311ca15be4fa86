package sources

import (
	"bytes"
	"encoding/json"
	"math"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/history"
)

// steady returns v with those numbers as they are in the value that is published where they have moved by less
// than their deadband: a value that swings around a threshold is published once. v is
// changed in place.
func steady(bands []config.Deadband, v any, published json.RawMessage) any {
	if len(bands) == 0 {
		return v
	}
	var before any
	decoder := json.NewDecoder(bytes.NewReader(published))
	decoder.UseNumber() // so that what is published again is the same to the last digit
	if decoder.Decode(&before) != nil {
		return v // nothing is published yet
	}
	fields, _ := v.(map[string]any)
	old, _ := before.(map[string]any)
	for _, band := range bands {
		switch {
		case band.Field == "" && fields == nil:
			return steadyNumber(v, before, band.Least)
		case band.Field == "":
			for name := range fields {
				fields[name] = steadyNumber(fields[name], old[name], band.Least)
			}
		case fields != nil:
			if now, picked := fields[band.Field]; picked {
				fields[band.Field] = steadyNumber(now, old[band.Field], band.Least)
			}
		}
	}
	return v
}

// steadyNumber is before if both are numbers less than least apart, and now otherwise.
func steadyNumber(now, before any, least float64) any {
	if _, isBool := now.(bool); isBool {
		return now
	}
	a, isNumber := history.Number(now)
	b, wasNumber := history.Number(before)
	if isNumber && wasNumber && math.Abs(a-b) < least {
		return before
	}
	return now
}
