package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/notify"
)

// tour returns testdata/example.yaml, a file of a whole plant, with its secrets
// supplied: those of the environment, and the one of a file, whose name replaces the
// one in the text.
func tour(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(t.TempDir(), "weather")
	if err := os.WriteFile(token, []byte("canary-weather\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MQTT_PASSWORD", "canary-mqtt")
	t.Setenv("ORDERS_DSN", "postgres://canary-dsn")
	t.Setenv("CI_TOKEN_SHA256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
	return replace(t, string(data), "/run/secrets/weather", token)
}

// TestTour: of the whole file, exactly what needs Modbus, MQTT and SQL is refused, with
// one sentence each: nothing that refers to it.
func TestTour(t *testing.T) {
	text := tour(t)
	_, problems := config.Load("example.yaml", []byte(text))
	upstream, source := ofKinds("an upstream here is UPSTREAMS"), ofKinds("a source here is one of KINDS")
	want := []struct{ line, key, want string }{
		{"  plc:     {modbus:", "modbus", upstream},
		{"  broker:  {mqtt:", "mqtt", upstream},
		{"    modbus: {upstream", "modbus", source},
		{"    mqtt: {upstream", "mqtt", source},
		{"    sql: {dsn:", "sql", source},
	}
	if len(problems) != len(want) {
		t.Fatalf("problems\n%v\nwant %d", problems, len(want))
	}
	for i, p := range problems {
		w := want[i]
		if !strings.HasPrefix(p.Text, w.line) || p.Column != strings.Index(w.line, w.key)+1 || p.What != fmt.Sprintf("%q is not supported by this version", w.key) || p.Want != w.want {
			t.Errorf("%v\n%s\nwant the key %s in a line that begins with %q, and %s", p, p.Excerpt(), w.key, w.line, w.want)
		}
		if strings.Contains(p.Text, "canary") {
			t.Errorf("%v shows a secret", p)
		}
	}
}

// TestTourWithoutOtherKinds: without these the file is valid, and says what it seems
// to.
func TestTourWithoutOtherKinds(t *testing.T) {
	text := tour(t)
	cut := func(from, to string) {
		t.Helper()
		i := strings.Index(text, from)
		j := strings.Index(text, to)
		if i < 0 || j < i {
			t.Fatalf("%q and %q are not in\n%s", from, to, text)
		}
		text = text[:i] + text[j:]
	}
	cut("  plc:", "\nsources:")
	cut("  tank:\n", "  disk:\n")
	cut("  orders:\n", "  site:\n")
	text = replace(t, text, "from: [outdoor, tank, disk]", "from: [outdoor, disk]")
	text = replace(t, text, ".tank.value.level}", ".disk.value.used}")
	text = replace(t, text, "then: {refresh: [tank]}", "then: {refresh: [disk]}")
	c := load(t, text)

	if c.Listen != "127.0.0.1:8480" || len(c.Upstreams) != 1 || len(c.Sources) != 3 || len(c.Jobs) != 2 || len(c.Notify) != 1 {
		t.Fatalf("Load = %v listening on %s", c, c.Listen)
	}
	weather := c.Upstreams[0]
	if serverOf(weather).URL.String() != "https://api.example.com" || serverOf(weather).Header.Get("Authorization") != "Bearer canary-weather" || weather.Limit != 60./3600 || weather.Burst != 5 {
		t.Errorf("weather = %#v", weather)
	}
	outdoor, disk, site := c.Sources[0], c.Sources[1], c.Sources[2]
	if requestOf(outdoor).Fixed.URL.String() != "https://api.example.com/v1/now?q=Perth" || outdoor.Every != 10*time.Minute || outdoor.Unwatched != 30*time.Minute || outdoor.When != nil {
		t.Errorf("outdoor = %#v", outdoor)
	}
	if outdoor.StaleAfter != 99*time.Minute || outdoor.Show.History != 24*time.Hour || outdoor.Show.Value != "temp" || outdoor.Show.Unit != "°C" || len(outdoor.Pick) != 2 {
		t.Errorf("outdoor is stale after %v, want 99m, and is shown as %+v", outdoor.StaleAfter, outdoor.Show)
	}
	if !reflect.DeepEqual(programOf(disk).Argv, []string{"df", "--output=pcent", "/data"}) || disk.Parse.Name != "lines" || disk.Every != 30*time.Second || disk.Unwatched != 30*time.Second || disk.Jitter != 0.1 {
		t.Errorf("disk = %#v", disk)
	}
	if !reflect.DeepEqual(inputsOf(site).From, []string{"outdoor", "disk"}) || inputsOf(site).Combine == nil || site.Every != 0 {
		t.Errorf("site = %#v", site)
	}

	discover, reindex := c.Jobs[0], c.Jobs[1]
	if discover.Title != "Discover devices" || discover.OnBusy != config.BusyJoin || discover.Timeout != 15*time.Minute || !reflect.DeepEqual(discover.Then.Refresh, []string{"disk"}) || discover.Progress == nil {
		t.Errorf("discover = %#v", discover)
	}
	whole, _ := filepath.Abs("discover.sh") // beside the file
	if values, errs := discover.Bind(nil); errs != nil || !reflect.DeepEqual(discover.Argv(values), []string{whole, "--subnet", "10.0.4.0/24"}) {
		t.Errorf("discover runs %q, %v", discover.Argv(values), errs)
	}
	if h := reindex.HTTP; h.Upstream != serverOf(weather) || h.Method != "POST" || h.Path != "/reindex" || !h.Follow {
		t.Errorf("reindex asks %#v", h)
	}
	if reindex.Confirm != "Reindex takes the search offline. Continue?" || reindex.Limit != (config.Limit{Starts: 4, Per: time.Hour}) || !reflect.DeepEqual(reindex.Roles, []config.Role{config.RoleAdmin}) {
		t.Errorf("reindex = %#v", reindex)
	}

	a := c.Access
	if a.Anonymous != config.RoleViewer || len(a.Tokens) != 1 || a.Proxy != nil {
		t.Fatalf("access = %#v", a)
	}
	if ci := a.Tokens[0]; ci.Name != "ci" || ci.SHA256[0] != 0x9f || ci.Role != config.RoleOperator || !reflect.DeepEqual(ci.Jobs, []string{"discover"}) {
		t.Errorf("ci = %#v", ci)
	}
	if o := a.OIDC; o.Issuer != "https://id.plant" || o.ClientID != "tidewire" || o.ClientSecret != "" || o.GroupsClaim != "groups" ||
		!reflect.DeepEqual(o.Groups, map[string]config.Role{"ops": config.RoleOperator, "leads": config.RoleAdmin}) {
		t.Errorf("oidc = %#v", o)
	}
	if ops := c.Notify[0].Receiver.(*notify.HTTP); ops.Upstream.URL.String() != "https://ntfy.plant/ops" || ops.Method != "POST" || ops.Body != "{source}: {state}" {
		t.Errorf("ops = %#v", ops)
	}
	for _, other := range []string{"127.0.0.1:0", "0.0.0.0:8480"} {
		if err := config.CheckListen(other, c); err != nil {
			t.Errorf("CheckListen(%s) = %v, want nil since there is access", other, err)
		}
	}
}
