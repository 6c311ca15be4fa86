package smartpoll

// starts is a FIFO of entries that keeps its memory. A link in each entry instead would take 16 bytes of every task.
type starts struct {
	entries []*entry // those before first have been popped, and are nil
	first   int
}

func (s *starts) empty() bool { return s.first == len(s.entries) }

func (s *starts) push(e *entry) {
	if n := len(s.entries); n == cap(s.entries) && s.first > n/2 {
		kept := copy(s.entries, s.entries[s.first:])
		clear(s.entries[kept:])
		s.entries, s.first = s.entries[:kept], 0
	}
	s.entries = append(s.entries, e)
}

// pop returns nil if there is none.
func (s *starts) pop() *entry {
	if s.empty() {
		return nil
	}
	e := s.entries[s.first]
	s.entries[s.first] = nil
	if s.first++; s.empty() {
		s.entries, s.first = s.entries[:0], 0
	}
	return e
}

// help calls tasks of starts, on a goroutine of its own. By now others may have taken them all.
func (c *control) help() {
	c.mu.Lock()
	c.helping = false
	if e := c.next(); e != nil {
		c.work(e)
	}
}

// next takes the first of starts and unlocks mu as yield does. It returns nil if there is none.
func (c *control) next() *entry {
	e := c.starts.pop()
	c.yield()
	return e
}

// yield unlocks mu, for code that may take any time. If that leaves anything in starts, it sends a goroutine there,
// unless one is on its way already.
func (c *control) yield() {
	help := !c.starts.empty() && !c.helping
	if help {
		c.helping = true
	}
	c.mu.Unlock()
	if help {
		go c.help()
	}
}
