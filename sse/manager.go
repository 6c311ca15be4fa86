package sse

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// managerBacklog is how many events a reader of a Manager's topic may be behind before it loses some: they are not
// snapshots.
const managerBacklog = 64

// Manager publishes values to topics that exist only while they have readers. Make one with [NewManager]; all methods
// may be called from any goroutine.
//
// The first stream creates its topic, and the last one removes it, with its newest value, before its handler returns or,
// if its connection was handed off (see [WithStreams]), when it ends. A value for a topic without readers is dropped.
// State that must outlive its readers belongs in package progress.
//
// A stream that joins a topic gets the newest value at once. A value equal to the newest is not sent again, since the
// state has not changed: two values are equal if their JSON differs at most in the order of members. For events such as
// two alarms with the same text, see [WithRepeats]. A reader that falls more than 64 values behind is told how many it
// missed, and always gets the newest in the end (see [TopicOptions]).
//
// Topics are compared without regard to the order of parameters after a "?":
// /devices?limit=5&offset=10 and /devices?offset=10&limit=5 are the same.
// Anyone can invent query strings, so topics created by a request's URL are
// limited to 1000 at a time; beyond that, an EventSource is told to come back
// later, and any other client gets 503 with Retry-After.
type Manager struct {
	cancel context.CancelFunc
	hub    *Hub
	log    *slog.Logger

	mu sync.Mutex // guards the fields below and those of its topics and pollers; before Hub.mu

	topics  map[string]*managed
	fromURL int // how many of topics were made by a request's URL
	pollers map[PollingService]*poller
}

// managed is one topic of a Manager, watched by at least one stream.
type managed struct {
	*Topic
	fromURL bool
	repeats bool // see WithRepeats
	streams int
	newest  []byte  // canonical JSON of the newest value; nil before the first
	poller  *poller // nil: only Publish feeds it
}

// NewManager returns a Manager that lives as long as ctx, or until Shutdown. A stream gets a comment after a silence of
// heartbeat; zero and less mean 30 s. Failures are logged to log; nil discards them.
func NewManager(ctx context.Context, log *slog.Logger, heartbeat time.Duration) *Manager {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if heartbeat <= 0 {
		heartbeat = 30 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	m := NewHubManager(NewHub(ctx, &HubOptions{Heartbeat: heartbeat, Logger: log}))
	m.cancel = cancel
	return m
}

// NewHubManager returns a Manager whose streams are those of hub: with its heartbeat, limits, hooks, CORS, observer and
// logger. The Manager's topics are topics of hub, and their names begin with a "/" unless [WithCustomTopic] sets them;
// the names of other topics of hub should not.
func NewHubManager(hub *Hub) *Manager {
	if hub == nil {
		panic("sse: NewHubManager needs a hub, or use NewManager")
	}
	return &Manager{
		cancel:  hub.endStreams,
		hub:     hub,
		log:     hub.opts.Logger,
		topics:  map[string]*managed{},
		pollers: map[PollingService]*poller{},
	}
}

// Hub returns the hub that serves the streams, for [Hub.Drain], [Hub.End] and the like.
func (m *Manager) Hub() *Hub { return m.hub }

// Shutdown ends all streams of the Manager's hub, and with them all polling. It returns at once. [Hub.Drain] is gentler
// with the clients.
func (m *Manager) Shutdown() { m.cancel() }

// Publish encodes data as JSON and sends it to the streams of topic, unless it is equal to the topic's newest value. It
// never waits for a reader. Without streams it does nothing. If data cannot be encoded, that is logged and nothing is
// sent.
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
	if t := m.topics[topic]; t != nil { // looked up again: it may have been replaced
		m.publishLocked(t, v)
	}
}

func (m *Manager) publishLocked(t *managed, v value) {
	if !t.repeats && bytes.Equal(t.newest, v.canonical) {
		return
	}
	if err := t.Topic.Publish(Event{Data: v.wire}); err != nil {
		m.log.Error("value not published", "topic", t.Name(), "err", err)
		return
	}
	t.newest = v.canonical
}

// value is a published value in two forms: one to send, and one to compare.
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

// Handler answers requests with [Manager.Serve], with 403 if [HubOptions].OnSubscribe refuses, and with 500 on any
// other error. Methods other than GET and HEAD get 405.
func (m *Manager) Handler(opts ...HandlerOption) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.hub.takes(w, r) {
			return
		}
		err := m.Serve(w, r, opts...)
		if errors.Is(err, ErrForbidden) {
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return
		}
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	})
}

// Serve streams the topic set by [WithCustomTopic], or else the [TopicOf] the request, and blocks until the client has
// left or the Manager is shut down, unless [WithStreams] has it hand the connection off. It fails only before anything
// is written: with an error that wraps [ErrForbidden], or a [*WriterError] when w cannot flush or set write deadlines,
// which is also logged, since it is for the operator to fix. A request that gets no stream has nothing polled.
func (m *Manager) Serve(w http.ResponseWriter, r *http.Request, opts ...HandlerOption) error {
	var c handlerConfig
	for _, opt := range opts {
		opt(&c)
	}
	if err := CheckWriter(w); err != nil { // checked before join, which may make a topic
		m.log.Error("stream refused", "path", r.URL.Path, "err", err)
		return err
	}
	m.hub.allowOrigin(w.Header(), r)
	if why := m.hub.closing(); why != "" { // otherwise a late client would make a topic for a moment
		m.hub.turnAway(w, r, why)
		return nil
	}
	name, fromURL := canonicalTopic(c.topic), c.topic == ""
	if fromURL {
		name = TopicOf(r)
	}
	t := m.join(name, fromURL)
	if t == nil {
		m.hub.turnAway(w, r, CauseTopic)
		return nil
	}
	handedOff := false
	defer func() {
		if !handedOff {
			m.leave(t)
		}
	}()
	handedOff, err := m.hub.serveThen(w, r, t.Topic, "", c.streams, hooks{
		attached: func() { m.feed(t, r, c) },
		ended:    func() { m.leave(t) },
	})
	return err
}

// join adds one stream to the topic of that name, and makes the topic for the first one. It returns nil when there are
// too many topics.
func (m *Manager) join(name string, fromURL bool) *managed {
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
	return t
}

// feed has the service of c feed t, unless another one does, for the stream of r: one that is admitted, since clients
// that may not read must not have anything polled.
func (m *Manager) feed(t *managed, r *http.Request, c handlerConfig) {
	if r.Method == http.MethodHead {
		return
	}
	if c.newService != nil && !m.isFed(t) {
		own := r.Clone(context.WithoutCancel(r.Context()))
		own.Body = http.NoBody
		c.service = c.newService(own)
		mustBeComparable("WithPollingFunc", c.service)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t.repeats = t.repeats || c.repeats
	switch {
	case t.poller != nil:
		t.poller.nudge()
	case c.service != nil:
		m.pollLocked(t, c.service)
	}
}

// isFed reports whether a service feeds t.
func (m *Manager) isFed(t *managed) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.poller != nil
}

// leave undoes join.
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

// TopicOf returns the name of the topic of a request: its path and, if there is a query, "?" and the query with its
// parameters sorted by name. A "?" in the path is escaped, and last_event_id, which only resumes a stream (see
// [RequestLastEventID]), is left out.
func TopicOf(r *http.Request) string {
	path := strings.ReplaceAll(r.URL.Path, "?", "%3F")
	params := strings.Split(r.URL.RawQuery, "&")
	params = slices.DeleteFunc(params, func(p string) bool { return paramName(p) == "last_event_id" })
	return canonicalTopic(path + "?" + strings.Join(params, "&"))
}

// canonicalTopic sorts the query parameters after a "?" by name. Parameters with the same name keep their order, which
// may be significant.
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
