package sources

import (
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/text"
)

const (
	// answerFor is for how long answers are kept after somebody has looked at one.
	answerFor = time.Minute
	// answerMost bounds one, in characters.
	answerMost = 64 << 10
)

// Answer returns what the newest poll of a source got before anything was picked from it, as JSON, cut after 65,536 characters. It is
// empty until the first poll after the first call: answers are kept only while somebody looks, for a minute after each call.
// It is not known, and never will be, of a source that is not configured, that another process polls, or from which nothing is
// picked: its value is all there is. Answer may be called from any goroutine.
func (svc *Service) Answer(name string) (answer string, known bool) {
	s := svc.find(name)
	if s == nil || !s.owned.Load() || len(s.Pick) == 0 && s.Split == nil {
		return "", false
	}
	s.answerUntil.Store(new(svc.deps.Clock.Now().Add(answerFor)))
	if kept := s.answer.Load(); kept != nil {
		answer = *kept
	}
	return answer, true
}

// keepAnswer keeps what a poll got if somebody looks at that.
func (s *poller) keepAnswer(value any) {
	until := s.answerUntil.Load()
	if until == nil {
		return
	}
	if s.svc.deps.Clock.Now().After(*until) {
		s.answerUntil.Store(nil)
		s.answer.Store(nil)
		return
	}
	data, err := json.Marshal(value)
	if err != nil {
		return
	}
	s.answer.Store(new(text.Cut(string(s.inValues.Strings(data)), answerMost)))
}
