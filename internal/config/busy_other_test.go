//go:build !unix

package config_test

import (
	"testing"
	"time"
)

var begun = time.Now()

// busy returns how long this process has been at work so far, at most.
func busy(*testing.T) time.Duration { return time.Since(begun) }
