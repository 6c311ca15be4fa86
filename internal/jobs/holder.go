package jobs

import "github.com/tidewire/tidewire/internal/config"

// holderName is what people call the replica that holds the unit of a job, empty if none does.
func (s *Service) holderName(j *config.Job) string {
	if s.units == nil {
		return ""
	}
	return s.deps.Replicas.NameOf(s.Holder(j))
}

// ownName is what people call this process among those that share its store, empty if there are none.
func (s *Service) ownName() string {
	if s.deps.Replicas == nil {
		return ""
	}
	return s.deps.Replicas.NameOf(s.deps.Replicas.ID())
}

// adopted tells the observer that a unit was left to this process.
func (u *units) adopted(name string) {
	for _, j := range u.s.List() {
		if UnitOf(j.Job) == name {
			u.s.deps.Observer.adopted(j.Name)
		}
	}
}
