package store

import "time"

// write is the goroutine that writes, until d.stop is closed and what waits then has been tried once more.
func (d *Dir) write() {
	defer close(d.stopped)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-d.queue.wake:
			if _, err := d.Failing(); err == nil {
				d.writeAll()
			}
		case <-tick.C:
			d.look()
		case <-d.stop:
			d.writeAll()
			return
		}
	}
}

// writeAll writes what waits. It returns early if the disk fails, and reports whether it does not.
func (d *Dir) writeAll() bool {
	for {
		batch, round := d.queue.take()
		if len(batch) == 0 {
			if d.queue.lacksOps() { // now that there is room
				d.writeAgain()
			}
			return true
		}
		began := time.Now()
		stalled := time.AfterFunc(stalledAfter, func() { d.failed(round, errStalled) })
		errs, err := d.commit(batch)
		stalled.Stop()
		if err != nil {
			d.failed(round, advise(d.name, err))
			return false
		}
		for _, f := range d.db.tx.after {
			f()
		}
		untold, since := d.queue.written(errs)
		d.recovered(since)
		if len(untold) > 0 && began.Sub(d.wrong) > time.Minute { // a defect of ours, which may come with each poll
			d.wrong = began
			d.options.Logger.Error("a record was not stored: this is a defect of Tidewire",
				"err", untold[0], "dropped", d.Dropped())
		}
		if d.options.Written != nil {
			d.options.Written(time.Since(began))
		}
	}
}

// failed logs the beginning of a failure.
func (d *Dir) failed(round uint64, err error) {
	if d.queue.fail(round, err) {
		d.options.Logger.Error("the store cannot be written: what happens is kept in memory until it can",
			"dir", d.path, "err", err)
		d.options.Changed()
	}
}

// recovered logs the end of a failure that began at since, if there was one.
func (d *Dir) recovered(since time.Time) {
	if !since.IsZero() {
		d.options.Logger.Info("the store is written again", "dir", d.path, "failed_for", time.Since(since).Round(time.Millisecond),
			"dropped", d.Dropped())
		d.options.Changed()
	}
}

// commit runs the ops of a batch in one transaction. Its error is the disk's, and nothing is written then. errs has those of
// ops that were wrong by themselves and were left out; it is nil if there is none.
func (d *Dir) commit(batch []op) (errs []error, err error) {
	if d.away != nil {
		return nil, d.away
	}
	full := false
	for i := range batch {
		full = full || batch[i].full
	}
	t, err := d.db.begin(full)
	if err != nil {
		return nil, err
	}
	for i := range batch {
		if err = batch[i].run(t); err != nil {
			break
		}
	}
	if err == nil {
		if _, err = t.exec("COMMIT"); err == nil {
			return nil, nil
		}
	}
	_, _ = t.exec("ROLLBACK") // SQLite may have done it
	if isDisk(err) {
		return nil, err
	}
	return d.commitApart(batch, full)
}

// commitApart is commit for a batch with an op that is wrong: each one can be undone alone.
func (d *Dir) commitApart(batch []op, full bool) (errs []error, err error) {
	t, err := d.db.begin(full)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_, _ = t.exec("ROLLBACK")
		}
	}()
	errs = make([]error, len(batch))
	for i := range batch {
		if _, err := t.exec("SAVEPOINT op"); err != nil {
			return nil, err
		}
		after := len(t.after)
		if errs[i] = batch[i].run(t); errs[i] != nil {
			if isDisk(errs[i]) {
				return nil, errs[i]
			}
			t.after = t.after[:after]
			if _, err := t.exec("ROLLBACK TO op"); err != nil {
				return nil, err
			}
		}
		if _, err := t.exec("RELEASE op"); err != nil {
			return nil, err
		}
	}
	_, err = t.exec("COMMIT")
	return errs, err
}
