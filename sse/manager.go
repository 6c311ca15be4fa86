package sse

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// managerBacklog is how many events of a Manager's topic a reader may be behind
// before it loses some: they are not snapshots.
const managerBacklog = 64

// Manager publishes values to topics that exist while somebody watches them.
// Make one with [NewManager]; all methods may be called from any goroutine.
//
// The first stream makes its topic, and the last one that leaves removes it,
// newest value included, before its handler returns. A value for a topic that
// nobody watches goes nowhere. What must outlive its readers belongs into
// package progress.
//
// A stream that comes to a topic gets the newest value at once. A value equal
// to the newest is not sent again: two are equal if they are the same JSON but
// for the order of an object's members. A reader that falls more than 64 values
// behind is told how many it missed, and always ends at the newest (see
// [TopicOptions]).
//
// Topics are compared without regard to the order of parameters after a "?":
// /devices?limit=5&offset=10 and /devices?offset=10&limit=5 are one. Query strings
// come from anybody, so topics made by a request's URL are limited to 1000 at a
// time; beyond, an EventSource is told to come back in a while, and any other
// client gets 503 with Retry-After.
type Manager struct {
	cancel context.CancelFunc
	hub    *Hub
	log    *slog.Logger

	mu sync.Mutex // guards the fields below and those of its topics and pollers; before Hub.mu

	topics  map[string]*managed
	fromURL int // how many of topics a request's URL made
	pollers map[PollingService]*poller
}

// managed is one topic of a Manager, watched by at least one stream.
type managed struct {
	*Topic
	fromURL bool
	streams int
	newest  []byte  // canonical JSON of the newest value; nil before the first
	poller  *poller // nil: only Publish feeds it
}

// NewManager returns a Manager that lives as long as ctx, or until Shutdown. A
// stream gets a comment after a silence of heartbeat; zero and less mean 30 s.
// What fails is logged to log; nil discards it.
func NewManager(ctx context.Context, log *slog.Logger, heartbeat time.Duration) *Manager {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if heartbeat <= 0 {
		heartbeat = 30 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	return &Manager{
		cancel:  cancel,
		hub:     NewHub(ctx, &HubOptions{Heartbeat: heartbeat, Logger: log}),
		log:     log,
		topics:  map[string]*managed{},
		pollers: map[PollingService]*poller{},
	}
}

// Shutdown ends all streams, and with them all polling. It returns at once.
func (m *Manager) Shutdown() { m.cancel() }

// Publish encodes data as JSON and sends it to the streams of topic, unless it
// is equal to the topic's newest value. It never waits for a reader. Without
// streams it does nothing. What cannot be encoded is logged and not sent.
func (m *Manager) Publish(topic string, data any) {
	topic = canonicalTopic(topic)
	m.mu.Lock()
	watched := m.topics[topic] != nil
	m.mu.Unlock()
	if !watched {
		return
	}
	v, err := encodeValue(data)
	if err != nil {
		m.log.Error("value not published", "topic", topic, "err", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.topics[topic]; t != nil { // looked up again: it may be another one by now
		m.publishLocked(t, v)
	}
}

func (m *Manager) publishLocked(t *managed, v value) {
	if bytes.Equal(t.newest, v.canonical) {
		return
	}
	if err := t.Topic.Publish(Event{Data: v.wire}); err != nil {
		m.log.Error("value not published", "topic", t.Name(), "err", err)
		return
	}
	t.newest = v.canonical
}

// value is a published value twice: as it is sent, and as it is compared.
type value struct{ wire, canonical []byte }

func encodeValue(data any) (value, error) {
	wire, err := json.Marshal(data)
	if err != nil {
		return value{}, fmt.Errorf("sse: encode value: %w", err)
	}
	// Marshal sorts the keys of maps, but not of structs and raw messages.
	var v any
	d := json.NewDecoder(bytes.NewReader(wire))
	d.UseNumber() // 2^53+1 is not 2^53
	if err := d.Decode(&v); err != nil {
		return value{}, fmt.Errorf("sse: encode value: %w", err)
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return value{}, fmt.Errorf("sse: encode value: %w", err)
	}
	return value{wire, canonical}, nil
}

// HandlerOption changes what [Manager.Handler] does.
type HandlerOption func(*handlerConfig)

type handlerConfig struct {
	topic   string
	service PollingService
}

// WithCustomTopic names the topic of a handler, in place of [TopicOf] its
// requests. Such topics do not count against the limit on requests' topics.
func WithCustomTopic(topic string) HandlerOption {
	return func(c *handlerConfig) { c.topic = topic }
}

// WithPollingService makes service feed the topics of a handler.
//
// A topic is fed by the first service that a stream brings to it, and keeps it
// until its last stream leaves; so a handler may be made anew for each request,
// with a service of its own.
//
// A service runs once, however many handlers and topics of a Manager name it. The
// first stream of any of them starts it, each value goes to all of them, one that
// joins later gets the newest value at once, and when the last stream of the last
// of them has left, it is stopped, without making that stream wait. Topics that
// need values of their own need a service each.
//
// The dynamic type of service must be comparable, as pointers are; another panics.
func WithPollingService(service PollingService) HandlerOption {
	if service != nil && !reflect.TypeOf(service).Comparable() {
		panic(fmt.Sprintf("sse: WithPollingService(%T): want a comparable type, such as a pointer", service))
	}
	return func(c *handlerConfig) { c.service = service }
}

// Handler answers requests with [Manager.Serve], and with 500 if that fails.
func (m *Manager) Handler(opts ...HandlerOption) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.Serve(w, r, opts...); err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	})
}

// Serve streams the topic that [WithCustomTopic] names, or else [TopicOf] the
// request, and blocks until the client has left or the Manager is shut down. It fails
// only before anything is written, when w cannot flush or set write deadlines;
// since that is for the operator to mend, the missing capability is logged too.
func (m *Manager) Serve(w http.ResponseWriter, r *http.Request, opts ...HandlerOption) error {
	var c handlerConfig
	for _, opt := range opts {
		opt(&c)
	}
	if err := CheckWriter(w); err != nil { // before join, which may start polling
		m.log.Error("stream refused", "path", r.URL.Path, "err", err)
		return err
	}
	if m.hub.ctx.Err() != nil { // or a late client would start polling for a moment
		m.hub.turnAway(w, r, CauseStopped)
		return nil
	}
	t := m.join(r, c)
	if t == nil {
		m.hub.turnAway(w, r, CauseTopic)
		return nil
	}
	defer m.leave(t)
	return m.hub.Serve(w, r, t.Topic)
}

// join counts one more stream of c's topic, making the topic if it is the first.
// It returns nil when there are too many.
func (m *Manager) join(r *http.Request, c handlerConfig) *managed {
	name, fromURL := canonicalTopic(c.topic), c.topic == ""
	if fromURL {
		name = TopicOf(r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		if fromURL {
			if m.fromURL >= m.hub.opts.MaxRequestTopics {
				return nil
			}
			m.fromURL++
		}
		t = &managed{Topic: m.hub.Topic(name, TopicOptions{Backlog: managerBacklog}), fromURL: fromURL}
		t.Open(rand.Text()[:16])
		m.topics[name] = t
	}
	t.streams++
	switch {
	case t.poller != nil:
		t.poller.nudge()
	case c.service != nil:
		m.pollLocked(t, c.service)
	}
	return t
}

// leave undoes a join.
func (m *Manager) leave(t *managed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.streams--
	if t.streams > 0 {
		return
	}
	delete(m.topics, t.Name())
	if t.fromURL {
		m.fromURL--
	}
	if t.poller != nil {
		t.poller.dropLocked(t)
	}
	t.Remove(t.Run())
}

// TopicOf returns the name of the topic that a request means: its path and, if
// there is a query, "?" and the query with its parameters in order of their
// names. A "?" in the path is escaped, and last_event_id, which only resumes a
// stream (see [RequestLastEventID]), is left out.
func TopicOf(r *http.Request) string {
	path := strings.ReplaceAll(r.URL.Path, "?", "%3F")
	params := strings.Split(r.URL.RawQuery, "&")
	params = slices.DeleteFunc(params, func(p string) bool { return paramName(p) == "last_event_id" })
	return canonicalTopic(path + "?" + strings.Join(params, "&"))
}

// canonicalTopic sorts what follows a "?" as the parameters of a query. Those of
// one name keep their order, which may mean something.
func canonicalTopic(topic string) string {
	path, query, ok := strings.Cut(topic, "?")
	if !ok {
		return topic
	}
	params := strings.Split(query, "&")
	params = slices.DeleteFunc(params, func(p string) bool { return p == "" })
	if len(params) == 0 {
		return path
	}
	slices.SortStableFunc(params, func(a, b string) int { return strings.Compare(paramName(a), paramName(b)) })
	return path + "?" + strings.Join(params, "&")
}

func paramName(param string) string {
	name, _, _ := strings.Cut(param, "=")
	return name
}

// A poller runs one PollingService while it feeds topics of a Manager, and is
// the Publisher of the service. It owns the goroutine run, which alone calls
// the service. When its last topic is gone, it is done for; another stream of the
// same service gets another poller, whose run begins when this one's has ended.
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

// nudge makes run look whether the service has ended by itself.
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
