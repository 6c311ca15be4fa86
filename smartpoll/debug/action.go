package debug

import (
	"net/http"

	"github.com/tidewire/tidewire/smartpoll"
)

// act performs an action on the task with the key, or returns why it is not possible. It never waits for a hook or a
// task.
func act(s *smartpoll.Scheduler, key any, action string) (status int, detail string) {
	defer func() {
		if value := recover(); value != nil {
			if _, ok := s.Info(key); ok {
				panic(value)
			}
			status, detail = http.StatusNotFound, gone(
				key,
			) // not checked before, since a task may be removed at any time
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
			return http.StatusConflict, "task " + keyText(
				key,
			) + " is not running, or has got to its hook, which cannot be cancelled"
		}
	default:
		return http.StatusBadRequest, "action " + quoted(action) + " is unknown, use pause, resume, run or cancel"
	}
	return 0, ""
}

func gone(key any) string { return "task " + keyText(key) + " was removed" }
