package natsstoretest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// A wrong password is said, does not end the attempts, and is over when the server accepts it.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	c := own(t, 1, `authorization: {user: me, password: right}`)
	p := newProxy(t, c.servers[0].addr())
	s := open(t, natsstore.Options{URL: strings.Replace(p.url(), "//", "//me:later@", 1)})
	p.waitForAttempts(t, 4) // the client of NATS gives up after the second, unless it is told not to
	got := status(t, s, mentions("Authorization Violation"))
	if strings.Contains(got.Err.Error(), "later") {
		t.Errorf("the status shows the password: %v", got.Err)
	}
	c.servers[0].reload(t, `authorization: {user: me, password: later}`)
	status(t, s, works)
}

var old = flag.String("old", "", "a nats-server older than 2.11, for TestOldServer")

// A server that is too old is refused, and said when it takes the place of a newer one. It is run by hand: the tests of
// natsstore have a server that says so and does no more.
func TestOldServer(t *testing.T) {
	if *old == "" {
		t.Skip("without -old")
	}
	c := own(t, 1, "")
	s := open(t, natsstore.Options{URL: c.url()})
	status(t, s, works)
	c.servers[0].stop()
	c.servers[0].program = *old
	if err := errors.Join(os.RemoveAll(filepath.Join(c.dir, "n1")), c.servers[0].start()); err != nil {
		t.Fatal(err)
	}
	const want = "need nats-server 2.11 or newer"
	t.Log(status(t, s, mentions(want)).Err)
	if s, err := natsstore.Open(natsstore.Options{URL: c.url()}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open = %v, %v, want an error with %q", s, err, want)
	}
	c.servers[0].stop()
	c.servers[0].program = serverPath
	if err := errors.Join(os.RemoveAll(filepath.Join(c.dir, "n1")), c.servers[0].start()); err != nil {
		t.Fatal(err)
	}
	status(t, s, works)
}

// A server without JetStream is said, and so is a stream that something else has made.
func TestNotOurs(t *testing.T) {
	c := own(t, 1, "")
	nc, err := nats.Connect(c.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "theirs", Subjects: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	s := open(t, natsstore.Options{URL: c.url(), Prefix: "theirs"})
	status(t, s, mentions("the stream theirs is not one that this package made: it has subjects [x]"))
	if err := js.DeleteStream(t.Context(), "theirs"); err != nil {
		t.Fatal(err)
	}
	status(t, s, works)

	for _, jetstream := range []bool{false, true} {
		c.servers[0].stop()
		c.servers[0].without = !jetstream
		if err := errors.Join(c.servers[0].configure(""), c.servers[0].start()); err != nil {
			t.Fatal(err)
		}
		if jetstream {
			status(t, s, works)
		} else {
			status(t, s, mentions("JetStream is not enabled"))
		}
	}
}

// A stream that can be used and is hardly meant to be as it is is said, once.
func TestAdvice(t *testing.T) {
	c := own(t, 1, "")
	status(t, open(t, natsstore.Options{URL: c.url()}), works)
	log := new(logged)
	s := open(t, natsstore.Options{URL: c.url(), Replicas: 3, Logger: slog.New(slog.NewTextHandler(log, nil))})
	says := func(want string) {
		t.Helper()
		status(t, s, works)
		for end := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), want); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the log does not say %q:\n%s", want, log)
			}
		}
	}
	says("nats stream edit tidewire --replicas 3")
	nc, err := nats.Connect(c.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	st, err := js.Stream(t.Context(), "tidewire")
	if err != nil {
		t.Fatal(err)
	}
	config := st.CachedInfo().Config
	config.MaxBytes = 1 << 20
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	log = new(logged)
	s = open(t, natsstore.Options{URL: c.url(), Logger: slog.New(slog.NewTextHandler(log, nil))})
	says("nats stream edit tidewire --discard new")
	time.Sleep(3 * time.Second)
	if n := strings.Count(log.String(), "advice="); n != 1 {
		t.Errorf("the advice was given %d times, want once:\n%s", n, log)
	}
}

// What the server cannot store is said, and stored when there is room again.
func TestServerIsFull(t *testing.T) {
	c := own(t, 1, "")
	s := open(t, natsstore.Options{URL: c.url()})
	w := watch(t, s)
	nc, err := nats.Connect(c.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	limit := func(bytes int64) {
		t.Helper()
		st, err := js.Stream(t.Context(), "tidewire")
		if err != nil {
			t.Fatal(err)
		}
		config := st.CachedInfo().Config
		config.MaxBytes, config.Discard = bytes, jetstream.DiscardNew
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	a := claim(t, s, "a", snapshot.ClaimOptions{})
	limit(100 << 10)
	big := strings.Repeat("x", 200<<10)
	a.Put([]byte(big))
	got := status(t, s, mentions("write: "))
	t.Logf("%v", got.Err)
	if e := w.last("a"); e.N != 0 {
		t.Errorf("a follower was told %d bytes, which are not stored", len(e.Data))
	}
	a.Put([]byte("small"))
	w.wait("a", snapshot.Live, "small")
	a.Put([]byte(big))
	status(t, s, mentions("write: "))
	limit(-1)
	w.wait("a", snapshot.Live, big)
	status(t, s, works)
	if isLost(a) {
		t.Error("the claim is lost")
	}
}

// Servers with a certificate of one's own.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: raw}, keyFile: {Type: "PRIVATE KEY", Bytes: rawKey},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := own(t, 1, fmt.Sprintf("tls: {cert_file: %q, key_file: %q}", certFile, keyFile))
	status(t, open(t, natsstore.Options{URL: c.url()}), mentions("certificate"))
	pool := x509.NewCertPool()
	cert, _ := x509.ParseCertificate(raw)
	pool.AddCert(cert)
	s := open(t, natsstore.Options{URL: c.url(), TLS: &tls.Config{RootCAs: pool}})
	status(t, s, works)
}

// A newer version's entries are neither shown nor replaced.
func TestLaterFormat(t *testing.T) {
	c, name := use(t, 1), prefix()
	s := ready(t, open(t, natsstore.Options{URL: c.url(), Prefix: name}))
	w := watch(t, s)
	nc, err := nats.Connect(c.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	msg := &nats.Msg{Subject: name + ".store.topic.a", Header: nats.Header{"Tidewire": {"2 something new"}}, Data: []byte("x")}
	if _, err := nc.RequestMsg(msg, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := s.Claim(ctx, "a", snapshot.ClaimOptions{}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("Claim = %v, want an error that names the newer version", err)
	}
	finish(t, claim(t, s, "b", snapshot.ClaimOptions{}), "end", time.Hour)
	w.wait("b", snapshot.Final, "end")
	if e := w.last("a"); e.State != 0 {
		t.Errorf("a follower was told %v", e)
	}
}

// A user that may do what docs/natsstore.md lists, and nothing else, is enough. What is missing of it is said, until the
// server permits it.
func TestPermissions(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/natsstore.md")
	if err != nil {
		t.Fatal(err)
	}
	row := func(what string) []string {
		_, row, _ := strings.Cut(string(page), "\n| "+what+" | ")
		row, _, _ = strings.Cut(row, " |\n")
		return strings.Split(strings.ReplaceAll(row, "`", "\""), ", ")
	}
	publish, subscribe := row("publish"), row("subscribe")
	without := func(all []string, one string) string {
		return "[" + strings.Join(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one }), ", ") + "]"
	}
	all := append(slices.Clone(publish), subscribe...)
	users := func(complete bool) string {
		var b strings.Builder
		b.WriteString("authorization: {users: [{user: whole, password: it, permissions: {publish: " + without(publish, "") + ", subscribe: " + without(subscribe, "") + "}}")
		for i, missing := range all {
			if complete {
				missing = ""
			}
			fmt.Fprintf(&b, ", {user: without%d, password: it, permissions: {publish: %s, subscribe: %s}}", i, without(publish, missing), without(subscribe, missing))
		}
		return b.String() + "]}"
	}
	c := own(t, 1, users(false))
	as := func(user string) *natsstore.Store {
		return open(t, natsstore.Options{URL: strings.Replace(c.url(), "//", "//"+user+":it@", 1)})
	}
	whole := as("whole")
	w := watch(t, whole)
	status(t, whole, works)
	usable := func(s *natsstore.Store, topic string) {
		t.Helper()
		status(t, s, works)
		a := claim(t, s, topic, snapshot.ClaimOptions{})
		a.Put([]byte("1"))
		w.wait(topic, snapshot.Live, "1")
		finish(t, a, "end", time.Hour)
		if err := s.Forget(t.Context(), topic, a.Run()); err != nil {
			t.Error(err)
		}
		w.wait(topic, snapshot.Gone, "")
	}
	usable(whole, "whole")
	stores := make(map[string]*natsstore.Store)
	for i, missing := range all {
		stores[missing] = as(fmt.Sprint("without", i))
	}
	for missing, s := range stores {
		switch {
		case strings.Contains(missing, "CREATE"):
			status(t, s, works) // the stream is there
			continue
		case strings.Contains(missing, "MSG.GET"):
			status(t, s, works) // until it asks for an entry
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := s.Forget(ctx, "none", "Run1")
			cancel()
			if err == nil || !strings.Contains(err.Error(), "the server does not permit what the store needs") {
				t.Errorf("Forget without a permission = %v, want it to say so", err)
			}
		}
		got := status(t, s, mentions("the server does not permit what the store needs"))
		t.Logf("without %s: %v", missing, got.Err)
	}
	c.servers[0].reload(t, users(true))
	for missing, s := range stores {
		usable(s, missing)
	}
}

// Credentials as nsc writes them, on a server that knows the operator alone.
func TestCredentials(t *testing.T) {
	pair := func(kind nkeys.PrefixByte) (nkeys.KeyPair, string) {
		t.Helper()
		k, err := nkeys.CreatePair(kind)
		if err != nil {
			t.Fatal(err)
		}
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return k, public
	}
	encode := func(claims interface {
		Encode(nkeys.KeyPair) (string, error)
	}, by nkeys.KeyPair) string {
		t.Helper()
		token, err := claims.Encode(by)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	operator, operatorID := pair(nkeys.PrefixByteOperator)
	account, accountID := pair(nkeys.PrefixByteAccount)
	user, userID := pair(nkeys.PrefixByteUser)
	_, systemID := pair(nkeys.PrefixByteAccount)
	oc := jwt.NewOperatorClaims(operatorID)
	oc.SystemAccount = systemID
	ac := jwt.NewAccountClaims(accountID)
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(encode(jwt.NewUserClaims(userID), account), seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	c := own(t, 1, fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {%s: %s, %s: %s}",
		encode(oc, operator), systemID, accountID, encode(ac, operator),
		systemID, encode(jwt.NewAccountClaims(systemID), operator)))
	status(t, open(t, natsstore.Options{URL: c.url()}), mentions("Authorization Violation"))
	status(t, open(t, natsstore.Options{URL: c.url(), Credentials: file}), works)
}
