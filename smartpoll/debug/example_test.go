package debug_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/smartpoll/debug"
)

// An operator's program finds a task and pauses it; people have the page for that.
func ExampleHandler() {
	poll := func(context.Context) (smartpoll.TaskHook, error) { return nil, nil }
	scheduler, err := smartpoll.New(smartpoll.WithTask("tank", poll, smartpoll.On(smartpoll.Every(time.Minute))))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/smartpoll", debug.Handler(scheduler, nil))
	server := httptest.NewServer(mux)
	defer server.Close()

	address := server.URL + "/debug/smartpoll?format=json"
	response, err := http.Get(address)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	var status struct {
		Loop  struct{ State string }
		Tasks []struct{ ID, Key, State string }
	}
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		panic(err)
	}
	fmt.Println("loop", status.Loop.State)
	for _, task := range status.Tasks {
		fmt.Println(task.Key, task.State)
		answer, err := http.PostForm(address, url.Values{"task": {task.ID}, "action": {"pause"}})
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
		info, _ := scheduler.Info(task.Key)
		fmt.Println(answer.Status, "paused:", info.Paused)
	}
	// Output:
	// loop stopped
	// tank idle
	// 200 OK paused: true
}
