package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

// TestMain lets the test binary be the services too.
func TestMain(m *testing.M) {
	for _, command := range demo.Commands() {
		if len(os.Args) > 1 && os.Args[1] == command.Name {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else each service takes a second to end
	os.Exit(m.Run())
}

// TestWeather runs the program until all services are in the forecast, looks at the
// page, and ends it as Ctrl-C does.
func TestWeather(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stdout, out := io.Pipe()
	stderr, errs := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"--debug", "127.0.0.1:0"}, strings.NewReader(""), out, errs)
		out.Close()
		errs.Close()
		ended <- err
	}()
	logs := bufio.NewReader(stderr)
	line, err := logs.ReadString('\n')
	if err != nil {
		t.Fatalf("stderr ends with %q: %v", line, <-ended)
	}
	page, ok := strings.CutPrefix(strings.TrimSpace(line), "the tasks are at ")
	if !ok {
		t.Fatalf("stderr begins with %q, want where the page is", line)
	}
	go io.Copy(io.Discard, logs)

	forecast := regexp.MustCompile(`^-?\d+\.\d °C  \d+\.\d m/s  \d+ %  \((.*)\)$`)
	lines := bufio.NewScanner(stdout)
	var all, last string
	for all != "coast, north, valley" && lines.Scan() {
		found := forecast.FindStringSubmatch(lines.Text())
		if found == nil || lines.Text() == last {
			t.Errorf("line %q after %q, want another forecast", lines.Text(), last)
			break
		}
		last, all = lines.Text(), found[1]
	}
	if all != "coast, north, valley" {
		t.Errorf("last line %q, want all three services in the forecast", last)
	}

	response, err := http.Get(page + "?format=json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var status struct {
		Tasks []struct {
			Key  string
			Runs int
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, task := range status.Tasks {
		keys = append(keys, task.Key)
		if task.Runs == 0 {
			t.Errorf("task %s has not run", task.Key)
		}
	}
	if want := []string{"coast", "north", "publish", "valley"}; !slices.Equal(keys, want) {
		t.Errorf("tasks on the page are %v, want %v", keys, want)
	}

	cancel()
	go io.Copy(io.Discard, stdout)
	if err := <-ended; err != nil {
		t.Errorf("run = %v after the end of its context, want nil", err)
	}
	if _, err := http.Get(page); err == nil {
		t.Error("the page is served after the end")
	}
}

func TestAggregate(t *testing.T) {
	for want, readings := range map[string]map[string]reading{
		"no service answers":                {},
		"14.0 °C  3.0 m/s  70 %  (a, b)":    {"b": {15, 4, 80}, "a": {13, 2, 60}},
		"-0.5 °C  0.0 m/s  100 %  (valley)": {"valley": {-0.5, 0, 100}},
	} {
		if got := aggregate(readings); got != want {
			t.Errorf("aggregate(%v) = %q, want %q", readings, got, want)
		}
	}
}

// TestFetch: an answer without weather is an error, with the time it asks for.
func TestFetch(t *testing.T) {
	answer := func(w http.ResponseWriter) { fmt.Fprint(w, `{"now": {"k": 283.15, "ms": 2, "rh": 60}}`) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer server.Close()
	valley := api{url: server.URL, decode: decodeValley}
	if got, err := valley.fetch(t.Context()); got != (reading{10, 2, 60}) || err != nil {
		t.Errorf("fetch = %v, %v, want 10 °C, 2 m/s, 60 %%", got, err)
	}
	answer = func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	_, err := valley.fetch(t.Context())
	var later interface{ RetryAfter() time.Duration }
	if !errors.As(err, &later) || later.RetryAfter() != 7*time.Second {
		t.Errorf("fetch of a refusal = %v, want to be told to wait 7s", err)
	}
	answer = func(w http.ResponseWriter) { fmt.Fprint(w, `<html>`) }
	if got, err := valley.fetch(t.Context()); err == nil {
		t.Errorf("fetch of a page = %v, want an error", got)
	}
}
