package progress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// One handler starts the work or joins it, streams it, and cancels it; a client follows it to its result.
func ExampleHandler() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	tracker := progress.New(ctx, 30*time.Second, 30*time.Second, nil)
	watched := make(chan struct{})
	server := httptest.NewServer(progress.Handler(tracker, progress.HandlerOptions{
		Work: func(ctx context.Context, report *progress.Reporter, r *http.Request) (any, error) {
			report.Step(1, 2, "half of the addresses")
			<-watched
			return []string{"10.0.0.7"}, nil
		},
	}))
	defer server.Close()

	client := &progress.Client{URL: server.URL + "/discovery/line-1"}
	run, err := client.Start(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	joined, _ := client.Start(ctx, nil)
	fmt.Println("same run:", joined.ID == run.ID, joined.Coalesced)
	for s, err := range run.Follow(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var p progress.Progress
		_ = json.Unmarshal(s.Data, &p)
		if p.Percent == nil {
			continue // it has only just begun
		}
		fmt.Printf("%s at %.0f %%, result %q\n", p.Status, *p.Percent, p.Result)
		if !s.Final {
			close(watched)
		}
	}
	// Output:
	// same run: true true
	// running at 50 %, result ""
	// succeeded at 100 %, result "[\"10.0.0.7\"]"
}

// Run does the work of a job and finishes it, also when the work panics.
func ExampleJob_Run() {
	tracker := progress.New(context.Background(), 30*time.Second, 30*time.Second, nil)
	job, isNew := tracker.Start("backup")
	if isNew {
		job.Run(func(ctx context.Context, report *progress.Reporter) (any, error) { // usually in a goroutine
			report.Step(1, 3, "first file")
			var files []string
			return files[3], nil
		})
	}
	for s := range tracker.Watch(context.Background(), "backup") {
		var p progress.Progress
		_ = json.Unmarshal(s.Data, &p)
		fmt.Printf("%s at %.0f %%: %s\n", p.Status, *p.Percent, p.Error)
	}
	// Output: failed at 33 %: internal error
}
