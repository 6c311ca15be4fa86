package cron

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netresearch/go-cron"

	"github.com/tidewire/tidewire/smartpoll"
)

// What the library makes of both changes of the clocks. Three of the answers are not
// those of ISC cron, as docs/smartpoll.md says.
func TestDaylightSaving(t *testing.T) {
	for _, test := range []struct {
		expression string
		after      string // in Berlin, Lord Howe
		want       []string
	}{
		// The hour from 2 to 3 is skipped: ISC cron runs this one at 03:00.
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", []string{"29 Mar 03:30 CEST", "30 Mar 02:30 CEST"}},
		{"CRON_TZ=Europe/Berlin 0 2 * * *", "2026-03-28T12:00:00Z", []string{"29 Mar 03:00 CEST", "30 Mar 02:00 CEST"}},
		{"CRON_TZ=Europe/Berlin 0 * * * *", "2026-03-29T00:00:00Z", []string{"29 Mar 03:00 CEST", "29 Mar 04:00 CEST"}},
		// It comes twice: ISC cron runs this one once.
		{"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", []string{"25 Oct 02:30 CEST", "25 Oct 02:30 CET", "26 Oct 02:30 CET"}},
		{"CRON_TZ=Europe/Berlin 0 * * * *", "2026-10-24T23:00:00Z", []string{"25 Oct 02:00 CEST", "25 Oct 02:00 CET", "25 Oct 03:00 CET"}},
		// Half an hour is skipped: ISC cron runs this one at 02:30.
		{"CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03T00:00:00Z", []string{"05 Oct 02:15 +11"}},
	} {
		schedule, err := cron.ParseStandard(test.expression)
		if err != nil {
			t.Fatal(err)
		}
		zone := schedule.(*cron.SpecSchedule).Location
		at, err := time.Parse(time.RFC3339, test.after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range test.want {
			at = schedule.Next(at)
			got = append(got, at.In(zone).Format("02 Jan 15:04 MST"))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s after %s = %q, want %q", test.expression, test.after, got, test.want)
		}
	}
}

// The scheduler follows the schedule through both changes, and makes up for a run
// that was missed while the task was paused.
func TestSchedulerFollowsCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		begin  time.Time // noon in Berlin
		missed smartpoll.MissedPolicy
		want   []string
	}{
		{time.Date(2000, 3, 24, 12, 0, 0, 0, berlin), smartpoll.MissedOnce,
			[]string{"25 Mar 04:30 CET", "26 Mar 04:30 CEST", "27 Mar 12:00 CEST", "28 Mar 04:30 CEST"}},
		{time.Date(2000, 10, 27, 12, 0, 0, 0, berlin), smartpoll.MissedSkip,
			[]string{"28 Oct 04:30 CEST", "29 Oct 04:30 CET", "31 Oct 04:30 CET"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			schedule, err := cron.ParseStandard("CRON_TZ=Europe/Berlin 30 4 * * *")
			if err != nil {
				t.Fatal(err)
			}
			var ran []string
			scheduler, err := smartpoll.New(smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
				smartpoll.WithTask("report", func(context.Context) (smartpoll.TaskHook, error) {
					ran = append(ran, time.Now().In(berlin).Format("02 Jan 15:04 MST"))
					return nil, nil
				}, smartpoll.On(schedule), smartpoll.Missed(test.missed)))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(test.begin))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- scheduler.Run(ctx) }()
			time.Sleep(time.Until(test.begin.AddDate(0, 0, 2)))
			scheduler.Pause("report")
			time.Sleep(24 * time.Hour)
			scheduler.Resume("report")
			time.Sleep(24 * time.Hour)
			cancel()
			if got := <-done; got != context.Canceled {
				t.Errorf("Run() = %v, want %v", got, context.Canceled)
			}
			if !slices.Equal(ran, test.want) {
				t.Errorf("ran %q, want %q", ran, test.want)
			}
		})
	}
}
