package wire

import "time"

// Config is the snapshot of the configuration.
type Config struct {
	Key      string    `json:"key"`       // ConfigKey
	File     string    `json:"file"`      // empty: it was not read from a file
	LoadedAt time.Time `json:"loaded_at"` // when the configuration in effect was read
	Error    *string   `json:"error"`     // why the current file is not in effect; null if it is
	// StoreError is why the state of the gateway cannot be stored now; null if it can.
	StoreError *string `json:"store_error"`
	// ForwardError is why states are not published for other programs now; null if they are, or are not to be.
	ForwardError *string `json:"forward_error"`
	Version      int     `json:"version"` // counts, from 1, the different configurations that were in effect
}

// A Difference is the answer to a reload: what the new configuration has changed, by keys such as source/tank and
// job/discover, and by the names of the sections access, public_url, trust_forwarded and audit.
type Difference struct {
	Added     []string `json:"added"`
	Changed   []string `json:"changed"`
	Removed   []string `json:"removed"`
	Unchanged int      `json:"unchanged"`         // how many sources and jobs are the same
	Restart   []string `json:"restart,omitempty"` // changed keys whose new values count only after a restart
}
