package gateway

import "time"

// A History is what a source's numbers were.
type History struct{ *history }

// A HistoryObject is what the API answers of it.
type HistoryObject = historyObject

// HistoryBuckets is how many points a history can have.
const HistoryBuckets = historyBuckets

func NewHistory(span time.Duration) History { return History{newHistory(span)} }

func (h History) Add(now time.Time, value any) { h.add(now, value) }

func (h History) Read(field string, since, now time.Time, points int) HistoryObject {
	return h.read(field, since, now, points)
}
