package debug

import (
	"net/http"

	"github.com/tidewire/tidewire/smartpoll"
)

// act does to the task with the key what a person asks for, and says what is in
// the way if that cannot be done. None of it waits for a hook or a task.
func act(s *smartpoll.Scheduler, key any, action string) (status int, detail string) {
	defer func() {
		if value := recover(); value != nil {
			if _, ok := s.Info(key); ok {
				panic(value)
			}
			status, detail = http.StatusNotFound, gone(key) // not asked before, since a task may go at any time
		}
	}()
	switch action {
	case "pause":
		s.Pause(key)
	case "resume":
		s.Resume(key)
	case "run":
		if info, _ := s.Info(key); info.Paused {
			return http.StatusConflict, "task " + keyText(key) + " is paused, resume it to run it"
		}
		s.Schedule(key, 0)
	case "cancel":
		if !s.Cancel(key) {
			return http.StatusConflict, "task " + keyText(key) + " is not running, or has got to its hook, which cannot be cancelled"
		}
	default:
		return http.StatusBadRequest, "action " + quoted(action) + " is unknown, use pause, resume, run or cancel"
	}
	return 0, ""
}

func gone(key any) string { return "task " + keyText(key) + " was removed" }
