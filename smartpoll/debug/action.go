package debug

import (
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/smartpoll"
)

// byHand is the reason of the pauses that people make here. Pauses for other reasons are the program's, which lifts them.
const byHand = "by hand"

// act performs an action on the task with the key, or returns why it is not possible. It never waits for a hook or a
// task.
func act(s *smartpoll.Scheduler, key any, action string) (status int, detail string) {
	defer func() {
		// Not checked before, since a task may be removed at any time; nor by Info afterwards, since it may be back by then.
		// The text is a part of what smartpoll promises: it is that of the library whose API it has.
		value := recover()
		if text, ok := value.(string); ok && strings.HasPrefix(text, "smartpoll: task not found: ") {
			status, detail = http.StatusNotFound, gone(key)
		} else if value != nil {
			panic(value)
		}
	}()
	switch action {
	case "pause":
		s.Pause(key, byHand)
	case "resume":
		s.Resume(key, byHand)
	case "run":
		if info, _ := s.Info(key); info.Paused {
			return http.StatusConflict, "task " + keyText(key) + " is paused: " + why(pausesOf(info)) +
				". It runs when all its pauses are lifted"
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
