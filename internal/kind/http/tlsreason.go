package http

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
)

// tlsReason is the cause of a failed request that has to do with certificates, with what to do about it. It is empty for
// other causes.
func tlsReason(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		whole   *tls.CertificateVerificationError
		named   x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		by, cert := "an authority", unknown.Cert
		if errors.As(err, &whole) && len(whole.UnverifiedCertificates) > 0 {
			cert = whole.UnverifiedCertificates[0] // unknown is about the last one, which may be that of the authority
		}
		if cert != nil {
			issuer := cert.Issuer
			if issuer.String() == cert.Subject.String() {
				return "the certificate is signed by itself, not by an authority: name it as tls.ca"
			}
			by = cmp.Or(issuer.CommonName, issuer.String())
		}
		return "the certificate is signed by " + by + ", which is not trusted: name the certificate of that as tls.ca"
	case errors.As(err, &named):
		return nameReason(named)
	case errors.As(err, &invalid):
		return invalidReason(invalid)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS there: write http:// in the address of the upstream, or another port"
	case errors.As(err, &op) && op.Op == "remote error" && strings.HasPrefix(op.Err.Error(), "tls: "):
		return alertReason(strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	return ""
}

// nameReason is the reason for a certificate of another name.
func nameReason(err x509.HostnameError) string {
	names := err.Certificate.DNSNames
	for _, ip := range err.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	switch len(names) {
	case 0:
		return "the certificate has no name, and so is not one for " + err.Host + ": the server needs another one"
	case 1:
		return "the certificate is for " + names[0] + ", not for " + err.Host + ": write tls.server_name: " + names[0]
	}
	most := min(len(names), 3)
	return "the certificate is for " + strings.Join(names[:most], ", ") + ", not for " + err.Host + ": write one as tls.server_name"
}

// invalidReason is the reason for a certificate that is not valid, or not for servers.
func invalidReason(err x509.CertificateInvalidError) string {
	const day = "2006-01-02 15:04"
	if err.Reason != x509.Expired || err.Cert == nil {
		return strings.TrimPrefix(err.Error(), "x509: ")
	}
	if !strings.Contains(err.Detail, "is before") {
		return "the certificate expired on " + err.Cert.NotAfter.UTC().Format(day) + " UTC: the server needs a new one"
	}
	return "the certificate is valid from " + err.Cert.NotBefore.UTC().Format(day) + " UTC on: is the clock of this machine right?"
}

// alertReason is the reason for an alert by which the server has ended a handshake.
func alertReason(alert string) string {
	switch alert {
	case "certificate required":
		return "the server wants a certificate of this client: name one as tls.cert and tls.key"
	case "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate", "unknown certificate",
		"unknown certificate authority", "access denied":
		return "the server refuses the certificate of this client, or that there is none: " + alert +
			"; see tls.cert and tls.key"
	case "handshake failure":
		return "the server refuses the handshake of TLS; it may want a certificate of this client: tls.cert and tls.key"
	}
	return "the server ended the handshake of TLS: " + alert
}
