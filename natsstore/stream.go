package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	markerTTL  = time.Minute      // how long the server tells that an entry has expired, and how long a gone entry stays
	duplicates = 30 * time.Second // how long the server knows the ids of messages
)

// ensure returns the state of the stream, which it makes if there is none.
func (s *Store) ensure(ctx context.Context) (*jetstream.StreamInfo, error) {
	if !s.isLinked() {
		if err := s.conn.LastError(); err != nil {
			s.noteUnlinked(err) // such as that the server does not accept the password, of which no handler is told
		}
		return nil, errUnlinked
	}
	if err := s.checkServer(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lastAttempt)
	defer cancel()
	stream, err := s.jets.Stream(ctx, s.opts.Prefix)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.jets.CreateStream(ctx, s.streamConfig())
		if err == nil {
			s.opts.Logger.Info("natsstore: made the stream", "stream", s.opts.Prefix, "replicas", s.opts.Replicas)
		} else if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = s.jets.Stream(ctx, s.opts.Prefix) // another process has just made it
		}
	}
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("JetStream is not enabled on the server or for the account: %w", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, errUnanswered
	case err != nil:
		return nil, fmt.Errorf("ask for the stream %s: %w", s.opts.Prefix, err)
	}
	info := stream.CachedInfo()
	if err := s.checkStream(info.Config); err != nil {
		return nil, err
	}
	s.advise(info.Config)
	return info, nil
}

// advise logs what may not be meant about a stream that can be used, once.
func (s *Store) advise(has jetstream.StreamConfig) {
	advice := ""
	switch {
	case has.Replicas < s.opts.Replicas:
		advice = fmt.Sprintf("it is kept by fewer servers than configured: nats stream edit %s --replicas %d", s.opts.Prefix, s.opts.Replicas)
	case has.Discard == jetstream.DiscardOld && (has.MaxBytes > 0 || has.MaxMsgs > 0):
		advice = fmt.Sprintf("it drops what is oldest when it is full, also what still holds: nats stream edit %s --discard new", s.opts.Prefix)
	}
	if advice != s.advised {
		s.advised = advice
		if advice != "" {
			s.opts.Logger.Warn("natsstore: the stream may not be as it is meant", "stream", s.opts.Prefix, "advice", advice)
		}
	}
}

func (s *Store) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: s.opts.Prefix, Description: "the newest state of topics, by github.com/tidewire/tidewire/natsstore",
		Subjects: []string{s.subject(">")}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
		Storage: jetstream.FileStorage, Replicas: s.opts.Replicas, DenyDelete: true, DenyPurge: true, AllowDirect: true,
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTTL, Duplicates: duplicates,
		RePublish: &jetstream.RePublish{Source: s.subject(">"), Destination: s.opts.Prefix + ".live.>"},
	}
}

// checkServer returns why the server that the store is connected to cannot be used.
func (s *Store) checkServer() error {
	version := s.conn.ConnectedServerVersion()
	if !atLeast(version, 2, 11) {
		return fmt.Errorf("server %s has version %s: entries that expire need nats-server 2.11 or newer",
			s.conn.ConnectedServerName(), version)
	}
	if allowed := s.conn.MaxPayload(); allowed < int64(s.opts.MaxData+headroom) {
		return fmt.Errorf("server %s has a max_payload of %d bytes: data of up to %d bytes (MaxData) needs %d",
			s.conn.ConnectedServerName(), allowed, s.opts.MaxData, s.opts.MaxData+headroom)
	}
	return nil
}

// atLeast reports whether a version such as "2.11.4-rc.1" is at least the one given. One that cannot be read is.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return true
	}
	a, err := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err != nil || err2 != nil || a > major || a == major && b >= minor
}

// checkStream returns why a stream that exists cannot be used. Its replicas, and bounds of its size, are its operator's.
func (s *Store) checkStream(has jetstream.StreamConfig) error {
	want := s.streamConfig()
	var wrong string
	switch {
	case len(has.Subjects) != 1 || has.Subjects[0] != want.Subjects[0]:
		wrong = fmt.Sprintf("subjects %v, not %v", has.Subjects, want.Subjects)
	case has.MaxMsgsPerSubject != 1:
		wrong = fmt.Sprintf("max_msgs_per_subject %d, not 1", has.MaxMsgsPerSubject)
	case has.Retention != jetstream.LimitsPolicy:
		wrong = "another retention than limits"
	case !has.AllowMsgTTL || has.SubjectDeleteMarkerTTL < markerTTL:
		wrong = "no allow_msg_ttl, or a subject_delete_marker_ttl below 1m"
	case !has.AllowDirect:
		wrong = "no allow_direct"
	case has.RePublish == nil || has.RePublish.Destination != want.RePublish.Destination || has.RePublish.HeadersOnly:
		wrong = "no republish to " + want.RePublish.Destination
	case has.MaxAge != 0:
		wrong = "a max_age"
	case has.MaxMsgSize > 0 && int(has.MaxMsgSize) < s.opts.MaxData+headroom:
		wrong = fmt.Sprintf("a max_msg_size of %d bytes, less than %d", has.MaxMsgSize, s.opts.MaxData+headroom)
	default:
		return nil
	}
	return fmt.Errorf("the stream %s is not one that this package made: it has %s", s.opts.Prefix, wrong)
}
