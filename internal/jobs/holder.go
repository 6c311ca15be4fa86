package jobs

import "github.com/tidewire/tidewire/internal/config"

// holderName is what people call the replica that starts the runs of a job, empty if none does: who stands in for another
// one starts none.
func (s *Service) holderName(j *config.Job) string {
	if s.units == nil {
		return ""
	}
	name := s.deps.Replicas.NameOf(s.Holder(j))
	if j.On != "" && j.On != name {
		return ""
	}
	return name
}

// ownName is what people call this process among those that share its store, empty if there are none.
func (s *Service) ownName() string {
	if s.deps.Replicas == nil {
		return ""
	}
	return s.deps.Replicas.NameOf(s.deps.Replicas.ID())
}
