package certificate_test

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/certificate"
)

// A client uses new files within a second, keeps what it had while they cannot be used, and says so once.
func TestAClientReadsItsFilesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		one, oneKey := issue(t, "one.example")
		write(t, ca, one)
		write(t, cert, one)
		write(t, key, oneKey)
		var log record
		c, err := certificate.OpenClient(certificate.ClientOptions{CA: ca, Cert: cert, Key: key, ServerName: "one.example"}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		name := func(config *tls.Config) string { return config.Certificates[0].Leaf.DNSNames[0] }
		first := c.Config()
		if name(first) != "one.example" || first.ServerName != "one.example" || first.RootCAs == nil || first.InsecureSkipVerify {
			t.Errorf("Config = %+v, want the files and the name", first)
		}
		time.Sleep(time.Hour)
		if c.Config() != first {
			t.Error("the files have not changed, and the configuration has")
		}
		two, twoKey := issue(t, "two.example")
		write(t, cert, two) // and the key is still the first one's
		time.Sleep(2 * time.Second)
		for range 3 {
			if c.Config() != first {
				t.Error("a certificate with the key of another one is used")
			}
			time.Sleep(2 * time.Second)
		}
		write(t, key, twoKey)
		time.Sleep(2 * time.Second)
		if second := c.Config(); second == first || name(second) != "two.example" {
			t.Errorf("the renewed certificate is not used")
		}
		if err := os.Remove(ca); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if name(c.Config()) != "two.example" {
			t.Error("without a file of authorities the configuration before is not kept")
		}
		said := log.text.String()
		if strings.Count(said, "are not a certificate and its key") != 1 || strings.Count(said, "read again") != 1 || strings.Count(said, "no such file") != 1 {
			t.Errorf("the log is\n%s\nwant each problem once", said)
		}
	})
}

func TestOpenClientRefuses(t *testing.T) {
	dir := t.TempDir()
	cert, key := issue(t, "one.example")
	other, _ := issue(t, "two.example")
	for name, data := range map[string][]byte{"cert": cert, "key": key, "other": other, "empty": nil} {
		write(t, filepath.Join(dir, name), data)
	}
	for _, tt := range []struct{ ca, cert, key, want string }{
		{ca: "empty", want: "empty has no certificate in PEM"},
		{ca: "key", want: "key has no certificate in PEM"},
		{ca: "missing", want: "no such file"},
		{cert: "other", key: "key", want: "are not a certificate and its key"},
		{cert: "key", key: "cert", want: "are not a certificate and its key"},
	} {
		in := func(name string) string {
			if name == "" {
				return ""
			}
			return filepath.Join(dir, name)
		}
		_, err := certificate.OpenClient(certificate.ClientOptions{CA: in(tt.ca), Cert: in(tt.cert), Key: in(tt.key)}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("OpenClient(%+v) = %v, want %s", tt, err, tt.want)
		}
	}
}
