package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/internal/access/issuertest"
)

// guarded lets viewers and operators in, by the tokens viewer-secret and operator-secret.
func guarded(anonymous string) string {
	return fmt.Sprintf(`
access:
  anonymous: %s
  tokens:
    viewer: {sha256: "%x", role: viewer}
    operator: {sha256: "%x", role: operator}
`, anonymous, sha256.Sum256([]byte("viewer-secret")), sha256.Sum256([]byte("operator-secret")))
}

const (
	signInPage = `document.querySelector("main h1")?.textContent === "Sign in"`
	signedIn   = `connection() === "live" && value("tank") === "41.3"`
	signedOut  = `dialog()?.querySelector("h1").textContent === "Signed out"`
)

// account is the condition that the head has the account of name.
func account(name string) string {
	return fmt.Sprintf(`document.querySelector(".account b")?.textContent === %q`, name)
}

// signIn writes a token into the page that asks for one.
func (p *page) signIn(token string) {
	p.t.Helper()
	p.await(`document.querySelector("#token").checkVisibility()`)
	p.fill("#token", token)
	p.press("\r")
}

// signOut opens the menu in the head, which says who is signed in, and signs out there.
func (p *page) signOut() {
	p.t.Helper()
	p.click(".account summary")
	p.await(`document.querySelector(".account").open`)
	p.fits()
	p.readable()
	p.click(".account button")
}

func TestSigningIn(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27}`)
	s := serve(t, tank(plant.url)+"jobs: {scan: {exec: ['true']}}\n"+guarded("none"))
	wide := view{width: 1440, height: 900} // there is room for jobs
	p := open(t, s.url, wide)
	p.expect("status of 401")
	p.await(signInPage)
	if got := eval[string](p, `document.documentElement.outerHTML`); strings.Contains(got, "Tank") || strings.Contains(got, "scan") {
		t.Errorf("who is not signed in is sent %s", got)
	}
	p.signIn("wrong")
	p.goes(`document.querySelector("#problem").textContent === "This token is not valid." && document.activeElement === document.body`)
	p.readable()
	p.signIn("operator-secret")
	p.goes(signedIn + ` && ` + account("operator") + ` && text("scan", "button").startsWith("Run")`)
	if got := eval[string](p, `document.cookie + location.search + location.hash`); got != "" {
		t.Errorf("scripts see %q, want neither the cookie nor a trace of the form", got)
	}

	// Another tab is signed in as well, and out as soon as the first one is.
	other := p.tab(s.url, wide)
	other.expect("status of 401")
	other.await(signedIn)
	p.signOut()
	p.goes(signInPage)
	other.await(signedOut)

	// Who may only look is offered nothing, and refused it.
	p.signIn("viewer-secret")
	p.goes(signedIn + ` && ` + account("viewer") + ` && !text("scan", "button")`)
	other.await(`connection() === "live" && !dialog()`)
	p.expect("status of 403")
	const act = `fetch("jobs/scan/run", { method: "POST", body: new URLSearchParams(), headers: { Accept: "application/json" } }).then(async (r) => r.status + " " + (await r.json()).detail)`
	if got := eval[string](p, act); !strings.HasPrefix(got, "403 ") || !strings.Contains(got, "viewer") {
		t.Errorf("a run that a viewer asks for is answered by %q, want 403 and the role", got)
	}
	if log := s.log.String(); strings.Contains(log, "secret") {
		t.Errorf("a token is in the log:\n%s", log)
	}
}

// A session that ends while the page is open ends what comes to the page. See [TestSignedOutInPlace] for what is done about it.
func TestASessionThatEnds(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27}`)
	s := serve(t, tank(plant.url)+guarded("none"))
	p := open(t, s.url, view{})
	p.expect("status of 401")
	p.signIn("viewer-secret")
	p.goes(signedIn)
	eval[bool](p, `fetch("auth/logout", { method: "POST" }).then((r) => r.ok)`) // the page does not know
	p.await(signedOut + ` && document.activeElement.name === "token"`)
	plant.say(`{"level": 57}`)
	s.untilAs("viewer-secret", "sources/tank", `"level":57`)
	if got := eval[string](p, `value("tank")`); got != "41.3" {
		t.Errorf("a page whose session has ended shows %s, want what it had", got)
	}
	p.press("viewer-secret\r")
	p.await(`!dialog() && connection() === "live" && value("tank") === "57.0"`)
}

// Who may look without a name can sign in to do more.
func TestAnonymousVisitorsCanSignIn(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27}`)
	p := open(t, serve(t, tank(plant.url)+guarded("viewer")).url+"sources/tank", view{width: 390, height: 800, scheme: "light"})
	p.await(`connection() === "live"`)
	p.click(".bar a[href*='auth/login']")
	p.goes(signInPage)
	p.readable()
	p.fits()
	p.signIn("operator-secret")
	p.goes(`location.pathname === "/sources/tank" && connection() === "live" && ` + account("operator"))
	p.readable()
	p.fits()
	p.signOut()
	p.goes(`location.pathname === "/" && ` + signedIn + ` && document.querySelector(".bar a[href*='auth/login']").checkVisibility()`)
}

// A page of another origin can neither start a job with the visitor's cookie nor read anything.
func TestAnotherOriginCanDoNothing(t *testing.T) {
	s := serve(t, "jobs: {scan: {exec: ['true']}}\n"+guarded("none"))
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!doctype html><title>Evil</title><link rel="icon" href="data:,">`)
	}))
	t.Cleanup(evil.Close)
	p := open(t, s.url, view{})
	p.expect("status of 401")
	p.signIn("operator-secret")
	p.goes(`connection() === "live" && card("scan") !== null`)

	other := p.tab(evil.URL, view{})
	other.expect("")
	attack := fmt.Sprintf(`(async () => {
		const tries = [];
		for (const options of [
			{ method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": "text/plain" }, body: "{}" },
			{ method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: "{}" },
		]) tries.push(await fetch(%[1]q + "api/v1/jobs/scan/runs", options).then((r) => r.type, () => "refused"));
		const form = { method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({ name: "scan" }) };
		tries.push(await fetch(%[1]q + "jobs/scan/run", form).then((r) => r.type, () => "refused"));
		tries.push(await fetch(%[1]q, { credentials: "include" }).then((r) => r.text(), () => "refused"));
		tries.push(await fetch(%[1]q + "api/v1/jobs", { credentials: "include" }).then((r) => r.text(), () => "refused"));
		const source = new EventSource(%[1]q + "api/v1/stream", { withCredentials: true });
		tries.push(await new Promise((told) => { source.onmessage = () => told("read"); source.onerror = () => told("refused"); }));
		return tries.join(" ");
	})()`, s.url)
	if got, want := eval[string](other, attack), "opaque refused opaque refused refused refused"; got != want {
		t.Errorf("another origin gets %q, want %q", got, want)
	}
	if got := eval[bool](p, `fetch("api/v1/jobs").then((r) => r.json()).then((all) => all.jobs[0].last_run === null)`); !got {
		t.Error("another origin has started the job")
	}
}

// At a provider of another site, which sends the browser back: the cookie of the way there survives that, and the
// session's is there for the page.
func TestSigningInAtAProvider(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27}`)
	issuer := issuertest.New(t)
	issuer.URL = strings.Replace(issuer.URL, "127.0.0.1", "localhost", 1) // another site than the gateway's address
	s := serve(t, tank(plant.url)+fmt.Sprintf(`
access:
  oidc: {issuer: %s, client_id: %s, groups: {ops: operator}}
`, issuer.URL, issuertest.ClientID))
	p := open(t, s.url, view{})
	p.expect("status of 401")
	p.await(signInPage + ` && !document.querySelector("#token")`)
	const provider = `main a[href*="auth/oidc"]`
	p.click(provider)
	p.goes(signedIn + ` && ` + account("ann"))
	p.signOut()
	p.goes(signInPage + ` && document.querySelector("main .rest a").textContent === "Use another account"`)
	p.readable()

	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"groups": []string{"cooks"}, "preferred_username": "<b>bob</b>"}})
	p.expect("status of 403")
	const refused = `document.querySelector("main.message h1")?.textContent === "You have no access" && document.body.innerText.includes("signed in as <b>bob</b>, but")`
	p.click(provider)
	p.goes(refused)
	eval[bool](p, `window.first = true`)
	p.click("main a[href$='prompt=select_account']")
	p.goes(`!window.first && ` + refused + ` && location.pathname === "/auth/callback"`)
	p.click("main p:last-child a")
	p.goes(`location.pathname === "/" && ` + signInPage)
}

// Signing in leads back to where one was on the page, and signing out to the provider and back.
func TestTheWayToAProviderAndBack(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.27}`)
	issuer := issuertest.New(t)
	s := serve(t, tank(plant.url)+fmt.Sprintf(`
access:
  oidc: {issuer: %s, client_id: %s, groups: {ops: operator}}
`, issuer.URL, issuertest.ClientID))
	left := make(chan string, 1)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		left <- r.FormValue("id_token_hint")
		http.Redirect(w, r, r.FormValue("post_logout_redirect_uri"), http.StatusSeeOther)
	}))
	t.Cleanup(provider.Close)
	issuer.Behave(issuertest.Behaviour{Metadata: map[string]any{"end_session_endpoint": provider.URL + "/logout"}})
	p := open(t, s.url+"sources/tank?range=1h", view{})
	p.expect("status of 401")
	p.await(signInPage)
	p.click(`main a[href*="auth/oidc"]`)
	p.goes(`connection() === "live" && ` + account("ann"))
	if got := eval[string](p, `location.pathname + location.search`); got != "/sources/tank?range=1h" {
		t.Errorf("signing in leads back to %q, want /sources/tank?range=1h", got)
	}
	p.signOut()
	p.goes(`document.querySelector("main.message h1")?.textContent === "You are signed out"`)
	p.click("main p:nth-of-type(2) a")
	p.goes(`location.pathname === "/" && ` + signInPage)
	if hint := <-left; strings.Count(hint, ".") != 2 {
		t.Errorf("the provider is told to end the session of %q, want an ID token", hint)
	}
}

// Where the session of a proxy in front ends, the page says that, whichever way the proxy asks people to sign in again.
func TestAProxyWhoseSessionEnds(t *testing.T) {
	t.Parallel() // it waits most of the time
	plant := newUpstream(t, `{"level": 41.27}`)
	s := serve(t, tank(plant.url))
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/sign-in", http.StatusFound)
		},
		"page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, "<!doctype html><title>Sign in</title>")
		},
		"status": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") == "" || strings.Contains(r.Header.Get("Accept"), "*/*") {
				http.Redirect(w, r, "http://localhost:1/sign-in", http.StatusFound)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var ended atomic.Bool
			pass := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if ended.Load() {
					ask(w, r)
					return
				}
				pass.ServeHTTP(w, r)
			}))
			t.Cleanup(proxy.Close)
			p := open(t, proxy.URL+"/sources/tank", view{})
			p.expect("")
			p.await(`connection() === "live"`)
			ended.Store(true)
			p.click("form[action$='tank/refresh'] button") // while the stream is still open
			p.await(`document.querySelector("main").innerText.includes("The session at the proxy in front of this page has ended")`)
			proxy.CloseClientConnections()
			p.await(`band().includes("No connection since") && band().includes("Reload the page to sign in again")`)
			ended.Store(false)
			p.goTo(proxy.URL + "/")
			p.await(signedIn)
			ended.Store(true)
			proxy.CloseClientConnections()
			p.await(`band().includes("Reload the page to sign in again")`)
		})
	}
}
