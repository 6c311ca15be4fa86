package hook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/hook"
)

// check does both steps.
func check(v hook.Verifier, h http.Header, body string, now time.Time) error {
	c, err := v.Begin(h, now)
	if err != nil {
		return err
	}
	for _, part := range strings.SplitAfter(body, "a") { // as it comes
		c.Write([]byte(part))
	}
	return c.Verify()
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// The examples that services publish.
func TestTheExamplesOfServices(t *testing.T) {
	const slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&" +
		"user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F" +
		"T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	for _, tt := range []struct {
		service string
		v       hook.Verifier
		h       http.Header
		body    string
		at      int64
	}{
		{"GitHub", hook.Verifier{Scheme: hook.HMAC, Secret: "It's a Secret to Everybody"},
			header("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), "Hello, World!", 0},
		{"Slack", hook.Verifier{Scheme: hook.Slack, Secret: "8f742231b10e8888abcd99yyyzzz85a5"},
			header("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "X-Slack-Request-Timestamp", "1531420618"),
			slackBody, 1531420618},
		{"Standard Webhooks", hook.Verifier{Scheme: hook.Standard, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
				"webhook-signature", "v1,bm90IGl0 v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
			`{"test": 2432232314}`, 1614265330},
		{"Svix, Resend and Clerk", hook.Verifier{Scheme: hook.Standard, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			header("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "svix-timestamp", "1614265330",
				"svix-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
			`{"test": 2432232314}`, 1614265330},
	} {
		now := time.Unix(tt.at+60, 0)
		if err := check(tt.v, tt.h, tt.body, now); err != nil {
			t.Errorf("%s: %v", tt.service, err)
		}
		if err := check(tt.v, tt.h, tt.body+" ", now); !errors.Is(err, hook.ErrForged) {
			t.Errorf("%s with another body: %v, want %v", tt.service, err, hook.ErrForged)
		}
		other := tt.v
		other.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"
		if err := check(other, tt.h, tt.body, now); !errors.Is(err, hook.ErrForged) {
			t.Errorf("%s with another secret: %v, want %v", tt.service, err, hook.ErrForged)
		}
	}
}

func sum(secret []byte, text string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// sign is what a service sends.
func sign(v hook.Verifier, body string, at time.Time) http.Header {
	now := strconv.FormatInt(at.Unix(), 10)
	switch v.Scheme {
	case hook.Stripe:
		return header("Stripe-Signature", fmt.Sprintf("t=%s,v1=%x,v0=abc", now, sum([]byte(v.Secret), now+"."+body)))
	case hook.Slack:
		return header("X-Slack-Signature", fmt.Sprintf("v0=%x", sum([]byte(v.Secret), "v0:"+now+":"+body)), "X-Slack-Request-Timestamp", now)
	case hook.Standard:
		key, _ := hook.StandardKey(v.Secret)
		return header("Webhook-Id", "m1", "Webhook-Timestamp", now,
			"Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(sum(key, "m1."+now+"."+body)))
	case hook.Token:
		return header(v.Headers()[0], v.Secret)
	}
	return header(v.Headers()[0], hex.EncodeToString(sum([]byte(v.Secret), body)))
}

var verifiers = []hook.Verifier{
	{Scheme: hook.HMAC, Secret: "s3cret-s3cret"}, {Scheme: hook.HMAC, Secret: "s3cret-s3cret", Header: "X-Gitea-Signature"},
	{Scheme: hook.Token, Secret: "s3cret-s3cret", Header: "X-Gitlab-Token"}, {Scheme: hook.Stripe, Secret: "whsec_s3cret"},
	{Scheme: hook.Slack, Secret: "s3cret-s3cret"}, {Scheme: hook.Standard, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
}

func TestWhatIsRefused(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, v := range verifiers {
		good := sign(v, "body", now)
		if err := check(v, good, "body", now); err != nil {
			t.Errorf("%s: %v", v.Scheme, err)
		}
		name := v.Headers()[0]
		twice := good.Clone()
		twice.Add(name, good.Get(name))
		for what, h := range map[string]http.Header{"nothing": {}, "an empty header": header(name, ""), "a header twice": twice,
			"a long one": header(name, strings.Repeat("a", 5000)), "garbage": header(name, "sha256=xyz")} {
			if err := check(v, h, "body", now); err == nil || !names(err, v.Headers()) && v.Scheme != hook.Token {
				t.Errorf("%s with %s: %v, want an error that names one of %v", v.Scheme, what, err, v.Headers())
			}
		}
		late := check(v, good, "body", now.Add(6*time.Minute))
		early := check(v, good, "body", now.Add(-6*time.Minute))
		isTimed := v.Scheme == hook.Stripe || v.Scheme == hook.Slack || v.Scheme == hook.Standard
		if isTimed != (late != nil) || isTimed != (early != nil) {
			t.Errorf("%s: 6 minutes later it is %v, before %v, want an error if the time is signed: %t", v.Scheme, late, early, isTimed)
		}
		if isTimed {
			v.Tolerance = 10 * time.Minute
			if err := check(v, good, "body", now.Add(6*time.Minute)); err != nil {
				t.Errorf("%s: 6 minutes later with a tolerance of 10: %v", v.Scheme, err)
			}
		}
		for _, shown := range []any{v, &v} {
			if text := fmt.Sprintf("%v %s", shown, late); strings.Contains(text, "s3cret") || strings.Contains(text, "MfKQ") {
				t.Errorf("%s shows its secret: %s", v.Scheme, text)
			}
		}
	}
	// The time of another request does not make an old signature new.
	v := hook.Verifier{Scheme: hook.Stripe, Secret: "whsec_s3cret"}
	old := sign(v, "body", now.Add(-time.Hour)).Get("Stripe-Signature")
	for _, h := range []string{strings.Replace(old, "t=", "t=1800000000,t=", 1), "t=1800000000," + old, strings.Replace(old, "t=17999", "t=18000", 1), old + ",t=1800000000"} {
		if err := check(v, header("Stripe-Signature", h), "body", now); err == nil {
			t.Errorf("%s is genuine, want it refused", h)
		}
	}
	bearer := hook.Verifier{Scheme: hook.Token, Secret: "s3cret-s3cret"}
	if err := check(bearer, header("Authorization", "bearer s3cret-s3cret"), "", now); err != nil {
		t.Errorf("a bearer token: %v", err)
	}
}

// names reports whether an error names one of some headers.
func names(err error, headers []string) bool {
	return slices.ContainsFunc(headers, func(name string) bool { return strings.Contains(err.Error(), name) })
}

// What is signed is genuine, however it is cut into pieces, and nothing else is.
func FuzzVerify(f *testing.F) {
	f.Add(0, "body", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", uint(0))
	f.Add(3, `{"id":"evt_1"}`, "t=1,v1=00,v1=,,=", uint(7))
	f.Add(5, "", "v1,x v1, v1,AAAA", uint(3))
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, which int, body, text string, flip uint) {
		v := verifiers[uint(which)%uint(len(verifiers))]
		h := sign(v, body, now)
		if err := check(v, h, body, now); err != nil {
			t.Fatalf("%s: what is signed is refused: %v", v.Scheme, err)
		}
		if v.Scheme != hook.Token && body != "" {
			other := []byte(body)
			other[flip%uint(len(other))] ^= 1
			if err := check(v, h, string(other), now); err == nil {
				t.Fatalf("%s: %q is taken for %q", v.Scheme, other, body)
			}
		}
		h.Set(v.Headers()[0], text)
		if err := check(v, h, body, now); err == nil && !bytes.Contains([]byte(text), []byte("s3cret")) &&
			!strings.Contains(strings.ToLower(text), hex.EncodeToString(sum([]byte(v.Secret), body))) {
			t.Fatalf("%s: the header %q is genuine", v.Scheme, text)
		}
	})
}

func BenchmarkForged(b *testing.B) {
	v := hook.Verifier{Scheme: hook.HMAC, Secret: "s3cret-s3cret"}
	forged := header("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
	for _, size := range []int{0, 10 << 10, 1 << 20} {
		body := make([]byte, size)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := v.Begin(forged, time.Time{})
				if err != nil {
					b.Fatal(err)
				}
				c.Write(body)
				if c.Verify() == nil {
					b.Fatal("it is genuine")
				}
			}
		})
	}
}
