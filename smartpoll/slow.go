package smartpoll

import (
	"sync"
	"time"
)

// slowHook is the default of [Observer.SlowHook].
const slowHook = time.Second

// watch looks after the hook that runs, for [Observer.OnSlowHook]. Its timer is set when a hook begins and it is not set
// already. When it fires, it looks at the hook that runs by then. So a short hook costs no timer, and while there are no
// hooks the timer rests.
type watch struct {
	mu sync.Mutex // guards the fields below; a leaf

	timer *time.Timer   // made by the first hook of a Run, so that it belongs to the synctest bubble of that
	set   bool          // it will fire
	on    bool          // a hook runs, and was not reported
	key   any           // of that hook
	since time.Duration // when it began
	told  chan struct{} // made when OnSlowHook is called, and closed when it has returned
}

// watched calls a hook that has begun at the given time, and reports it if it is slow. The caller has the turn.
func (c *control) watched(key any, begin time.Duration, call func() error) error {
	if c.observer.OnSlowHook == nil {
		return call()
	}
	w := &c.watch
	w.mu.Lock()
	w.on, w.key, w.since = true, key, begin
	if !w.set {
		w.set = true
		if w.timer == nil {
			w.timer = time.AfterFunc(c.observer.SlowHook, c.lookAtHook)
		} else {
			w.timer.Reset(c.observer.SlowHook)
		}
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		told := w.told
		w.on, w.key, w.told = false, nil, nil
		w.mu.Unlock()
		if told != nil {
			<-told
		}
	}()
	return call()
}

// lookAtHook is called by the timer.
func (c *control) lookAtHook() {
	w := &c.watch
	w.mu.Lock()
	w.set = false
	took := time.Since(c.base) - w.since
	if !w.on || took < c.observer.SlowHook {
		if w.on && w.timer != nil {
			w.set = true
			w.timer.Reset(c.observer.SlowHook - took)
		}
		w.mu.Unlock()
		return
	}
	told := make(chan struct{})
	key := w.key
	w.on, w.told = false, told
	w.mu.Unlock()
	defer close(told)
	c.observe(key, func() { c.observer.OnSlowHook(key, took) })
}

// stop ends the watch of a Run, which calls no more hooks.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer, w.set = nil, false
}
