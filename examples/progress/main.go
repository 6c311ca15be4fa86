// Command progress runs a job for each POST, and shows its progress for each GET:
//
//	curl -X POST http://127.0.0.1:8482; curl -N http://127.0.0.1:8482
package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/sse/progress"
)

func main() {
	tracker := progress.New(context.Background(), time.Minute, 0, nil)
	http.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if job, isNew := tracker.Start("copy"); isNew { // otherwise the run in progress is joined
			go copyFiles(job)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	http.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if err := tracker.Serve(w, r, "copy"); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	http.ListenAndServe("127.0.0.1:8482", nil)
}

func copyFiles(job *progress.Job) {
	defer job.Finish("failed") // unless Finish was called before
	for n := range 10 {
		job.Publish(map[string]int{"percent": 10 * n})
		time.Sleep(time.Second)
	}
	job.Finish("done")
}
