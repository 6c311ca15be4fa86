package natsstore

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
)

const (
	defaultPrefix  = "tidewire"
	defaultLease   = 15 * time.Second
	defaultPace    = 50 * time.Millisecond
	defaultPayload = 1 << 20 // the max_payload of a server that does not set it

	// headroom is what a message needs beside the data: the name of the topic, and the headers of store and server.
	headroom = 16 << 10
)

// Options are the options of [Open]. The zero value is the default.
type Options struct {
	// URL is the address of a server, or the addresses of some servers of a cluster separated by commas, such as
	// "nats://a:4222,nats://b:4222". It may contain a user and a password, or a token, whose special characters are written
	// as in any URL, such as "%2C" for a comma; each address needs them. Empty means nats://127.0.0.1:4222.
	URL string

	// Credentials names a file with the JWT and the seed of a user, as nsc writes it. Empty means none.
	Credentials string

	// TLS is used for all connections if it is not nil. Without it, servers that require TLS are verified against the
	// certificates of the system.
	TLS *tls.Config

	// Prefix is the name of the stream and the first part of all subjects: stores see each other if they have the same.
	// It consists of letters, digits, "_" and "-". Empty means "tidewire".
	Prefix string

	// Replicas is how many servers keep the entries, if the store is the one that creates the stream: 1, 3 or 5. Zero
	// means 1.
	Replicas int

	// Name tells people which process this is: in the lists of the servers, and in its lease. Empty means the name of
	// the host.
	Name string

	// Lease is how long the process may be without an answer of the servers until its claims are lost, and others can
	// adopt its runs. After the loss of a machine, servers need up to 8 s to agree again, so less than 15 s costs runs
	// then. At least a second. Zero means 15 s.
	Lease time.Duration

	// Pace is the least time between two writes of a topic by Put; of what was put in between, the newest counts. The
	// first Put after a pause, and ends, are written at once. Negative means none. Zero means 50 ms.
	Pace time.Duration

	// MaxData is the result of [Store.MaxData]. The servers must allow a max_payload of 16 KiB more. Zero means what
	// fits into the 1 MiB that they allow by default.
	MaxData int

	// Logger gets what cannot be returned to a caller: that servers do not answer, that the lease was lost, and that
	// this is over. Nil discards it.
	Logger *slog.Logger
}

// withDefaults returns the options with their defaults, or why they cannot be used.
func (o Options) withDefaults() (Options, error) {
	if o.URL == "" {
		o.URL = "nats://127.0.0.1:4222"
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Pace == 0 {
		o.Pace = defaultPace
	}
	if o.MaxData == 0 {
		o.MaxData = defaultPayload - headroom
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case !isWord(o.Prefix):
		return o, fmt.Errorf("prefix %q: want up to 64 letters, digits, _ and -", o.Prefix)
	case o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5:
		return o, fmt.Errorf("%d replicas: want 1, 3 or 5", o.Replicas)
	case o.Lease < time.Second:
		return o, fmt.Errorf("a lease of %v: want at least 1s", o.Lease)
	case o.MaxData < 64<<10 || o.MaxData > 64<<20-headroom:
		return o, fmt.Errorf("data of up to %d bytes: want between 64 KiB and what fits into the 64 MiB of NATS", o.MaxData)
	}
	if o.Credentials != "" {
		if _, err := os.ReadFile(o.Credentials); err != nil {
			return o, fmt.Errorf("read the credentials: %w", err)
		}
	}
	return o, nil
}

// redacted returns the addresses without users and passwords.
func (o *Options) redacted() string {
	all := strings.Split(o.URL, ",")
	for i, one := range all {
		if at := strings.LastIndexByte(one, '@'); at >= 0 {
			scheme, _, found := strings.Cut(one, "://")
			if !found {
				scheme = "nats"
			}
			all[i] = scheme + "://" + one[at+1:]
		}
	}
	return strings.Join(all, ",")
}
