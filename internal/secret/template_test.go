package secret_test

import (
	"slices"
	"testing"

	"github.com/tidewire/tidewire/internal/secret"
)

func TestWhatIsSecretInTheBodyOfARequest(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, test := range []struct {
		contentType, body string
		want              []string
	}{
		{"", "", nil},
		{
			"application/json", `{"user": "ann", "token": "b0dy", "nested": [{"password": "p4ss"}], "key": "{key}"}`,
			[]string{"b0dy", "p4ss"},
		},
		{form, "user=ann&token=b0dy&password={password}", []string{"b0dy"}},
		{form + "; charset=utf-8", "token=b0dy", []string{"b0dy"}},
		{"text/plain", "token: {token}", []string{"token: {token}"}},
	} {
		got := secret.OfBody(test.contentType, test.body)
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("OfBody(%q, %q) = %q, want %q", test.contentType, test.body, got, test.want)
		}
	}
}

func TestWhatIsSecretInAProgram(t *testing.T) {
	argv := []string{"tool", "--token=s3cret", "--password={password}"}
	env := []string{"LANG=C", "API_KEY=k3y", "DB_PASSWORD={password}"}
	got := secret.OfProgram(argv, env)
	if want := []string{"s3cret", "k3y"}; !slices.Equal(got, want) {
		t.Errorf("OfProgram = %q, want %q", got, want)
	}
}
