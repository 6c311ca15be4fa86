package progress_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// A job, and somebody who watches it. The last snapshot and the end reach whoever was there before the end.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	tracker := progress.New(ctx, 30*time.Second, 30*time.Second, slog.Default())

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := tracker.Serve(w, r, "scan"); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	}))
	defer server.Close()

	job, _ := tracker.Start("scan")
	resp, _ := http.Get(server.URL)
	go func() {
		defer job.Finish("failed") // the safety net: the first Finish counts
		job.Publish("half way")
		job.Finish("done")
	}()
	for ev := range sse.Read(resp.Body, nil) {
		fmt.Print(string(ev.Data), " ") // the first event has no data, it says when to reconnect
	}
	// Output: "half way" "done"
}

// Start begins a new run after a retained one, StartOrJoin joins it.
func ExampleTracker_StartOrJoin() {
	tracker := progress.New(context.Background(), 30*time.Second, 30*time.Second, nil)
	job, isNew := tracker.StartOrJoin("tags")
	fmt.Println("first:", isNew)
	job.Finish([]string{"line", "machine"})

	again, isNew := tracker.StartOrJoin("tags")
	fmt.Println("StartOrJoin:", isNew, again == job)
	fresh, isNew := tracker.Start("tags")
	fmt.Println("Start:", isNew, fresh == job)
	// Output:
	// first: true
	// StartOrJoin: false true
	// Start: true false
}

// Cancel asks the worker to stop; what the end is stays the worker's to say.
func ExampleTracker_Cancel() {
	tracker := progress.New(context.Background(), 30*time.Second, 30*time.Second, nil)
	job, _ := tracker.Start("scan")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-job.Context().Done()
		job.Finish(context.Cause(job.Context()).Error())
	}()

	tracker.Cancel("scan")
	<-stopped
	for s := range tracker.Watch(context.Background(), "scan") {
		fmt.Println(s.Final, string(s.Data))
	}
	// Output: true "progress: the job was cancelled"
}

// Watch follows a job within the process.
func ExampleTracker_Watch() {
	tracker := progress.New(context.Background(), 30*time.Second, 30*time.Second, nil)
	job, _ := tracker.Start("scan")
	job.Publish(map[string]int{"percent": 50})
	for s, err := range tracker.Watch(context.Background(), "scan") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(s.Data), s.Final)
		job.Finish(map[string]int{"percent": 100})
	}
	// Output:
	// {"percent":50} false
	// {"percent":100} true
}
