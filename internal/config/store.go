package config

import (
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
)

// Store is the directory in which the state of the gateway is kept.
type Store struct {
	Dir     string        // absolute; it is made if it does not exist
	Keep    time.Duration // how long the past is kept where nothing else says so; 8760h unless set
	MaxSize int64         // bytes of the database, beyond which the oldest past goes; 10 GB unless set
}

const (
	defaultKeepPast = 8760 * time.Hour
	defaultMaxSize  = 10e9
	leastMaxSize    = 10e6
	mostMaxSize     = 10_000e9
)

// storeKeys are the keys of store. nats reads the key of that name.
func storeKeys(s *Store, nats func(*grammar.Node)) grammar.Keys {
	return grammar.Keys{
		grammar.Path("dir",
			"a directory for the state, which then survives a restart; it is made if it does not exist. Relative to this file",
			&s.Dir, grammar.DirectoryToMake).Also("path directory folder").OneOf(),
		grammar.Period("keep",
			"how long what has happened is kept, unless another key says so, up to `5y`",
			&s.Keep).Also("retention").Default("8760h"),
		grammar.Size("max_size",
			"the size of the database. What is oldest is deleted before it becomes larger; the newest state never is",
			&s.MaxSize, leastMaxSize, mostMaxSize).Also("size limit quota").Default("10GB"),
		grammar.Func("nats",
			"the address of a server of NATS JetStream, or a mapping: several replicas of Tidewire share their state there",
			natsShape, nats).Also("jetstream cluster").OneOf().Without("keep", "max_size"),
	}
}

func storeShape() grammar.Shape {
	return grammar.Either(grammar.Words(stores), grammar.Object(storeKeys(&Store{}, (&fileReader{}).nats)))
}

// store reads where state is kept.
func (f *fileReader) store(n *grammar.Node) {
	if !n.IsMapping() {
		n.OneOf("store", stores)
		return
	}
	s := &Store{Keep: defaultKeepPast, MaxSize: defaultMaxSize}
	n.Read("store", storeKeys(s, f.nats))
	switch nats := n.Key("nats"); {
	case nats != nil:
		for _, other := range []string{"dir", "keep", "max_size"} {
			if n.Get(other) != nil {
				nats.Problem("store has nats and "+other, "choose one of them: replicas that share their state keep nothing in a directory")
			}
		}
		return
	case n.Lacks("dir"):
		n.Problem("store has no dir", "add one such as dir: data, or the address of nats")
	}
	f.c.Store, f.onDisk = s, true
}
