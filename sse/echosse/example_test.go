package echosse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/echosse"
)

type status struct {
	Status  string `json:"status"`
	Percent int    `json:"percent,omitempty"`
	Error   string `json:"error,omitempty"`
}

func progressStarted() status         { return status{Status: "started"} }
func progressDone() status            { return status{Status: "done", Percent: 100} }
func progressFailed(err error) status { return status{Status: "failed", Error: err.Error()} }

func ok200(c echo.Context) error       { return c.JSON(http.StatusOK, "joined") }
func accepted202(c echo.Context) error { return c.JSON(http.StatusAccepted, "started") }

type controller struct {
	ctx     context.Context
	tracker *echosse.Tracker
	watched chan struct{} // holds the work up until somebody watches it, so that the output is always the same
}

// trigger is the POST that starts the work, or joins it.
func (ctl controller) trigger(c echo.Context) error {
	job, isNew := ctl.tracker.Start("discovery/" + c.Param("service"))
	if !isNew {
		return ok200(c) // another trigger's work is running
	}
	go func() {
		defer job.Finish(progressFailed(errors.New("job did not complete"))) // the first Finish wins
		if err := ctl.doWork(ctl.ctx, job); err != nil {
			job.Finish(progressFailed(err))
			return
		}
		job.Finish(progressDone())
	}()
	return accepted202(c)
}

// listen is the GET that streams the progress.
func (ctl controller) listen(c echo.Context) error {
	err := ctl.tracker.Subscribe(c, "discovery/"+c.Param("service"))
	if errors.Is(err, echosse.ErrNoTopic) {
		return c.JSON(http.StatusNotFound, "nothing is running")
	}
	return err
}

func (ctl controller) doWork(ctx context.Context, job *echosse.Job) error {
	job.Publish(progressStarted())
	<-ctl.watched
	job.Publish(status{Status: "running", Percent: 50})
	return ctx.Err()
}

// A POST starts the work or joins it, a GET streams its progress.
func ExampleTracker_Subscribe() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctl := controller{ctx, echosse.New(ctx, 30*time.Second, 30*time.Second, nil), make(chan struct{})}
	e := echo.New()
	e.POST("/discovery/:service", ctl.trigger)
	e.GET("/discovery/:service", ctl.listen)
	srv := httptest.NewServer(e)
	defer srv.Close()

	answer := func(res *http.Response, err error) {
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%s %d %s", res.Request.Method, res.StatusCode, body)
	}
	answer(http.Get(srv.URL + "/discovery/modbus"))
	answer(http.Post(srv.URL+"/discovery/modbus", "", nil))
	answer(http.Post(srv.URL+"/discovery/modbus", "", nil))

	res, err := http.Get(srv.URL + "/discovery/modbus")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	for ev, err := range sse.Read(res.Body, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(ev.Data))
		if string(ev.Data) == `{"status":"started"}` {
			close(ctl.watched)
		}
	}
	// Output:
	// GET 404 "nothing is running"
	// POST 202 "started"
	// POST 200 "joined"
	// {"status":"started"}
	// {"status":"running","percent":50}
	// {"status":"done","percent":100}
}

// Devices are polled while somebody watches them; alarms come when they come.
func ExampleHandler() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := echosse.NewManager(ctx, nil, 30*time.Second)
	devices := echosse.NewPolling(nil,
		func(context.Context) (any, error) { return []string{"pump", "tank"}, nil },
		echosse.WithCustomPollingInterval(5*time.Second),
	)
	e := echo.New()
	e.GET("/devices/sse", echosse.Handler(m, echosse.WithPollingService(devices)))
	e.GET("/alarms/sse", echosse.Handler(m, echosse.WithCustomTopic("alarms")))
	srv := httptest.NewServer(e)
	defer srv.Close()

	for _, path := range []string{"/devices/sse", "/alarms/sse"} {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		m.Publish("alarms", map[string]string{"tank": "is full"}) // goes nowhere until somebody listens
		for ev, err := range sse.Read(res.Body, nil) {
			fmt.Println(path, string(ev.Data), err)
			break
		}
	}
	// Output:
	// /devices/sse ["pump","tank"] <nil>
	// /alarms/sse {"tank":"is full"} <nil>
}
