package access_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
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
	if err := s.Begin(w, request("192.0.2.1:80")); err != nil {
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
	u, err = s.Complete(w, r)
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
	if u.Name != "ann" || u.Role != config.RoleOperator || !u.Known() {
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
			if len(cookies) != 1 || cookies[0].MaxAge >= 0 {
				t.Errorf("cookies %v, want the end of the sign-in's and no session", cookies)
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
	if _, _, err := s.back(query, nil); err == nil || !strings.Contains(err.Error(), "no sign-in") {
		t.Errorf("the browser's second return = %v, want it refused without the cookie", err)
	}
	if _, _, err := s.back(query, cookie); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("the same code with a kept cookie = %v, want the issuer to refuse it", err)
	}
	// A code of one's own, planted in the browser of somebody else.
	mine, _ := s.sent()
	_, theirs := s.sent()
	if _, _, err := s.back(i.Permit(mine).Query(), theirs); err == nil || !strings.Contains(err.Error(), "state") {
		t.Errorf("another person's code = %v, want it refused", err)
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
		if err := s.Begin(httptest.NewRecorder(), request("192.0.2.1:80")); err == nil {
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
func TestNoOIDC(t *testing.T) {
	s := newSite(t)
	if err := s.Begin(httptest.NewRecorder(), request("192.0.2.1:80")); err == nil {
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
