package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/tidewire/tidewire/internal/kind"
)

// Meanings keep beyond the process what the values of sources mean, so that the next one, which may have another
// configuration, does not take a value for what it is not. Their methods do not block.
type Meanings interface {
	// Meaning returns what was set last, "" if nothing is known of the source.
	Meaning(source string) string
	// SetMeaning sets it; "" forgets the source.
	SetMeaning(source, meaning string)
}

// meaning identifies what the values of s mean: it is that of another source if [poller.keepsValueOf] holds of the two.
func (s *poller) meaning() string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q", s.Kind, s.Parse.String())
	if spec, ok := s.Spec.(kind.Meant); ok {
		fmt.Fprintf(hash, " %q", spec.Meaning())
	}
	if s.Split != nil {
		fmt.Fprint(hash, " the number of rows")
	}
	for _, field := range s.Pick {
		fmt.Fprintf(hash, "\n%q %q", field.Name, field.Expr.String())
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// isMeant reports whether what the process before has left means what the values of s do, as far as that is known.
func (s *poller) isMeant() bool {
	if s.svc.deps.Meanings == nil {
		return true
	}
	was := s.svc.deps.Meanings.Meaning(s.Name)
	return was == "" || was == s.meaning()
}

// setMeaning has the next process know what the values of s mean.
func (s *poller) setMeaning() {
	if m := s.svc.deps.Meanings; m != nil && m.Meaning(s.Name) != s.meaning() {
		m.SetMeaning(s.Name, s.meaning())
	}
}

// forgetMeaning forgets what the values of a source meant that is removed.
func (svc *Service) forgetMeaning(source string) {
	if svc.deps.Meanings != nil {
		svc.deps.Meanings.SetMeaning(source, "")
	}
}
