package access_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
)

// A site is a guard and the configuration that it follows.
type site struct {
	t *testing.T
	*access.Guard
	cfg *config.Config
}

// newSite has a viewer's and an operator's token, whose text is their name and "-secret".
func newSite(t *testing.T) *site {
	s := &site{t: t, cfg: &config.Config{Access: &config.Access{Tokens: []*config.Token{
		{Name: "viewer", SHA256: sha256.Sum256([]byte("viewer-secret")), Role: config.RoleViewer},
		{Name: "operator", SHA256: sha256.Sum256([]byte("operator-secret")), Role: config.RoleOperator, Jobs: []string{"scan"}},
	}}}}
	s.Guard = access.New(func() *config.Config { return s.cfg })
	return s
}

// request is one from an address, with a header.
func request(from string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	r.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// who is the name and the role of whoever makes a request.
func (s *site) who(r *http.Request) string {
	s.t.Helper()
	u, err := s.Identify(r)
	if (err != nil) && u != access.Nobody {
		s.t.Errorf("Identify = %+v with the error %v, want nobody", u, err)
	}
	if u == nil {
		s.t.Fatal("Identify = nil")
	}
	return u.Name + "/" + string(u.Role)
}

// signIn begins a session and returns its cookie.
func (s *site) signIn(token string, header ...string) *http.Cookie {
	s.t.Helper()
	w := httptest.NewRecorder()
	if _, err := s.SignIn(w, request("192.0.2.1:80", header...), token); err != nil {
		s.t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

// with is a request that brings a cookie.
func with(cookie *http.Cookie) *http.Request {
	return request("192.0.2.1:80", "Cookie", cookie.Name+"="+cookie.Value)
}

func TestWhatUsersCan(t *testing.T) {
	scan, other := &config.Job{Name: "scan"}, &config.Job{Name: "other"}
	admins, viewers := &config.Job{Name: "scan", Roles: []config.Role{config.RoleAdmin}}, &config.Job{Name: "scan", Roles: []config.Role{config.RoleViewer}}
	broken := &config.Job{Name: "scan", Roles: []config.Role{"owner", ""}}
	viewer, operator, admin := &access.User{Role: config.RoleViewer}, &access.User{Role: config.RoleOperator}, &access.User{Role: config.RoleAdmin}
	scanner := &access.User{Role: config.RoleAdmin, Jobs: []string{"scan"}}
	for _, c := range []struct {
		name string
		user *access.User
		verb access.Verb
		job  *config.Job
		want bool
	}{
		{"nobody, public", access.Nobody, access.Public, nil, true},
		{"nobody, view", access.Nobody, access.View, nil, false},
		{"nobody, viewers' job", access.Nobody, access.Operate, viewers, false},
		{"an unknown role, view", &access.User{Role: "root"}, access.View, nil, false},
		{"viewer, view", viewer, access.View, nil, true},
		{"viewer, operate", viewer, access.Operate, nil, false},
		{"viewer, job", viewer, access.Operate, scan, false},
		{"viewer, viewers' job", viewer, access.Operate, viewers, true},
		{"operator, operate", operator, access.Operate, nil, true},
		{"operator, job", operator, access.Operate, scan, true},
		{"operator, viewers' job", operator, access.Operate, viewers, true},
		{"operator, admins' job", operator, access.Operate, admins, false},
		{"operator, manage", operator, access.Manage, nil, false},
		{"admin, admins' job", admin, access.Operate, admins, true},
		{"admin, a job of unknown roles", admin, access.Operate, broken, false},
		{"admin, manage", admin, access.Manage, nil, true},
		{"admin, an unknown verb", admin, access.Manage + 1, nil, false},
		{"scanner, view", scanner, access.View, nil, true},
		{"scanner, its job", scanner, access.Operate, scan, true},
		{"scanner, another job", scanner, access.Operate, other, false},
		{"scanner, no job", scanner, access.Operate, nil, false},
		{"scanner, manage", scanner, access.Manage, nil, false},
	} {
		if got := c.user.Can(c.verb, c.job); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTokens(t *testing.T) {
	s := newSite(t)
	for header, want := range map[string]string{
		"Bearer viewer-secret":    "viewer/viewer",
		"bearer  operator-secret": "operator/operator",
		"Bearer viewer":           "/",
		"Bearer ":                 "/",
		"Bearer":                  "/",
		"Basic viewer-secret":     "/",
		"viewer-secret":           "/",
	} {
		if got := s.who(request("192.0.2.1:80", "Authorization", header)); got != want {
			t.Errorf("%q is %s, want %s", header, got, want)
		}
	}
	if _, err := s.Identify(request("192.0.2.1:80", "Authorization", "Bearer viewer")); !errors.Is(err, access.ErrUnknownToken) || strings.Contains(err.Error(), "viewer") {
		t.Errorf("Identify = %v, want ErrUnknownToken without the token", err)
	}
	s.cfg.Access.Anonymous = config.RoleViewer
	if got := s.who(request("192.0.2.1:80")); got != "anonymous/viewer" {
		t.Errorf("without a token it is %s, want anonymous/viewer", got)
	}
	if got := s.who(request("192.0.2.1:80", "Authorization", "Bearer x")); got != "/" {
		t.Errorf("with a wrong token it is %s, want nobody", got)
	}
	s.cfg = &config.Config{}
	if got := s.who(request("192.0.2.1:80")); got != "anonymous/admin" {
		t.Errorf("without access it is %s, want anonymous/admin", got)
	}
}

// A user is what the configuration makes of it at the time.
func TestRevalidate(t *testing.T) {
	s := newSite(t)
	s.cfg.Access.Anonymous = config.RoleViewer
	s.cfg.Access.Proxy = &config.Proxy{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, UserHeader: "X-User", GroupsHeader: "X-Groups", Role: config.RoleViewer}
	token, _ := s.Identify(request("192.0.2.1:80", "Authorization", "Bearer operator-secret"))
	session, _ := s.Identify(with(s.signIn("operator-secret")))
	anonymous, _ := s.Identify(request("192.0.2.1:80"))
	proxied, _ := s.Identify(request("10.0.0.1:80", "X-User", "ann", "X-Groups", "ops"))
	roles := func() string {
		var all []string
		for _, u := range []*access.User{token, session, anonymous, proxied} {
			all = append(all, string(s.Revalidate(u).Role))
		}
		return strings.Join(all, " ")
	}
	if got, want := roles(), "operator operator viewer viewer"; got != want {
		t.Errorf("roles %q, want %q", got, want)
	}
	for _, u := range []*access.User{token, session} {
		if len(u.Jobs) != 1 || !u.Identified() {
			t.Errorf("%+v, want its one job, and known", u)
		}
	}
	if anonymous.Identified() || !proxied.Identified() {
		t.Error("anonymous is known, or who a proxy names is not")
	}
	changed := *s.cfg.Access
	changed.Anonymous = config.RoleNone
	proxy := *changed.Proxy
	proxy.Groups = map[string]config.Role{"ops": config.RoleAdmin}
	changed.Proxy = &proxy
	admin := *changed.Tokens[1]
	admin.Role = config.RoleAdmin
	changed.Tokens = []*config.Token{changed.Tokens[0], &admin}
	s.cfg = &config.Config{Access: &changed}
	if got, want := roles(), "admin admin  admin"; got != want {
		t.Errorf("after a change, roles %q, want %q", got, want)
	}
	s.cfg = &config.Config{Access: &config.Access{Tokens: changed.Tokens[:1]}}
	if got, want := roles(), "   "; got != want {
		t.Errorf("after what they had is gone, roles %q, want %q", got, want)
	}
}

func TestSessionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		idle, used := s.signIn("viewer-secret"), s.signIn("viewer-secret")
		if idle.Value == used.Value || len(idle.Value) < 43 {
			t.Errorf("session ids %q and %q, want 256 bits that differ", idle.Value, used.Value)
		}
		watching, _ := s.Identify(with(idle))
		for range 2 {
			time.Sleep(7 * time.Hour)
			s.who(with(used))
			s.Revalidate(watching) // of a stream, which is no use
		}
		if got, want := s.who(with(idle))+" "+s.who(with(used)), "/ viewer/viewer"; got != want {
			t.Errorf("after 14 hours: %q, want %q", got, want)
		}
		if s.Revalidate(watching) != access.Nobody {
			t.Error("a stream outlives its session")
		}
		for range 7 * 24 / 11 {
			time.Sleep(11 * time.Hour)
			s.who(with(used))
		}
		if got := s.who(with(used)); got != "/" {
			t.Errorf("after 8 days of use: %q, want nobody", got)
		}
	})
}

func TestSigningInAndOut(t *testing.T) {
	s := newSite(t)
	first := s.signIn("viewer-secret")
	planted := s.signIn("viewer-secret", "Cookie", first.Name+"="+first.Value)
	if planted.Value == first.Value || s.who(with(first)) != "/" || s.who(with(planted)) != "viewer/viewer" {
		t.Error("signing in keeps the session that the browser brought, want a new one and the end of that")
	}
	chosen := s.signIn("viewer-secret", "Cookie", first.Name+"=chosen-by-somebody")
	if chosen.Value == "chosen-by-somebody" || s.who(request("192.0.2.1:80", "Cookie", first.Name+"=chosen-by-somebody")) != "/" {
		t.Error("an id that the browser brought became a session")
	}
	w := httptest.NewRecorder()
	s.SignOut(w, with(planted))
	if out := w.Result().Cookies(); len(out) != 1 || out[0].MaxAge >= 0 || s.who(with(planted)) != "/" {
		t.Errorf("signing out sets %v and leaves %s, want the cookie and the session gone", out, s.who(with(planted)))
	}
	if _, err := s.SignIn(w, request("192.0.2.1:80"), "nothing"); !errors.Is(err, access.ErrUnknownToken) {
		t.Errorf("SignIn = %v, want ErrUnknownToken", err)
	}
}

// Where browsers come by https, the cookie is theirs to keep from anything else.
func TestCookieNames(t *testing.T) {
	for public, want := range map[string]string{
		"":                        "tidewire /",
		"http://plant.example":    "tidewire /",
		"https://plant.example":   "__Host-tidewire / secure",
		"https://plant.example/":  "__Host-tidewire / secure",
		"https://plant.example/t": "__Secure-tidewire /t/ secure",
	} {
		s := newSite(t)
		if public != "" {
			s.cfg.PublicURL, _ = url.Parse(public)
		}
		cookie := s.signIn("viewer-secret")
		got := cookie.Name + " " + cookie.Path
		if cookie.Secure {
			got += " secure"
		}
		if got != want || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Domain != "" {
			t.Errorf("%q: %v, want %s, for this site and host, and no script", public, cookie, want)
		}
		if s.who(with(cookie)) != "viewer/viewer" {
			t.Errorf("%q: the cookie is not taken back", public)
		}
	}
}

// However often a person signs in, that costs nobody else a session: it ends their own, the one unused for longest.
func TestSigningInOftenEndsOnesOwnSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		other := s.signIn("operator-secret")
		first, second := s.signIn("viewer-secret"), s.signIn("viewer-secret")
		time.Sleep(time.Minute)
		s.who(with(first))
		for range access.MaxOwnSessions - 1 {
			s.signIn("viewer-secret")
		}
		if got, want := s.who(with(first))+" "+s.who(with(second)), "viewer/viewer /"; got != want {
			t.Errorf("with one session too many: %q, want %q", got, want)
		}
		for range access.MaxSessions {
			s.signIn("viewer-secret")
		}
		if got := s.who(with(other)); got != "operator/operator" {
			t.Errorf("after the viewer has signed in %d times, the operator's session is %s", access.MaxSessions, got)
		}
		if all, owners := s.Guard.Sessions(); all != access.MaxOwnSessions+1 || owners != 2 {
			t.Errorf("%d sessions of %d owners, want %d of 2", all, owners, access.MaxOwnSessions+1)
		}
	})
}

// Beyond the number of all sessions, one ends of whoever has the most.
func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		lone := s.signIn("operator-secret")
		crowd := []*http.Cookie{s.signIn("viewer-secret"), s.signIn("viewer-secret")}
		time.Sleep(time.Minute)
		s.who(with(crowd[0]))
		for i := range access.MaxSessions - 2 {
			s.Guard.AddSession(i)
		}
		if got, want := s.who(with(lone))+" "+s.who(with(crowd[0]))+" "+s.who(with(crowd[1])), "operator/operator viewer/viewer /"; got != want {
			t.Errorf("with one session too many: %q, want %q", got, want)
		}
		if all, _ := s.Guard.Sessions(); all != access.MaxSessions {
			t.Errorf("%d sessions, want %d", all, access.MaxSessions)
		}
	})
}

func TestProxies(t *testing.T) {
	s := newSite(t)
	s.cfg.Access.Proxy = &config.Proxy{
		Trust:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		UserHeader: "X-User", GroupsHeader: "X-Groups", Groups: map[string]config.Role{"ops": config.RoleOperator, "leads": config.RoleAdmin}, Role: config.RoleViewer,
	}
	for _, c := range []struct {
		from   string
		header []string
		want   string
	}{
		{"10.1.2.3:80", []string{"X-User", "ann"}, "ann/viewer"},
		{"[fd00::1%eth0]:80", []string{"X-User", "ann"}, "ann/viewer"},
		{"[::ffff:10.1.2.3]:80", []string{"X-User", "ann"}, "ann/viewer"},
		{"10.1.2.3:80", []string{"X-User", "ann", "X-Groups", "cooks , ops,leads"}, "ann/admin"},
		{"10.1.2.3:80", []string{"X-User", "ann", "X-Groups", "ops", "X-Groups", "leads"}, "ann/admin"},
		{"10.1.2.3:80", []string{"X-User", "ann", "X-User", "root"}, "/"},
		{"10.1.2.3:80", []string{"X-User", " "}, "/"},
		{"10.1.2.3:80", []string{"X-Groups", "leads"}, "/"},
		{"10.1.2.3:80", []string{"X-User", strings.Repeat("a", 1000)}, "/"},
		{"11.1.2.3:80", []string{"X-User", "ann"}, "/"},
		{"11.1.2.3:80", []string{"X-User", "ann", "X-Forwarded-For", "10.1.2.3"}, "/"},
		{"unix", []string{"X-User", "ann"}, "/"},
	} {
		r := request(c.from, c.header...)
		if got := s.who(r); got != c.want {
			t.Errorf("from %s with %q: %s, want %s", c.from, c.header, got, c.want)
		}
		if trusted := !strings.HasPrefix(c.from, "11.") && c.from != "unix"; !trusted && (r.Header.Get("X-User") != "" || r.Header.Get("X-Groups") != "") {
			t.Errorf("from %s: the header %v goes on, want it stripped", c.from, r.Header)
		}
	}
	s.cfg.Access.Proxy.Role = config.RoleNone
	if got := s.who(request("10.1.2.3:80", "X-User", "ann", "X-Groups", "cooks")); got != "/" {
		t.Errorf("without a group that counts: %s, want nobody", got)
	}
}

func TestAddresses(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct{ from, forwarded, want string }{
		{"192.0.2.1:80", "", "192.0.2.1"},
		{"192.0.2.1:80", "6.6.6.6", "192.0.2.1"}, // its own invention
		{"10.0.0.1:80", "", "10.0.0.1"},
		{"10.0.0.1:80", "6.6.6.6, 192.0.2.7", "192.0.2.7"},
		{"10.0.0.1:80", "6.6.6.6, 192.0.2.7:5000, 10.0.0.2", "192.0.2.7"},
		{"10.0.0.1:80", "6.6.6.6, unknown", "10.0.0.1"},
		{"10.0.0.1:80", "[2001:db8::1]:443", "2001:db8::1"},
		{"10.0.0.1:80", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"@", "", "invalid IP"},
	} {
		s.cfg.Access.Proxy = &config.Proxy{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, UserHeader: "X-User", GroupsHeader: "X-Groups"}
		if got := s.Address(request(c.from, "X-Forwarded-For", c.forwarded)).String(); got != c.want {
			t.Errorf("from %s, forwarded for %q: %s, want %s", c.from, c.forwarded, got, c.want)
		}
	}
}

// A proxy that is trusted with addresses alone is not believed when it names people. The peers of a unix socket have no
// address; as a proxy they have to be trusted by that name.
func TestForwardedAddresses(t *testing.T) {
	s := newSite(t)
	unix := func(header ...string) *http.Request {
		r := request("@", header...)
		return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/t.sock", Net: "unix"}))
	}
	headers := []string{"X-Forwarded-For", "6.6.6.6, 192.0.2.7", "X-User", "ann"}
	for _, c := range []struct {
		name      string
		forwarded []netip.Prefix
		request   *http.Request
		want      string
	}{
		{"trusted", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, request("127.0.0.1:80", headers...), "192.0.2.7"},
		{"another", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, request("127.0.0.2:80", headers...), "127.0.0.2"},
		{"nobody is", nil, request("127.0.0.1:80", headers...), "127.0.0.1"},
		{"the unix socket", []netip.Prefix{config.UnixPeers}, unix(headers...), "192.0.2.7"},
		{"the unix socket, which is not", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, unix(headers...), "invalid IP"},
		{"the unix socket without a header", []netip.Prefix{config.UnixPeers}, unix(), "invalid IP"},
		{"an address that stands for the socket", []netip.Prefix{config.UnixPeers, netip.MustParsePrefix("127.0.0.1/32")}, request("127.0.0.1:80", "X-Forwarded-For", "192.0.2.7, ::"), "127.0.0.1"},
	} {
		s.cfg.Forwarded = c.forwarded
		s.cfg.Access.Proxy = &config.Proxy{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, UserHeader: "X-User", GroupsHeader: "X-Groups", Role: config.RoleAdmin}
		if got := s.Address(c.request).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := s.who(c.request); got != "/" {
			t.Errorf("%s: it is %s, want nobody", c.name, got)
		}
	}
	s.cfg.Access.Proxy.Trust = []netip.Prefix{config.UnixPeers}
	if got := s.who(unix("X-User", "ann")); got != "ann/admin" {
		t.Errorf("by a unix socket that is trusted it is %s, want ann/admin", got)
	}
	// Limits count the client, not the proxy.
	s.cfg.Forwarded = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for i := range 30 {
		s.Identify(request("127.0.0.1:80", "X-Forwarded-For", "6.6.6.6", "Authorization", "Bearer wrong-"+strconv.Itoa(i)))
	}
	if _, err := s.Identify(request("127.0.0.1:80", "X-Forwarded-For", "192.0.2.7", "Authorization", "Bearer wrong")); !errors.Is(err, access.ErrUnknownToken) {
		t.Errorf("a wrong token of another client of the proxy = %v, want ErrUnknownToken", err)
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		try := func(from, token string) error {
			_, err := s.SignIn(httptest.NewRecorder(), request(from), token)
			return err
		}
		var tooMany *access.TooManyError
		tries := 0
		for ; !errors.As(try("[2001:db8::1]:80", "guess"), &tooMany); tries++ {
			if tries > 100 {
				t.Fatal("guessing has no limit")
			}
		}
		if tries != 10 || tooMany.Wait <= 0 || tooMany.Wait > time.Minute {
			t.Errorf("%d guesses, then a wait of %v, want 10 and some seconds", tries, tooMany.Wait)
		}
		if err := try("[2001:db8::2]:80", "guess"); !errors.As(err, &tooMany) {
			t.Errorf("another address of the network: %v, want the limit", err)
		}
		if err := try("[2001:db8:0:1::2]:80", "guess"); !errors.Is(err, access.ErrUnknownToken) {
			t.Errorf("another network: %v, want ErrUnknownToken", err)
		}
		time.Sleep(tooMany.Wait)
		if err := try("[2001:db8::1]:80", "guess"); !errors.Is(err, access.ErrUnknownToken) {
			t.Errorf("after the wait: %v, want ErrUnknownToken", err)
		}
		// A great many addresses take no more memory, and do not let go of the one that guesses.
		for range 20 {
			try("192.0.2.1:80", "guess")
		}
		for i := range access.MaxClients + 200 {
			try(netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 80).String(), "guess")
		}
		if got := s.Guard.Clients(); got > access.MaxClients {
			t.Errorf("%d addresses are remembered, want at most %d", got, access.MaxClients)
		}
		if err := try("192.0.2.1:80", "guess"); !errors.As(err, &tooMany) {
			t.Errorf("the address that guessed most was forgotten: %v", err)
		}
	})
}

// However many wrong tokens came from an address, the right one works there: by header and on the form.
func TestTheRightTokenIsNeverLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for i := range 1000 {
			s.Identify(request("192.0.2.1:80", "Authorization", "Bearer wrong-"+strconv.Itoa(i)))
		}
		if got := s.who(request("192.0.2.1:80", "Authorization", "Bearer viewer-secret")); got != "viewer/viewer" {
			t.Errorf("the right token is %s, want viewer/viewer", got)
		}
		if _, err := s.SignIn(httptest.NewRecorder(), request("192.0.2.1:80"), "viewer-secret"); err != nil {
			t.Errorf("SignIn with the right token = %v, want nil", err)
		}
	})
}

// Attempts beyond the limit do not lengthen the wait, also when they come at once.
func TestTheLimitHasAFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() { s.Identify(request("192.0.2.1:80", "Authorization", "Bearer wrong-"+strconv.Itoa(i))) })
		}
		all.Wait()
		var tooMany *access.TooManyError
		if _, err := s.Identify(request("192.0.2.1:80", "Authorization", "Bearer wrong")); !errors.As(err, &tooMany) || tooMany.Wait > 6*time.Second {
			t.Errorf("after 200 wrong tokens at once: %v, want a wait of at most 6s", err)
		}
	})
}

// Everybody at once: signing in and out, asking, and a configuration that changes meanwhile.
func TestManyAtOnce(t *testing.T) {
	s := newSite(t)
	var cfg atomic.Pointer[config.Config]
	cfg.Store(s.cfg)
	s.Guard = access.New(cfg.Load)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 80).String()
			for range 100 {
				w := httptest.NewRecorder()
				if _, err := s.SignIn(w, request(from), "viewer-secret"); err != nil {
					t.Errorf("SignIn = %v, want nil", err)
					return
				}
				cookie := w.Result().Cookies()[0]
				u, _ := s.Identify(with(cookie))
				s.Revalidate(u)
				s.Identify(request(from, "Authorization", "Bearer wrong"))
				changed := *s.cfg
				cfg.Store(&changed)
				s.SignOut(w, with(cookie))
				if again := s.Revalidate(u); again != access.Nobody {
					t.Errorf("after the sign-out it is %+v, want nobody", again)
				}
			}
		})
	}
	all.Wait()
}
