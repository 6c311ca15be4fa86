// Package cron shows how tasks of smartpoll follow cron expressions: those of a
// library, here github.com/netresearch/go-cron, since its schedules have the one
// method that [smartpoll.On] asks for. It is a module of its own, so that nobody
// else depends on that library.
package cron

import (
	"context"
	"fmt"
	"time"

	"github.com/netresearch/go-cron"

	"github.com/tidewire/tidewire/smartpoll"
)

// Every weekday at half past six in Berlin, wherever the process runs.
func Example() {
	schedule, err := cron.ParseStandard("CRON_TZ=Europe/Berlin 30 6 * * MON-FRI")
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("report", func(context.Context) (smartpoll.TaskHook, error) { return nil, nil },
			smartpoll.On(schedule),
			smartpoll.Missed(smartpoll.MissedSkip)), // not in the middle of the day
	)
	fmt.Println(scheduler != nil, err)

	t := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC) // a Friday; the clocks change on Sunday
	for range 3 {
		t = schedule.Next(t)
		fmt.Println(t.UTC().Format("Mon 02 Jan 15:04 MST"))
	}
	// Output:
	// true <nil>
	// Mon 30 Mar 04:30 UTC
	// Tue 31 Mar 04:30 UTC
	// Wed 01 Apr 04:30 UTC
}
