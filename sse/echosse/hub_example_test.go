package echosse_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/tidewire/tidewire/sse"
)

// The topics of a hub are served on Echo without this package, here behind its Gzip.
func Example_hub() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, nil)
	tank := hub.Topic("tank", sse.TopicOptions{})
	tank.Publish(sse.Event{Data: []byte(`{"level":12}`)})

	e := echo.New()
	e.Use(middleware.Gzip())
	e.GET("/tank", func(c echo.Context) error { // blocks
		err := hub.Serve(c.Response(), c.Request(), tank)
		if errors.Is(err, sse.ErrForbidden) {
			return echo.ErrForbidden.SetInternal(err)
		}
		return err
	})
	e.GET("/handed/off", echo.WrapHandler(hub.Handler(func(*http.Request) ([]*sse.Topic, error) {
		return []*sse.Topic{tank}, nil
	})))
	srv := httptest.NewServer(e)
	defer srv.Close()
	defer cancel()

	for _, path := range []string{"/tank", "/handed/off"} {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		ev, err := sse.NewDecoder(res.Body, nil).Next()
		fmt.Println(path, string(ev.Data), err, "compressed:", res.Uncompressed)
	}
	// Output:
	// /tank {"level":12} <nil> compressed: true
	// /handed/off {"level":12} <nil> compressed: true
}
