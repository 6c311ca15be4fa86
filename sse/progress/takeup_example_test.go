package progress_test

import (
	"context"
	"fmt"

	"github.com/tidewire/tidewire/sse/progress"
)

// A worker that was restarted takes its run up, for those who follow it.
func ExampleTracker_StartAs() {
	ctx := context.Background()
	before := progress.New(ctx, 0, 0, nil)
	job, _ := before.Start("import")
	job.Publish("half of the files")
	stored := job.ID() // with the topic, and how far the work is

	tracker := progress.New(ctx, 0, 0, nil) // of the next process, before it listens
	job, isNew, err := tracker.StartAs(ctx, "import", progress.StartOptions{Run: stored})
	if err != nil {
		fmt.Println(err)
		return
	}
	if isNew {
		go job.Run(func(context.Context, *progress.Reporter) (any, error) { return "the other half", nil })
	}
	for s, err := range tracker.Watch(ctx, "import") {
		if s.Final {
			fmt.Println("the same run:", s.Run == stored, err)
		}
	}
	// Output:
	// the same run: true <nil>
}
