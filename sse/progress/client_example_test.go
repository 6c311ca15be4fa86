package progress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

// A program stores the URL of its run, and follows the run again after it was restarted.
func ExampleClient_Attach() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	tracker := progress.New(ctx, 30*time.Second, 30*time.Second, nil)
	restarted := make(chan struct{})
	server := httptest.NewServer(progress.Handler(tracker, progress.HandlerOptions{
		Work: func(ctx context.Context, report *progress.Reporter, r *http.Request) (any, error) {
			report.Step(1, 2, "half of the addresses")
			<-restarted
			return "10.0.0.7", nil
		},
	}))
	defer server.Close()

	client := &progress.Client{URL: server.URL + "/discovery"}
	run, err := client.Start(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stored := run.URL() // in a file, before the program ends

	attach := func() {
		run, err := (&progress.Client{URL: server.URL}).Attach(ctx, stored)
		if errors.Is(err, progress.ErrNoTopic) {
			fmt.Println("the run is over, and no longer kept")
			return
		}
		if err != nil {
			fmt.Println("the server cannot be reached:", err)
			return
		}
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
			fmt.Printf("%s at %.0f %%: %q\n", p.Status, *p.Percent, p.Result)
			if !s.Final {
				close(restarted)
			}
		}
	}
	attach()
	attach() // after the end

	_, _ = client.Start(ctx, nil) // another run takes the place of the one that has ended
	attach()
	// Output:
	// running at 50 %: ""
	// succeeded at 100 %: "\"10.0.0.7\""
	// succeeded at 100 %: "\"10.0.0.7\""
	// the run is over, and no longer kept
}
