package progress_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// The POST that triggers the work answers 202, or 200 if it joined a run that is under way; the GET streams the
// progress.
func Example_quickStart() {
	serviceCtx, stop := context.WithCancel(context.Background())
	defer stop()

	// At service startup, one Tracker per progress-style flow.
	tracker := progress.New(serviceCtx, 30*time.Second, 30*time.Second, slog.Default())
	ctl := controller{tracker: tracker, ctx: serviceCtx, proceed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /discovery/{edge}/{service}", ctl.trigger)
	mux.HandleFunc("GET /discovery/{edge}/{service}", ctl.listen)
	server := httptest.NewServer(mux)
	defer server.Close()

	url := server.URL + "/discovery/edge-1/modbus"
	for range 2 {
		resp, _ := http.Post(url, "", nil)
		fmt.Println("POST", resp.Status)
	}
	resp, _ := http.Get(url)
	fmt.Println("GET", resp.Status)
	device := sync.OnceFunc(func() { close(ctl.proceed) })
	for ev := range sse.Read(resp.Body, nil) {
		if ev.Data != nil { // the first event has none, it says when to reconnect
			fmt.Println(string(ev.Data))
			device()
		}
	}
	resp, _ = http.Get(server.URL + "/discovery/edge-1/bacnet")
	fmt.Println("GET", resp.Status)
	// Output:
	// POST 202 Accepted
	// POST 200 OK
	// GET 200 OK
	// {"status":"running","percent":0}
	// {"status":"running","percent":90}
	// {"status":"done","percent":100}
	// GET 404 Not Found
}

type controller struct {
	tracker *progress.Tracker
	ctx     context.Context
	proceed chan struct{} // the device answers once this is closed
}

// On the POST that triggers the work:
func (c controller) trigger(w http.ResponseWriter, r *http.Request) {
	job, isNew := c.tracker.Start("discovery/" + r.PathValue("edge") + "/" + r.PathValue("service"))
	if job.Err() != nil { // the service is stopping
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if !isNew {
		// Coalesce: another trigger is already running on this topic; the caller typically returns 200 to signal
		// "joined existing".
		w.WriteHeader(http.StatusOK)
		return
	}

	go func() {
		// Safety-net terminal in case work returns early without calling Finish (idempotent: the happy-path Finish
		// below wins if called).
		defer job.Finish(progressFailed(errors.New("job did not complete")))

		if err := c.doWork(c.ctx, job); err != nil {
			job.Finish(progressFailed(err))
			return
		}
		job.Finish(progressDone())
	}()
	w.WriteHeader(http.StatusAccepted)
}

// On the GET that streams progress:
func (c controller) listen(w http.ResponseWriter, r *http.Request) {
	err := c.tracker.Serve(w, r, "discovery/"+r.PathValue("edge")+"/"+r.PathValue("service"))
	if errors.Is(err, progress.ErrNoTopic) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		json.NewEncoder(w).Encode(map[string]string{"message": err.Error()})
		return
	}
	if err != nil {
		http.Error(w, "streaming is not possible here", http.StatusInternalServerError)
	}
}

// doWork emits progress directly on the Job: no callback indirection.
func (c controller) doWork(ctx context.Context, job *progress.Job) error {
	job.Publish(progressStarted())
	select {
	case <-c.proceed:
	case <-ctx.Done():
		return ctx.Err()
	}
	job.Publish(state{"running", 90})
	return nil
}

type state struct {
	Status  string `json:"status"`
	Percent int    `json:"percent"`
}

func progressStarted() state         { return state{"running", 0} }
func progressDone() state            { return state{"done", 100} }
func progressFailed(err error) state { return state{"failed: " + err.Error(), 100} }
