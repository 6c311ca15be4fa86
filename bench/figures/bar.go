package figures

// Bar is something that must hold.
type Bar struct {
	What, Want, Got string
	Met             bool
}

// AtLeast is a bar on got, which NaN does not meet.
func AtLeast(what string, want float64, format func(float64) string, got float64) Bar {
	return Bar{what, "at least " + format(want), Shown(got, format), got >= want}
}

// AtMost is a bar on got, which NaN does not meet.
func AtMost(what string, want float64, format func(float64) string, got float64) Bar {
	return Bar{what, "at most " + format(want), Shown(got, format), got <= want}
}

// Mark shows whether the bar is met.
func (b Bar) Mark() string {
	if b.Met {
		return "met"
	}
	return "missed"
}
