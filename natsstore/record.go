package natsstore

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/snapshot"
)

// The stored format. An entry is one message: its body is the data, and its header "Tidewire" is
//
//	1 STATE RUN N OWNER
//
// where 1 is the version of the format, STATE is live, orphan, final or gone, and OWNER is the lease under which the run
// was written. Later versions may add fields at the end; a reader leaves alone what has a higher version. A gone entry
// has the last N and data of a run that is forgotten, for followers that have not seen its end yet. A lease is a message
// with a body of JSON.
const (
	formatVersion = 1

	headerEntry = "Tidewire"
	headerTopic = "Tidewire-Topic" // base64, for keys that are hashed

	headerMarker    = "Nats-Marker-Reason" // of the message that the server leaves of one that has expired
	headerSequence  = "Nats-Sequence"
	headerSubject   = "Nats-Subject"
	headerExpected  = "Nats-Expected-Last-Subject-Sequence"
	headerTTL       = "Nats-TTL"
	headerMessageID = "Nats-Msg-Id"
)

// record is what the stream has for a topic. The zero state stands for nothing: no message, or the marker of one that
// has expired.
type record struct {
	snapshot.Entry
	owner string
	alien bool // written by a later version: neither shown nor replaced
}

// holds reports whether the topic has an entry that a claim would have to respect or replace.
func (r *record) holds() bool { return r.State != 0 && r.State != snapshot.Gone }

// header returns the value of headerEntry.
func (r *record) header() string {
	return strconv.Itoa(formatVersion) + " " + r.State.String() + " " + r.Run + " " + strconv.FormatUint(r.N, 10) + " " + r.owner
}

// parseRecord reads a message of the topic with that key. The topic of the record is known, if any.
func parseRecord(key, known string, h nats.Header, data []byte) (record, error) {
	r := record{Entry: snapshot.Entry{Topic: known}}
	if known == "" {
		var err error
		if strings.HasPrefix(key, hashed) {
			var raw []byte
			raw, err = base64.StdEncoding.DecodeString(h.Get(headerTopic))
			r.Topic = string(raw)
		} else {
			r.Topic, err = topicOf(key)
		}
		if err != nil {
			return record{}, err
		}
	}
	if h.Get(headerMarker) != "" {
		return r, nil
	}
	value := h.Get(headerEntry)
	version, rest, _ := strings.Cut(value, " ")
	if v, err := strconv.Atoi(version); err != nil {
		return record{}, fmt.Errorf("header %q has no version", value)
	} else if v > formatVersion {
		r.alien = true
		return r, nil
	}
	state, rest, _ := strings.Cut(rest, " ")
	run, rest, _ := strings.Cut(rest, " ")
	n, rest, _ := strings.Cut(rest, " ")
	owner, _, _ := strings.Cut(rest, " ")
	for _, s := range []snapshot.State{snapshot.Live, snapshot.Orphan, snapshot.Final, snapshot.Gone} {
		if s.String() == state {
			r.State = s
		}
	}
	var err error
	if r.N, err = strconv.ParseUint(n, 10, 64); err != nil || r.State == 0 || snapshot.CheckRun(run) != nil ||
		r.State == snapshot.Live && snapshot.CheckRun(owner) != nil { // whose lease is looked for
		return record{}, fmt.Errorf("header %q is not an entry", value)
	}
	r.Run, r.owner = run, owner
	if len(data) > 0 {
		r.Data = data
	}
	return r, nil
}

// ttlOf returns the lifetime of a Final entry in whole seconds, rounded up, as the server wants it. Empty stands for
// ever, which is what a server makes of a century or more.
func ttlOf(retention time.Duration) string {
	const forEver = 100 * 365 * 24 * time.Hour
	if retention >= forEver {
		return ""
	}
	seconds := (retention + time.Second - 1) / time.Second
	return strconv.FormatInt(int64(max(1, seconds)), 10)
}

// leaseRecord is the body of a lease.
type leaseRecord struct {
	Version int    `json:"v"`
	Name    string `json:"name,omitempty"` // of the process, for people
	Lease   int64  `json:"lease_ms"`       // how long without a renewal it lasts
	Dead    bool   `json:"dead,omitempty"` // whoever had it must not write any more
}

func (l *leaseRecord) marshal() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // a struct of plain fields
	}
	return b
}

// encodeTopic returns the value of headerTopic.
func encodeTopic(topic string) string { return base64.StdEncoding.EncodeToString([]byte(topic)) }
