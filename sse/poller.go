package sse

// A poller runs one PollingService while it feeds topics of a Manager, and is the Publisher of the service. It owns the
// goroutine run, and only that calls the service. When its last topic is gone, the poller ends; another stream of the
// same service gets a new poller, whose run begins when the old one has ended.
type poller struct {
	m       *Manager
	service PollingService
	topics  map[*managed]struct{} // guarded by m.mu
	newest  *value                // guarded by m.mu; nil before the first
	joined  chan struct{}         // holds a token when a stream joined
	idle    chan struct{}         // closed under m.mu when topics is empty
	ended   chan struct{}         // closed when run has returned
}

// pollLocked makes service feed t.
func (m *Manager) pollLocked(t *managed, service PollingService) {
	p := m.pollers[service]
	if p == nil || len(p.topics) == 0 {
		before := p
		p = &poller{
			m:       m,
			service: service,
			topics:  map[*managed]struct{}{},
			joined:  make(chan struct{}, 1),
			idle:    make(chan struct{}),
			ended:   make(chan struct{}),
		}
		m.pollers[service] = p
		go p.run(before)
	} else {
		p.nudge()
	}
	p.topics[t] = struct{}{}
	t.poller = p
	if p.newest != nil {
		m.publishLocked(t, *p.newest)
	}
}

// dropLocked ends the feeding of t.
func (p *poller) dropLocked(t *managed) {
	delete(p.topics, t)
	if len(p.topics) == 0 {
		close(p.idle)
	}
}

// nudge makes run check whether the service has ended by itself.
func (p *poller) nudge() {
	select {
	case p.joined <- struct{}{}:
	default:
	}
}

func (p *poller) run(before *poller) {
	defer close(p.ended)
	if before != nil {
		<-before.ended
	}
	p.start()
	for {
		select {
		case <-p.joined:
			if p.hasEnded() {
				p.stop()
				p.start()
			}
		case <-p.idle:
			p.stop()
			p.m.mu.Lock()
			defer p.m.mu.Unlock()
			if p.m.pollers[p.service] == p { // or its successor waits
				delete(p.m.pollers, p.service)
			}
			return
		}
	}
}

func (p *poller) start() {
	defer contain(p.m.log, "PollingService.Start")
	p.service.Start(p)
}

func (p *poller) hasEnded() bool {
	defer contain(p.m.log, "PollingService.Running")
	s, ok := p.service.(interface{ Running() bool })
	return ok && !s.Running()
}

func (p *poller) stop() {
	defer contain(p.m.log, "PollingService.Stop")
	if err := p.service.Stop(); err != nil {
		p.m.log.Error("polling service not stopped cleanly", "err", err)
	}
}

// Publish implements [Publisher].
func (p *poller) Publish(data any) {
	v, err := encodeValue(data)
	if err != nil {
		p.m.log.Error("polled value not published", "err", err)
		return
	}
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.newest = &v
	for t := range p.topics {
		p.m.publishLocked(t, v)
	}
}
