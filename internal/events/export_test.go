package events

// MaxWindows bounds the things whose changes are counted.
const MaxWindows = maxWindows

// Windows is of how many things changes are counted now.
func (j *Journal) Windows() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.flapped)
}
