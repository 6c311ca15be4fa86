package source

import "time"

// RetryAfter reads a Retry-After header's value.
func RetryAfter(v string, now time.Time) time.Duration { return retryAfter(v, now) }

// Lines is what "lines" makes of data.
func Lines(data []byte) []any { return parseLines(data) }

// JSON is what "json" makes of data.
func JSON(data []byte) (any, error) { return parseJSON(data) }
