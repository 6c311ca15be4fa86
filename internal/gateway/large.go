package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/tidewire/tidewire/internal/config"
)

// A question can be larger than a message between replicas, such as a start with files. The replica that is asked gets its size
// then, and fetches it in pieces from the one that asks, which keeps it for as long as it waits for the answer.

const (
	// maxPiece bounds what is asked, or fetched, at once. As JSON it is a third larger.
	maxPiece = 512 << 10
	// maxQuestion bounds a question: the files of a run, as base64, and what is asked besides.
	maxQuestion = config.MaxFiles*4/3 + 1<<20
	// maxFetching bounds how many are fetched at the same time, since each is in memory.
	maxFetching = 4
)

// largeQuestions are those of this process that others fetch, and the places for those that it fetches.
type largeQuestions struct {
	places chan struct{} // of maxFetching

	mu    sync.Mutex // guards the field below
	asked map[string][]byte
}

func newLargeQuestions() largeQuestions {
	return largeQuestions{places: make(chan struct{}, maxFetching), asked: map[string][]byte{}}
}

// keep has others fetch a question by its ID, until drop is called.
func (l *largeQuestions) keep(data []byte) (id string, drop func()) {
	id = rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[id] = data
	return id, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.asked, id)
	}
}

// piece returns the part of a question that begins at an offset; nil: there is none, or nobody asks it any more.
func (l *largeQuestions) piece(id string, from int64, most int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	data := l.asked[id]
	if from < 0 || from >= int64(len(data)) || most <= 0 {
		return nil
	}
	data = data[from:]
	return data[:min(len(data), most, maxPiece)]
}

// pieceSize is how much is asked, or fetched, at once.
func (g *gateway) pieceSize() int { return min(maxPiece, g.store.MaxData()/2) }

// errFetching is why a question was not fetched.
var errFetching = errors.New("the replica that asks does not hand its question over")

// fetch gets the question of which q says where it is.
func (g *gateway) fetch(ctx context.Context, q question) (whole question, err error) {
	if q.Most <= 0 || q.Most > maxQuestion {
		return whole, fmt.Errorf("a question has at most %d bytes, not %d", maxQuestion, q.Most)
	}
	select {
	case g.large.places <- struct{}{}:
		defer func() { <-g.large.places }()
	case <-ctx.Done():
		return whole, context.Cause(ctx)
	}
	var data bytes.Buffer
	for data.Len() < q.Most {
		a, err := g.ask(ctx, q.Who, question{Op: toPiece, ID: q.ID, From: int64(data.Len()), Most: g.pieceSize()})
		switch {
		case err != nil:
			return whole, err
		case len(a.Piece) == 0 || data.Len()+len(a.Piece) > q.Most:
			return whole, errFetching
		}
		data.Write(a.Piece)
	}
	if err := json.Unmarshal(data.Bytes(), &whole); err != nil || whole.Op == toFetch {
		return whole, errors.Join(errFetching, err)
	}
	return whole, nil
}
