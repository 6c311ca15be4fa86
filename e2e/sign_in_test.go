package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

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
	runOfScan = `card("scan").querySelector("button.run")`
	signedOut = `connection() === "signed-out" && document.querySelector("#sign-in").checkVisibility() && !document.querySelector("#lists").checkVisibility()`
	signedIn  = `connection() === "live" && document.querySelector("#lists").checkVisibility() && text("tank", ".figure") === "41.3"`
)

// signIn writes a token into the form.
func (p *page) signIn(token string) {
	p.t.Helper()
	p.await(`document.querySelector("#token, #sign-in-token").checkVisibility()`)
	p.fill("#token, #sign-in-token", token)
	p.press("\r")
}

// signOut opens the menu in the head, which says who is signed in, and signs out there.
func (p *page) signOut() {
	p.t.Helper()
	p.click("#account-button")
	p.await(`document.querySelector("#account-menu").matches(":popover-open")`)
	p.fits()
	p.readable()
	p.click("#sign-out")
}

func TestSigningIn(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
	s := serve(t, tank(plant.url)+"jobs: {scan: {exec: ['true']}}\n"+guarded("none"))
	p := open(t, s.url, view{})
	p.expect("status of 401")
	p.await(signedOut)
	if got := eval[string](p, `document.querySelector("#connection").textContent.trim()`); got != "Signed out" {
		t.Errorf("the head says %q, want Signed out", got)
	}
	p.signIn("wrong")
	p.await(`document.querySelector("#sign-in-problem").textContent === "This token is not valid."`)
	p.readable()
	p.signIn("operator-secret")
	p.await(signedIn)
	p.await(`document.querySelector("#account-button").innerText === "operator"`)
	if got := eval[string](p, `document.cookie + location.hash`); got != "" {
		t.Errorf("scripts see %q, want neither the cookie nor a trace of the form", got)
	}

	if got := eval[string](p, runOfScan+".ariaDisabled"); got != "false" {
		t.Errorf("Run of an operator is disabled: %s", got)
	}
	p.await(`card("tank").querySelector(".refresh").ariaDisabled === "false"`)

	// Another tab is signed in as well, and out as soon as the first one is.
	other := p.tab(s.url, view{})
	other.expect("status of 401")
	other.await(signedIn)
	p.signOut()
	p.await(signedOut)
	other.await(signedOut)
	p.signIn("viewer-secret")
	p.await(signedIn + ` && ` + runOfScan + `.ariaDisabled === "true"`)
	p.click("[data-name=scan] button.run")
	p.await(`text("scan", ".problem") === "viewer may view but not act: the role is viewer."`)
	p.await(`((n) => n.ariaDisabled === "true" && n.title === "viewer may view but not act: the role is viewer.")(card("tank").querySelector(".refresh"))`)
	other.await(`connection() === "live"`)
	if log := s.log.String(); strings.Contains(log, "secret") {
		t.Errorf("a token is in the log:\n%s", log)
	}
}

// A session that ends while the page is open ends what the page shows.
func TestASessionThatEnds(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
	s := serve(t, tank(plant.url)+guarded("none"))
	p := open(t, s.url, view{})
	p.expect("status of 401")
	p.signIn("viewer-secret")
	p.await(signedIn)
	eval[bool](p, `fetch("auth/logout", { method: "POST" }).then((r) => r.ok)`) // the page does not know
	p.await(signedOut)
}

// A session that ends leaves nothing open in front of the form to sign in again, and the page says what has happened,
// whether the stream tells it or a request that is refused. Where anybody may look, the stream has no reason to tell.
func TestASessionThatEndsWhileADialogIsOpen(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
	const end = `fetch("auth/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).then((r) => r.ok)`
	const deaf = `
		var deaf = false; // to the end of the stream
		window.fetch = ((ask) => async (url, ...rest) => {
			const response = await ask(url, ...rest);
			return deaf && String(url).includes("api/v1/stream") ? new Promise(() => {}) : response;
		})(window.fetch);`
	for _, tt := range []struct{ name, anonymous, end string }{
		{"the stream tells", "none", end},
		{"a request tells", "none", `(deaf = true, ` + end + `.then(() => { document.querySelector("` + submit + `").click(); return true; }))`},
		{"a request tells who may still look", "viewer", end + `.then(() => { document.querySelector("` + submit + `").click(); return true; })`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tank(plant.url)+"jobs: {scan: {exec: [echo, '{label}'], args: {label: {type: string, default: a}}}}\n"+guarded(tt.anonymous))
			p := open(t, s.url, view{before: deaf})
			p.expect("status of 401")
			if tt.anonymous == "viewer" {
				p.await(signedIn)
				p.click("#account-button")
			}
			const isOperator = signedIn + ` && document.querySelector("#account-button").innerText === "operator"`
			p.signIn("operator-secret")
			p.await(isOperator + ` && ` + runOfScan + `.ariaDisabled === "false"`)
			p.click(runScan)
			p.await(`dialog()`)
			eval[bool](p, tt.end)
			p.await(`!document.querySelector("dialog") && document.activeElement.id === "sign-in-token"`)
			p.await(`document.querySelector("#sign-in-problem").textContent === "Your session has ended. Sign in again."`)
			eval[bool](p, `(deaf = false, true)`)
			p.signIn("operator-secret")
			p.await(isOperator + ` && document.querySelector("#sign-in-problem").hidden`)
		})
	}
}

// Who may look without a name can sign in to do more.
func TestAnonymousVisitorsCanSignIn(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
	p := open(t, serve(t, tank(plant.url)+guarded("viewer")).url, view{width: 390, height: 800, scheme: "light"})
	p.await(signedIn)
	p.await(`document.querySelector("#account-button").innerText === "Sign in"`)
	p.click("#account-button")
	p.await(`document.activeElement.id === "sign-in-token"`)
	p.readable()
	p.fits()
	p.signIn("operator-secret")
	p.await(signedIn + ` && document.querySelector("#account-button").innerText === "operator"`)
	p.readable()
	p.fits()
	p.save(filepath.Join(t.ArtifactDir(), "signed-in.png"))
	p.signOut()
	p.await(signedIn + ` && document.querySelector("#account-button").innerText === "Sign in"`)
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
	p.await(`connection() === "live" && card("scan") !== null`)

	other := p.tab(evil.URL, view{})
	other.expect("")
	attack := fmt.Sprintf(`(async () => {
		const tries = [];
		for (const options of [
			{ method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": "text/plain" }, body: "{}" },
			{ method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: "{}" },
		]) tries.push(await fetch(%[1]q + "api/v1/jobs/scan/runs", options).then((r) => r.type, () => "refused"));
		tries.push(await fetch(%[1]q + "api/v1/jobs", { credentials: "include" }).then((r) => r.text(), () => "refused"));
		const source = new EventSource(%[1]q + "api/v1/stream", { withCredentials: true });
		tries.push(await new Promise((told) => { source.onmessage = () => told("read"); source.onerror = () => told("refused"); }));
		return tries.join(" ");
	})()`, s.url)
	if got, want := eval[string](other, attack), "opaque refused refused refused"; got != want {
		t.Errorf("another origin gets %q, want %q", got, want)
	}
	if got := eval[bool](p, `fetch("api/v1/jobs").then((r) => r.json()).then((all) => all.jobs[0].last_run === null)`); !got {
		t.Error("another origin has started the job")
	}
}

// At a provider of another site, which sends the browser back: the cookie of the way there survives that, and the
// session's is there for the page.
func TestSigningInAtAProvider(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
	issuer := issuertest.New(t)
	issuer.URL = strings.Replace(issuer.URL, "127.0.0.1", "localhost", 1) // another site than the gateway's address
	s := serve(t, tank(plant.url)+fmt.Sprintf(`
access:
  oidc: {issuer: %s, client_id: %s, groups: {ops: operator}}
`, issuer.URL, issuertest.ClientID))
	p := open(t, s.url, view{})
	p.expect("status of 401")
	p.await(signedOut + ` && !document.querySelector("#sign-in-form").checkVisibility()`)
	p.follow("#sign-in-oidc", "#lists", signedIn+` && document.querySelector("#account-button").innerText === "ann"`)
	p.signOut()
	p.await(signedOut + ` && document.querySelector("#sign-in-oidc").search.includes("prompt=select_account")`)

	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"groups": []string{"cooks"}, "preferred_username": "<b>bob</b>"}})
	p.expect("status of 403")
	p.follow("#sign-in-oidc", "main.message", `document.querySelector("main.message h1").textContent === "You have no access" && document.body.innerText.includes("signed in as <b>bob</b>, but")`)
	p.follow("main a[href$='prompt=select_account']", "main.message", `performance.getEntriesByType("navigation")[0].name.includes("/auth/callback")`)
	p.follow("main a[href='../']", "#sign-in", signedOut)
}

// Signing in leads back to where one was on the page, and signing out to the provider and back.
func TestTheWayToAProviderAndBack(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
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
	p := open(t, s.url+"?view=all#tank", view{})
	p.expect("status of 401")
	p.await(signedOut)
	p.follow("#sign-in-oidc", "#lists", signedIn)
	if got := eval[string](p, `location.search + location.hash`); got != "?view=all#tank" {
		t.Errorf("signing in leads back to %q, want ?view=all#tank", got)
	}
	p.signOut()
	if hint := <-left; strings.Count(hint, ".") != 2 {
		t.Errorf("the provider is told to end the session of %q, want an ID token", hint)
	}
	p.await(signedOut + ` && location.search === ""`)
}

// Where the session of a proxy in front ends, the page says that, whichever way the proxy asks people to sign in again.
func TestAProxyWhoseSessionEnds(t *testing.T) {
	plant := newUpstream(t, `{"level": 41.25}`)
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
			p := open(t, proxy.URL+"/", view{})
			p.expect("")
			p.await(signedIn)
			ended.Store(true)
			p.click("[data-name=tank] .refresh") // while the stream is still open
			p.await(`document.body.innerText.includes("The session at the proxy in front of this page has ended")`)
			proxy.CloseClientConnections()
			p.await(`document.querySelector("#sign-in-problem").checkVisibility() && document.querySelector("#sign-in-problem").textContent.includes("Reload the page to sign in again")`)
		})
	}
}

// follow clicks a link and waits until the page behind it has something, and the condition holds there.
func (p *page) follow(link, something, condition string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(link)), chromedp.WaitVisible(chromedp.CSS(something)))
	p.await(condition)
}
