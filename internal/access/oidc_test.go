package access_test

import (
	"errors"
	"fmt"
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
	"github.com/tidewire/tidewire/internal/access/issuertest"
	"github.com/tidewire/tidewire/internal/config"
)

// newOIDC is a site whose people sign in at an issuer.
func newOIDC(t *testing.T) (*site, *issuertest.Issuer) {
	i, s := issuertest.New(t), newSite(t)
	s.cfg.Access.OIDC = &config.OIDC{
		Issuer: i.URL, ClientID: issuertest.ClientID, ClientSecret: "canary-client", Scopes: []string{"profile"}, GroupsClaim: "groups",
		Groups: map[string]config.Role{"ops": config.RoleOperator, "leads": config.RoleAdmin},
	}
	return s, i
}

// sent begins a sign-in and returns where the browser is sent, and with which cookie.
func (s *site) sent() (to string, cookie *http.Cookie) {
	s.t.Helper()
	w := httptest.NewRecorder()
	if err := s.Begin(w, request("192.0.2.1:80"), access.Visit{}); err != nil {
		s.t.Fatal(err)
	}
	return w.Header().Get("Location"), w.Result().Cookies()[0]
}

// back returns from the issuer; cookies are those that are set then.
func (s *site) back(query url.Values, cookie *http.Cookie) (u *access.User, cookies []*http.Cookie, err error) {
	r := request("192.0.2.1:80")
	if cookie != nil {
		r = with(cookie)
	}
	r.URL.RawQuery = query.Encode()
	w := httptest.NewRecorder()
	u, _, err = s.Complete(w, r)
	return u, w.Result().Cookies(), err
}

func TestOIDC(t *testing.T) {
	s, i := newOIDC(t)
	to, state := s.sent()
	sent, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	if q := sent.Query(); sent.Path != "/authorize" || q.Get("response_type") != "code" || q.Get("client_id") != "tidewire" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || q.Get("state") == "" || q.Get("scope") != "openid profile" {
		t.Errorf("sent to %s, want the code flow with PKCE, a nonce and a state", to)
	}
	if state.SameSite != http.SameSiteLaxMode || !state.HttpOnly || state.MaxAge > 600 || strings.Contains(state.Value, "nonce") {
		t.Errorf("the sign-in's cookie is %v, want a sealed one for some minutes that comes back from another site", state)
	}
	query := i.Permit(to).Query()
	u, cookies, err := s.back(query, state)
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "ann" || u.Role != config.RoleOperator || !u.Identified() {
		t.Errorf("signed in as %+v, want ann, operator", u)
	}
	if len(cookies) != 2 || cookies[0].MaxAge >= 0 || cookies[1].Name != "tidewire" || cookies[1].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies %v, want the end of the sign-in's and a session", cookies)
	}
	if got := s.who(with(cookies[1])); got != "ann/operator" {
		t.Errorf("the session is %s, want ann/operator", got)
	}

	// What the groups may do is asked of the configuration each time.
	changed := *s.cfg.Access.OIDC
	changed.Groups = map[string]config.Role{"staff": config.RoleAdmin}
	s.cfg = &config.Config{Access: &config.Access{OIDC: &changed}}
	if got := s.who(with(cookies[1])); got != "ann/admin" {
		t.Errorf("after a change of the groups it is %s, want ann/admin", got)
	}
	other := changed
	other.Issuer = "https://other.example"
	s.cfg = &config.Config{Access: &config.Access{OIDC: &other}}
	if got := s.who(with(cookies[1])); got != "/" {
		t.Errorf("after a change of the issuer it is %s, want nobody", got)
	}
}

func TestOIDCRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims map[string]any
		alg    string
		spoil  func(q url.Values, cookie *http.Cookie)
		want   string
	}{
		{"another audience", map[string]any{"aud": "other"}, "", nil, "audience"},
		{"given to another client", map[string]any{"aud": []string{"tidewire", "other"}, "azp": "other"}, "", nil, "another client"},
		{"given to nobody of several", map[string]any{"aud": []string{"tidewire", "other"}}, "", nil, "another client"},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, "", nil, "different provider"},
		{"another nonce", map[string]any{"nonce": "x"}, "", nil, "nonce"},
		{"no nonce", map[string]any{"nonce": nil}, "", nil, "nonce"},
		{"expired", map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, "", nil, "expired"},
		{"never expires", map[string]any{"exp": nil}, "", nil, "expired"},
		{"not signed", nil, "none", nil, "verify the ID token"},
		{"signed with the public key", nil, "HS256", nil, "verify the ID token"},
		{"another state", nil, "", func(q url.Values, _ *http.Cookie) { q.Set("state", "x") }, "state"},
		{"no state", nil, "", func(q url.Values, _ *http.Cookie) { q.Del("state") }, "state"},
		{"another code", nil, "", func(q url.Values, _ *http.Cookie) { q.Set("code", "x") }, "invalid_grant"},
		{"an answer of another issuer", nil, "", func(q url.Values, _ *http.Cookie) { q.Set("iss", "https://evil.example") }, "another provider"},
		{"a refusal", nil, "", func(q url.Values, _ *http.Cookie) { q.Set("error", "access_denied") }, "access_denied"},
		{"a refusal that repeats the client's secret", nil, "", func(q url.Values, _ *http.Cookie) { q.Set("error", "canary-client is wrong") }, "refused"},
		{"a cookie that was changed", nil, "", func(_ url.Values, c *http.Cookie) { c.Value = "A" + c.Value[1:] + "A" }, "not begun by this process"},
		{"an empty cookie", nil, "", func(_ url.Values, c *http.Cookie) { c.Value = "" }, "not begun by this process"},
		{"no group", map[string]any{"groups": []string{"staff"}}, "", nil, "has a role"},
		{"groups that are none", map[string]any{"groups": map[string]any{"ops": true}}, "", nil, "has a role"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, i := newOIDC(t)
			to, cookie := s.sent()
			query := i.Permit(to).Query()
			i.Behave(issuertest.Behaviour{Claims: c.claims, Alg: c.alg})
			if c.spoil != nil {
				c.spoil(query, cookie)
			}
			u, cookies, err := s.back(query, cookie)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Complete = %+v, %v, want an error with %q", u, err, c.want)
			} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), query.Get("code")) && query.Get("code") != "x" {
				t.Errorf("Complete = %v, want no secret in it", err)
			}
			var notBegun *access.NotBegunError
			if foreign := errors.As(err, &notBegun); foreign && len(cookies) != 0 || !foreign && (len(cookies) != 1 || cookies[0].MaxAge >= 0) {
				t.Errorf("cookies %v, want no session, and the end of the sign-in's if it was one", cookies)
			}
		})
	}
}

// A code counts once, and so does the sign-in that it belongs to.
func TestOIDCReplay(t *testing.T) {
	s, i := newOIDC(t)
	to, cookie := s.sent()
	query := i.Permit(to).Query()
	if _, _, err := s.back(query, cookie); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.back(query, nil); err == nil || !strings.Contains(err.Error(), "no such sign-in") {
		t.Errorf("the browser's second return = %v, want it refused without the cookie", err)
	}
	if _, _, err := s.back(query, cookie); err == nil || !strings.Contains(err.Error(), "completed before") {
		t.Errorf("the same code with a kept cookie = %v, want it refused", err)
	}
	// A code of one's own, planted in the browser of somebody else.
	mine, own := s.sent()
	_, theirs := s.sent()
	theirs.Name = own.Name
	if _, _, err := s.back(i.Permit(mine).Query(), theirs); err == nil || !strings.Contains(err.Error(), "state") {
		t.Errorf("another person's code = %v, want it refused", err)
	}
}

// A page of another site can make a browser ask for the callback. That is no attempt to sign in: neither tokens nor
// people at that address have to wait for it.
func TestForeignCallbacksDoNotCount(t *testing.T) {
	s, i := newOIDC(t)
	to, cookie := s.sent()
	for range 30 {
		s.back(url.Values{"code": {"x"}, "state": {"y"}}, nil)
		s.back(url.Values{"code": {"x"}, "state": {"y"}}, &http.Cookie{Name: cookie.Name, Value: "forged"})
	}
	if got := s.who(request("192.0.2.1:80", "Authorization", "Bearer viewer-secret")); got != "viewer/viewer" {
		t.Errorf("the right token is %s, want viewer/viewer", got)
	}
	if _, _, err := s.back(i.Permit(to).Query(), cookie); err != nil {
		t.Errorf("a sign-in that was begun here = %v, want nil", err)
	}
}

// Each tab has a sign-in of its own; they end in any order, and what does not belong to one leaves all of them alone.
func TestSignInsOfSeveralTabs(t *testing.T) {
	s, i := newOIDC(t)
	jar := map[string]*http.Cookie{}
	keep := func(cookies []*http.Cookie) {
		for _, cookie := range cookies {
			if jar[cookie.Name] = cookie; cookie.MaxAge < 0 {
				delete(jar, cookie.Name)
			}
		}
	}
	bring := func(r *http.Request) *http.Request {
		for _, cookie := range jar {
			r.AddCookie(cookie)
		}
		return r
	}
	begin := func() string {
		w := httptest.NewRecorder()
		if err := s.Begin(w, bring(request("192.0.2.1:80")), access.Visit{}); err != nil {
			t.Fatal(err)
		}
		keep(w.Result().Cookies())
		return w.Header().Get("Location")
	}
	end := func(query url.Values) error {
		r := bring(request("192.0.2.1:80"))
		r.URL.RawQuery = query.Encode()
		w := httptest.NewRecorder()
		_, _, err := s.Complete(w, r)
		keep(w.Result().Cookies())
		return err
	}
	first, second := begin(), begin()
	var notBegun *access.NotBegunError
	if err := end(url.Values{"state": {"somebody-elses"}, "code": {"x"}}); !errors.As(err, &notBegun) || len(jar) != 2 {
		t.Errorf("a foreign answer = %v and leaves %d sign-ins, want a NotBegunError and 2", err, len(jar))
	}
	for name, to := range map[string]string{"second": second, "first": first} {
		if err := end(i.Permit(to).Query()); err != nil {
			t.Errorf("the %s tab = %v, want nil", name, err)
		}
	}
	if len(jar) != 1 {
		t.Errorf("the browser keeps %d cookies, want the session alone", len(jar))
	}

	// However many are begun and left, the browser keeps the newest few.
	oldest := begin()
	for range 3 * access.MaxPending {
		begin()
	}
	if got := len(jar) - 1; got != access.MaxPending {
		t.Errorf("the browser keeps %d sign-ins, want %d", got, access.MaxPending)
	}
	if err := end(i.Permit(oldest).Query()); !errors.As(err, &notBegun) {
		t.Errorf("the oldest sign-in = %v, want it given up", err)
	}
	if err := end(i.Permit(begin()).Query()); err != nil {
		t.Errorf("the newest sign-in = %v, want nil", err)
	}
}

// However often one cookie comes back at once, the provider is asked once.
func TestASignInIsExchangedOnce(t *testing.T) {
	s, i := newOIDC(t)
	to, cookie := s.sent()
	query := i.Permit(to).Query()
	var all sync.WaitGroup
	var ok, busy atomic.Int32
	for n := range 600 {
		all.Go(func() {
			r := request(fmt.Sprintf("10.0.%d.%d:80", n/250, n%250), "Cookie", cookie.Name+"="+cookie.Value)
			r.URL.RawQuery = query.Encode()
			_, _, err := s.Complete(httptest.NewRecorder(), r)
			var later *access.BusyError
			switch {
			case err == nil:
				ok.Add(1)
			case errors.As(err, &later):
				busy.Add(1)
			}
		})
	}
	all.Wait()
	if got := i.Asked("/token"); got != 1 || ok.Load() != 1 {
		t.Errorf("the provider was asked %d times, %d succeeded (%d found it busy), want 1 and 1", got, ok.Load(), busy.Load())
	}
}

// Sign-ins are remembered as used until they are too old anyway, and so many at most.
func TestUsedSignInsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for i := range access.MaxUsed + 5 {
			if !s.Guard.Use(strconv.Itoa(i)) || s.Guard.Use(strconv.Itoa(i)) {
				t.Fatalf("sign-in %d is used otherwise than once", i)
			}
		}
		if all, ordered := s.Guard.Used(); all != access.MaxUsed || ordered != access.MaxUsed {
			t.Errorf("%d and %d are remembered, want %d", all, ordered, access.MaxUsed)
		}
		time.Sleep(11 * time.Minute)
		s.Guard.Use("another")
		if all, ordered := s.Guard.Used(); all != 1 || ordered != 1 {
			t.Errorf("after 11 minutes %d and %d are remembered, want 1", all, ordered)
		}
	})
}

// A provider that answers slowly holds a few sign-ins of one address; others there are told to come again, those of
// other addresses go on, and so does everything else.
func TestASlowProviderHoldsFew(t *testing.T) {
	s, i := newOIDC(t)
	begun := func() (*http.Cookie, url.Values) {
		to, cookie := s.sent()
		return cookie, i.Permit(to).Query()
	}
	hold := make(chan struct{})
	i.Behave(issuertest.Behaviour{Hold: hold})
	results := make(chan error)
	for range access.MaxClientExchanges + 1 {
		cookie, query := begun()
		go func() {
			_, _, err := s.back(query, cookie)
			results <- err
		}()
	}
	var busy *access.BusyError
	if err := <-results; !errors.As(err, &busy) || busy.After <= 0 { // the others are held
		t.Errorf("one sign-in too many = %v, want a BusyError", err)
	}
	if got := s.who(request("192.0.2.1:80", "Authorization", "Bearer viewer-secret")); got != "viewer/viewer" {
		t.Errorf("meanwhile a token is %s, want viewer/viewer", got)
	}
	again, query := begun()
	if _, _, err := s.back(query, again); !errors.As(err, &busy) {
		t.Errorf("one more = %v, want a BusyError", err)
	}
	r := request("198.51.100.1:80")
	cookie, other := begun()
	r.AddCookie(cookie)
	r.URL.RawQuery = other.Encode()
	go func() {
		_, _, err := s.Complete(httptest.NewRecorder(), r)
		results <- err
	}()
	close(hold)
	for range access.MaxClientExchanges + 1 {
		if err := <-results; err != nil {
			t.Errorf("a sign-in that was held = %v, want nil", err)
		}
	}
	if _, _, err := s.back(query, again); err != nil {
		t.Errorf("the sign-in that was told to come again = %v, want nil", err)
	}
}

// A name that only userinfo has is asked for there. It is a courtesy: without it people are called by their subject.
func TestNamesOfUserInfo(t *testing.T) {
	s, i := newOIDC(t)
	for _, c := range []struct {
		info map[string]any
		want string
	}{
		{map[string]any{"sub": "42", "preferred_username": "bob"}, "bob"},
		{map[string]any{"sub": "42", "name": "Bob B."}, "Bob B."},
		{map[string]any{"sub": "43", "preferred_username": "mallory"}, "42"},
		{nil, "42"},
	} {
		i.Behave(issuertest.Behaviour{Claims: map[string]any{"preferred_username": nil}, UserInfo: c.info})
		to, cookie := s.sent()
		u, _, err := s.back(i.Permit(to).Query(), cookie)
		if err != nil || u.Name != c.want || u.ID.Subject != "42" {
			t.Errorf("with userinfo %v: %+v, %v, want %s, whose subject is 42", c.info, u, err, c.want)
		}
	}
}

// Who somebody is does not follow from their name.
func TestIdentitiesOfTheSameName(t *testing.T) {
	s, i := newOIDC(t)
	s.cfg.Access.Proxy = &config.Proxy{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, UserHeader: "X-User", GroupsHeader: "X-Groups", Role: config.RoleViewer}
	i.Behave(issuertest.Behaviour{Claims: map[string]any{"preferred_username": "viewer"}})
	to, cookie := s.sent()
	person, _, err := s.back(i.Permit(to).Query(), cookie)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := s.Identify(request("192.0.2.1:80", "Authorization", "Bearer viewer-secret"))
	session, _ := s.Identify(with(s.signIn("viewer-secret")))
	proxied, _ := s.Identify(request("10.0.0.1:80", "X-User", "viewer"))
	if want := (access.Identity{Kind: "oidc", Issuer: i.URL, Subject: "42"}); person.Name != "viewer" || person.ID != want {
		t.Errorf("the person is %+v, want viewer, %+v", person, want)
	}
	if want := (access.Identity{Kind: "token", Subject: "viewer"}); token.ID != want || session.ID != want {
		t.Errorf("the token is %+v, its session %+v, want %+v", token.ID, session.ID, want)
	}
	if want := (access.Identity{Kind: "proxy", Subject: "viewer"}); proxied.ID != want {
		t.Errorf("the proxy's person is %+v, want %+v", proxied.ID, want)
	}
}

// The provider is told what to ask for: as configured, or to offer its accounts.
func TestPrompts(t *testing.T) {
	for _, c := range []struct {
		configured string
		another    bool
		known      []string
		want       string
	}{
		{"", false, nil, ""},
		{"login", false, nil, "login"},
		{"login", true, nil, "select_account"},
		{"", true, []string{"login", "select_account"}, "select_account"},
		{"", true, []string{"none", "login"}, "login"},
	} {
		s, i := newOIDC(t)
		s.cfg.Access.OIDC.Prompt = c.configured
		if c.known != nil {
			i.Behave(issuertest.Behaviour{Metadata: map[string]any{"prompt_values_supported": c.known}})
		}
		w := httptest.NewRecorder()
		if err := s.Begin(w, request("192.0.2.1:80"), access.Visit{Another: c.another}); err != nil {
			t.Fatal(err)
		}
		to, _ := url.Parse(w.Header().Get("Location"))
		if got := to.Query().Get("prompt"); got != c.want {
			t.Errorf("%+v: prompt %q, want %q", c, got, c.want)
		}
	}
}

// People come back to where they were on the page.
func TestWhereTheSignInBegan(t *testing.T) {
	s, i := newOIDC(t)
	w := httptest.NewRecorder()
	if err := s.Begin(w, request("192.0.2.1:80"), access.Visit{Return: "/?q=tank#b"}); err != nil {
		t.Fatal(err)
	}
	r := with(w.Result().Cookies()[0])
	r.URL.RawQuery = i.Permit(w.Header().Get("Location")).RawQuery
	if _, back, err := s.Complete(httptest.NewRecorder(), r); err != nil || back != "/?q=tank#b" {
		t.Errorf("Complete leads back to %q, %v, want /?q=tank#b", back, err)
	}
}

// Signing out leads to the end of the session at the provider, if that offers one.
func TestSigningOutAtTheProvider(t *testing.T) {
	for _, c := range []struct {
		name, endpoint string
		off, byToken   bool
		want           string
		long           bool
	}{
		{"offered", "https://id.example/logout?realm=a", false, false, "https://id.example/logout", false},
		{"an ID token that is too long for an address", "https://id.example/logout?realm=a", false, false, "https://id.example/logout", true},
		{"not offered", "", false, false, "", false},
		{"not wanted", "https://id.example/logout", true, false, "", false},
		{"no address", "javascript:alert(1)", false, false, "", false},
		{"the session of a token", "https://id.example/logout", false, true, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, i := newOIDC(t)
			s.cfg.PublicURL, _ = url.Parse("https://plant.example/t")
			s.cfg.Access.OIDC.EndSession = !c.off
			if c.endpoint != "" {
				says := issuertest.Behaviour{Metadata: map[string]any{"end_session_endpoint": c.endpoint}}
				if c.long {
					says.Claims = map[string]any{"more": strings.Repeat("x", 8<<10)}
				}
				i.Behave(says)
			}
			to, state := s.sent()
			_, cookies, err := s.back(i.Permit(to).Query(), state)
			if err != nil {
				t.Fatal(err)
			}
			session := cookies[1]
			if c.byToken {
				session = s.signIn("viewer-secret")
			}
			got := s.SignOut(httptest.NewRecorder(), with(session))
			if c.want == "" {
				if got != "" {
					t.Errorf("signing out leads to %q, want nowhere", got)
				}
				return
			}
			u, _ := url.Parse(got)
			q := u.Query()
			if c.long {
				if q.Has("id_token_hint") || q.Get("client_id") != "tidewire" {
					t.Errorf("signing out leads to an address of %d bytes, want the client alone", len(got))
				}
				return
			}
			if !strings.HasPrefix(got, c.want) || q.Get("realm") != "a" || q.Get("client_id") != "tidewire" ||
				q.Get("post_logout_redirect_uri") != "https://plant.example/t/" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
				t.Errorf("signing out leads to %q, want %s with the client, the way back and the ID token", got, c.want)
			}
			if again := s.SignOut(httptest.NewRecorder(), with(session)); again != "" {
				t.Errorf("signing out twice leads to %q, want nowhere", again)
			}
		})
	}
}

// Wrong tokens at an address keep nobody from signing in at the provider.
func TestWrongTokensDoNotLimitTheProvider(t *testing.T) {
	s, i := newOIDC(t)
	to, cookie := s.sent()
	for n := range 30 {
		s.Identify(request("192.0.2.1:80", "Authorization", fmt.Sprintf("Bearer wrong-%d", n)))
	}
	if _, _, err := s.back(i.Permit(to).Query(), cookie); err != nil {
		t.Errorf("Complete = %v, want nil", err)
	}
}

func TestOIDCNoGroup(t *testing.T) {
	s, i := newOIDC(t)
	i.Behave(issuertest.Behaviour{Claims: map[string]any{"groups": []string{"cooks"}}})
	to, cookie := s.sent()
	_, _, err := s.back(i.Permit(to).Query(), cookie)
	var noRole *access.NoRoleError
	if !errors.As(err, &noRole) || noRole.Name != "ann" {
		t.Errorf("Complete = %v, want that ann has no role", err)
	}
}

// Some providers give a text for one group, and some tell the groups only when asked.
func TestOIDCGroups(t *testing.T) {
	for name, c := range map[string]struct {
		claims, info map[string]any
		want         string
	}{
		"text":              {map[string]any{"groups": "leads"}, nil, "ann/admin"},
		"the highest":       {map[string]any{"groups": []any{"ops", 7, "leads"}}, nil, "ann/admin"},
		"told when asked":   {map[string]any{"groups": nil}, map[string]any{"sub": "42", "groups": []string{"ops"}, "preferred_username": "root"}, "ann/operator"},
		"of somebody else":  {map[string]any{"groups": nil}, map[string]any{"sub": "43", "groups": []string{"ops"}}, "error"},
		"not told":          {map[string]any{"groups": nil}, map[string]any{"sub": "42"}, "error"},
		"a name from email": {map[string]any{"preferred_username": "a\nb", "email": "ann@plant"}, nil, "ann@plant/operator"},
		"no name":           {map[string]any{"preferred_username": nil}, nil, "42/operator"},
	} {
		t.Run(name, func(t *testing.T) {
			s, i := newOIDC(t)
			i.Behave(issuertest.Behaviour{Claims: c.claims, UserInfo: c.info})
			to, cookie := s.sent()
			got := "error"
			if u, _, err := s.back(i.Permit(to).Query(), cookie); err == nil {
				got = u.Name + "/" + string(u.Role)
			}
			if got != c.want {
				t.Errorf("signed in as %s, want %s", got, c.want)
			}
		})
	}
}

// The issuer is asked when somebody signs in, and after a failure not again at once; tokens work meanwhile.
func TestOIDCIssuerIsDown(t *testing.T) {
	s, i := newOIDC(t)
	i.Behave(issuertest.Behaviour{Down: true})
	for range 5 {
		if err := s.Begin(httptest.NewRecorder(), request("192.0.2.1:80"), access.Visit{}); err == nil {
			t.Error("Begin = nil while the issuer is down")
		}
	}
	if got := i.Asked("/.well-known/openid-configuration"); got != 1 {
		t.Errorf("the issuer was asked %d times, want once", got)
	}
	i.Behave(issuertest.Behaviour{})
	if got := s.who(request("192.0.2.1:80", "Authorization", "Bearer viewer-secret")); got != "viewer/viewer" {
		t.Errorf("a token is %s meanwhile, want viewer/viewer", got)
	}
	s.Guard.Later()
	to, cookie := s.sent()
	if _, _, err := s.back(i.Permit(to).Query(), cookie); err != nil {
		t.Errorf("once the issuer is back: %v, want nil", err)
	}
}

// Without a provider there is nobody to ask.
// An answer of the provider is read up to 1 MiB: what is longer is none.
func TestAnswersOfTheProviderAreBounded(t *testing.T) {
	for size, ok := range map[int]bool{1<<20 - 10_000: true, 1 << 20: false} {
		s, i := newOIDC(t)
		i.Behave(issuertest.Behaviour{Metadata: map[string]any{"a_claim_that_comes_first": strings.Repeat("x", size)}})
		if err := s.Begin(httptest.NewRecorder(), request("192.0.2.1:80"), access.Visit{}); (err == nil) != ok {
			t.Errorf("Begin with a provider that answers %d bytes and more = %v, want success: %t", size, err, ok)
		}
	}
}

func TestNoOIDC(t *testing.T) {
	s := newSite(t)
	if err := s.Begin(httptest.NewRecorder(), request("192.0.2.1:80"), access.Visit{}); err == nil {
		t.Error("Begin = nil without a provider")
	}
	if _, _, err := s.back(url.Values{}, nil); err == nil {
		t.Error("Complete = nil without a provider")
	}
}

// People come back to the public address.
func TestOIDCRedirect(t *testing.T) {
	for public, want := range map[string]string{
		"":                              "http://localhost/auth/callback",
		"https://plant.example":         "https://plant.example/auth/callback",
		"https://plant.example:8443/t/": "https://plant.example:8443/t/auth/callback",
	} {
		s, _ := newOIDC(t)
		if public != "" {
			s.cfg.PublicURL, _ = url.Parse(public)
		}
		to, cookie := s.sent()
		u, _ := url.Parse(to)
		if got := u.Query().Get("redirect_uri"); got != want {
			t.Errorf("public %q: sent back to %q, want %q", public, got, want)
		}
		if secure := strings.HasPrefix(public, "https"); cookie.Secure != secure || secure != strings.HasPrefix(cookie.Name, "__") {
			t.Errorf("public %q: cookie %v, want it secure: %v", public, cookie, secure)
		}
	}
}
