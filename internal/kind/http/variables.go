package http

import (
	"crypto/x509"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/value"
)

// Variables of expressions on what a request gets.
const (
	statusVariable  = "$status"  // the status of the answer, a number
	headersVariable = "$headers" // an object of its headers: names in small letters, values joined by ", "
	tookVariable    = "$took"    // the seconds from the beginning of the request to the end of the answer
	certVariable    = "$cert"    // the certificate of the server; null without TLS
)

var variables = []string{statusVariable, headersVariable, tookVariable, certVariable}

// mostNames bounds the names of a certificate.
const mostNames = 100

// wanted are the variables of a source together with those of an expression, which may be nil.
func wanted(variables []string, p *jq.Program) []string {
	if p == nil {
		return variables
	}
	all := slices.Clone(variables)
	for _, use := range p.Uses() {
		if !slices.Contains(all, use.Name) {
			all = append(all, use.Name)
		}
	}
	return all
}

// variablesOf returns those of the variables that are wanted, nil if none are.
func variablesOf(wanted []string, resp *http.Response, took time.Duration) map[string]any {
	if len(wanted) == 0 {
		return nil
	}
	all := map[string]any{}
	for _, name := range wanted {
		switch name {
		case statusVariable:
			all[name] = resp.StatusCode
		case headersVariable:
			all[name] = value.Headers(resp.Header)
		case tookVariable:
			all[name] = seconds(took)
		case certVariable:
			all[name] = certificateOf(resp, time.Now())
		}
	}
	return all
}

// seconds returns a duration in seconds, to the microsecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }

// certificateOf returns the certificate of the server that answered, nil if it has none.
func certificateOf(resp *http.Response, now time.Time) any {
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return nil
	}
	c := resp.TLS.PeerCertificates[0]
	return map[string]any{
		"days":    daysLeft(c, now),
		"expires": c.NotAfter.UTC().Format(time.RFC3339),
		"issuer":  strings.ToValidUTF8(c.Issuer.String(), "\uFFFD"),
		"subject": strings.ToValidUTF8(c.Subject.String(), "\uFFFD"),
		"names":   namesIn(c),
	}
}

// daysLeft returns how many whole days a certificate is still valid; below 0: it has expired.
func daysLeft(c *x509.Certificate, now time.Time) int {
	return int(math.Floor(c.NotAfter.Sub(now).Hours() / 24))
}

// namesIn returns the names and addresses that a certificate is for.
func namesIn(c *x509.Certificate) []any {
	names := []any{}
	for _, name := range c.DNSNames {
		names = append(names, strings.ToValidUTF8(name, "\uFFFD"))
	}
	for _, address := range c.IPAddresses {
		names = append(names, address.String())
	}
	return names[:min(len(names), mostNames)]
}
