package cron_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"net/http":                                     "a time table has no network",
		"github.com/tidewire/tidewire/smartpoll":       "a schedule is any value with Next; smartpoll takes it as it is",
		"github.com/tidewire/tidewire/internal/config": "imports point down",
	})
}
