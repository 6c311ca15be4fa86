package jobs

import "context"

// Open is how many runs are remembered that are not in the archive.
func (s *Service) Open() int {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	return len(s.past.open)
}

// Do makes work the work of all jobs that are configured now.
func (s *Service) Do(work func(ctx context.Context) error) {
	for _, j := range s.List() {
		j.action = testAction(work)
	}
}

// ResultOf is the result that a run makes of a text.
func ResultOf(text string) string {
	result, _ := new(Run).resultOf(text)
	return string(result)
}

// A testAction does what a test wants.
type testAction func(ctx context.Context) error

func (a testAction) Do(ctx context.Context, _ *Run) (Result, error) { return Result{}, a(ctx) }
