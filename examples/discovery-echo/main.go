// Command discovery-echo is the example discovery on Echo v4, from the parts that progress.Handler is made of:
//
//	curl -X POST   http://127.0.0.1:8484/discovery/127.0.0.1    start, or join the scan that runs
//	curl -N        http://127.0.0.1:8484/discovery/127.0.0.1    watch it
//	curl -X DELETE http://127.0.0.1:8484/discovery/127.0.0.1    cancel it
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidewire/tidewire/sse/echosse"
	"github.com/tidewire/tidewire/sse/progress"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	e := echo.New()
	tracker := echosse.New(context.Background(), time.Minute, 15*time.Second, e.Logger)
	register(e, tracker, 1<<16-1)
	go func() {
		if err := e.Start("127.0.0.1:8484"); !errors.Is(err, http.ErrServerClosed) {
			e.Logger.Fatal(err)
		}
	}()
	<-ctx.Done()
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(tracker.Shutdown(patience), e.Shutdown(patience)); err != nil {
		e.Logger.Fatal(err)
	}
}

// register adds the routes of the scans, up to port last, to e.
func register(e *echo.Echo, tracker *echosse.Tracker, last int) {
	e.POST("/discovery/:host", func(c echo.Context) error {
		host, topic, err := target(c)
		if err != nil {
			return err
		}
		job, isNew, err := tracker.StartContext(c.Request().Context(), topic)
		if err != nil {
			return echo.NewHTTPError(http.StatusServiceUnavailable, "no scan can be started at present").
				SetInternal(err)
		}
		if isNew { // otherwise the scan in progress is joined
			go job.Run(func(ctx context.Context, report *progress.Reporter) (any, error) {
				return scan(ctx, report, host, last)
			})
		}
		c.Response().Header().Set(echo.HeaderLocation, c.Request().URL.Path)
		return c.JSON(http.StatusAccepted, map[string]any{"id": job.ID(), "coalesced": !isNew})
	})
	e.GET("/discovery/:host", func(c echo.Context) error {
		_, topic, err := target(c)
		if err != nil {
			return err
		}
		if err = tracker.Subscribe(c, topic); errors.Is(err, echosse.ErrNoTopic) {
			return echo.NewHTTPError(http.StatusNotFound, "no scan of this address, or none any more")
		}
		return err
	})
	e.DELETE("/discovery/:host", func(c echo.Context) error {
		_, topic, err := target(c)
		if err != nil {
			return err
		}
		if !tracker.Cancel(topic) {
			return echo.NewHTTPError(http.StatusNotFound, "no scan of this address runs")
		}
		return c.NoContent(http.StatusAccepted)
	})
}

// target returns the address to scan and its topic. Other machines are not ours to scan.
func target(c echo.Context) (host, topic string, err error) {
	addr, err := netip.ParseAddr(c.Param("host"))
	if err != nil || !addr.IsLoopback() {
		return "", "", echo.NewHTTPError(http.StatusNotFound, "only loopback addresses can be scanned")
	}
	return addr.String(), "discovery/" + addr.String(), nil
}

// scan connects to each port up to last and returns those where something listens.
func scan(ctx context.Context, report *progress.Reporter, host string, last int) ([]int, error) {
	open := []int{}
	dialer := net.Dialer{Timeout: time.Second}
	for port := 1; port <= last; port++ {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			open = append(open, port)
			conn.Close()
		}
		if ctx.Err() != nil {
			return open, ctx.Err()
		}
		if err == nil || port%256 == 0 || port == last {
			report.Step(port, last, fmt.Sprintf("%d of %d ports, %d open", port, last, len(open)))
		}
	}
	return open, nil
}
