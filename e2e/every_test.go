package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// every is a gateway in which sources and jobs of every state are at once, with values of every shape and hostile ones.
// Where nothing happens by itself any more, every page looks the same each time it is looked at.
func every(t *testing.T) *server {
	t.Helper()
	mux := http.NewServeMux()
	fields := make([]string, 100)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"field_%02d": %d`, i, i*i)
	}
	for path, body := range map[string]string{
		"/tank": `{"level": 93.4, "inflow": 4.2, "pump": true}`, "/filler": `412`, "/disks": `[{"mount": "/", "used": 41, "free": "118 GB"}, {"mount": "/data", "used": 87, "free": "61 GB"}]`,
		"/text": `"Line 2 stays down until the gearbox is back. Call Mara before starting filler 2."`, "/nothing": `null`, "/list": `[]`, "/big": `1234567890123456789012345678901234567890`,
		"/huge": `1e308`, "/hundred": "{" + strings.Join(fields, ",") + "}", "/deep": strings.Repeat("[", 900) + "1" + strings.Repeat("]", 900),
		"/long": `"` + strings.Repeat("abcdefghij", 20_000) + `"`, "/markup": `"<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"`,
		"/devices": devices(12), "/rtl": `{"مستوى": "\u202e٪٩٣"}`, "/lines": `"` + strings.Repeat(`line\n`, 4000) + `"`, "/wide": "[{" + strings.Join(fields[:60], ",") + "}]",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
	}
	once := false
	mux.HandleFunc("GET /once", func(w http.ResponseWriter, _ *http.Request) {
		if once {
			http.Error(w, strings.Repeat("everything is on fire, ", 180), http.StatusTooManyRequests)
			return
		}
		once = true
		fmt.Fprint(w, `18.4`)
	})
	mux.HandleFunc("GET /never", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	plant := newUpstream(t, "")
	plant.server.Config.Handler = mux
	gone := newUpstream(t, "{}")
	gone.kill()
	sources := ""
	for _, name := range []string{"filler", "disks", "text", "nothing", "list", "big", "huge", "hundred", "deep", "long", "markup", "rtl", "lines", "wide"} {
		sources += fmt.Sprintf("  %s: {title: %q, section: Hostile/Shapes, http: {upstream: plant, path: /%[1]s}}\n", name, strings.ToUpper(name[:1])+name[1:])
	}
	discover := filepath.Join(t.TempDir(), "discover")
	script := "#!/bin/sh\nfor i in 1 2 3; do echo \"::progress $((i * 10)) 10.0.4.$i\"; done\nprintf '\\033[31mred\\033[0m %0500d\\n' 7\nexec sleep 1h\n"
	if err := os.WriteFile(discover, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	shift := filepath.Join(t.TempDir(), "shift")
	if err := os.WriteFile(shift, []byte("#!/bin/sh\ncp \"$1\" \"$2/yield of the shift.csv\"\necho yield 97.1 %\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := serve(t, fmt.Sprintf(`
store: {dir: %q}
defaults: {every: 1h, stale_after: 10h, backoff: {min: 1h, max: 1h}}
upstreams: {plant: {http: %q}, gone: {http: %q}}
notify: {ops: {http: {url: %q}}}
sources:
  tank: {title: Tank T-101, section: Plant/Line 1, http: {upstream: plant, path: /tank}, show: {value: level, unit: "%%", min: 0, max: 100, history: 24h}, alert: {if: .level > 90, notify: ops}}
  seen: {title: Pasteuriser, section: Plant/Line 1, http: {upstream: plant, path: /filler}, alert: {if: . > 90}}
  quiet: {title: Filler 2, section: Plant/Line 2, http: {upstream: plant, path: /filler}, alert: {if: . > 90}}
  soon: {title: OEE of line 1, section: Plant/Line 2, http: {upstream: plant, path: /filler}, show: {unit: %q}, alert: {if: . > 90, for: 5h}}
  unclear: {title: Steam pressure, section: Plant/Utilities, http: {upstream: plant, path: /tank}, alert: {if: '.level.bar > 1'}}
  camera: {title: Labeller camera, section: Plant/Line 1, http: {upstream: gone, path: /}}
  weather: {title: "Weather, harbour", section: Office, http: {upstream: plant, path: /once}, every: 100ms, show: {unit: °C}}
  compressor: {title: Compressor 3, section: Plant/Utilities, http: {upstream: plant, path: /never}, timeout: 10m}
  boiler: {title: Boilers of the cellar, section: Plant/Cellar, http: {upstream: plant, path: /devices}, split: {each: '.devices[]', name: .id, title: .label}, pick: {temp: .temp, burner: .on}, show: {value: temp, unit: °C}, alert: {if: .temp > 90}}
  devices: {title: Devices, section: Plant/Cellar, http: {upstream: plant, path: /devices}}
  pump: {for: [a, b], title: "Pump {each}", section: Plant/Cellar, http: {upstream: plant, path: /filler}}
  door: {title: Door of the cold store, section: Office, push: {}, pick: {open: .open, battery: .battery}}
  backup-size: {title: Nightly backup, section: Office, push: {}, stale_after: 26h}
  site: {title: Site, from: [tank, filler], combine: '{worst: "tank", level: .tank.value.level}'}
  titled: {title: %q, section: Hostile/Shapes, http: {upstream: plant, path: /filler}}
%sjobs:
  backup: {title: Back up the plant database, section: Office/Databases, exec: [sh, -c, 'echo "::progress 60 segment 36 of 60"; echo "No space left on device" >&2; exit 3'], at: {cron: "0 3 * * *"}}
  report: {title: Report of the shift, exec: [sh, -c, 'echo "::result {\"file\": \"shift.pdf\"}"; echo sent to 9 people']}
  slow: {title: Reindex the search, exec: [sleep, 1h], timeout: 50ms}
  rinse: {title: Rinse line 2, exec: [sleep, 1h]}
  discover:
    title: Discover devices
    exec: [%q, "{subnet}", "{wait}", "{mode}", "{log}", "{community}"]
    args: {subnet: {type: cidr, title: Subnet, default: 10.0.4.0/24}, wait: {type: int, min: 50, default: 300}, mode: {type: enum, values: [fast, thorough], default: fast}, log: {type: bool, default: false}, community: {type: string, secret: true}}
  labels: {title: Print pallet labels, exec: [sleep, 1h], group: line}
  recipe: {title: Load recipe, exec: [sleep, 1h], group: line}
  camera: {title: Restart the labeller camera, exec: [echo], confirm: Is the line empty?}
  reboot:
    title: Restart a device
    exec: [%q, "{host}", "{mode}"]
    args: {host: {type: host}, mode: {type: enum, values: [soft, hard], default: soft}}
    parallel_by: host
  inspect:
    title: Inspect a boiler
    exec: [echo, "{boiler}"]
    args: {boiler: {type: enum, title: Boiler, values: {from: devices, jq: '.devices[].id'}}}
  shift:
    title: Yield of a shift
    exec: [%q, "{table}", "{run_dir}"]
    args: {table: {type: file, title: Table, accept: [.csv, text/csv], max_size: 5MB}}
    results: ["*.csv"]
    warn_codes: [2]
    then: {run: report}
`, t.TempDir(), plant.url, gone.url, gone.url, strings.Repeat("μm/s²·", 20), strings.Repeat("A title without an end ", 9), sources, discover, discover, shift))
	for _, path := range []string{"jobs/backup/runs", "jobs/report/runs", "jobs/slow/runs", "jobs/rinse/runs", "jobs/recipe/runs", "jobs/labels/runs"} {
		s.post("api/v1/"+path, `{}`)
	}
	s.post("api/v1/jobs/discover/runs", `{"args": {"community": "public"}}`)
	for _, host := range []string{"10.0.9.31", "10.0.9.32", "label-printer-of-line-4.plant.example.com"} {
		s.post("api/v1/jobs/reboot/runs", `{"args": {"host": "`+host+`"}}`)
	}
	s.post("api/v1/jobs/shift/runs", `{"args": {"table": {"name": "shift 7.csv", "type": "text/csv", "data": "YTtiCjE7Mgo="}}}`)
	s.post("api/v1/sources/door", `{"open": true, "battery": 71}`)
	s.until("jobs/shift", `"warned":true`)
	s.until("sources/boiler%2Fb12", `"state":"ok"`)
	s.until("jobs/backup", `"status":"failed"`)
	s.until("jobs/slow", `"status":"timed_out"`)
	s.until("jobs/report", `"status":"succeeded"`)
	s.until("jobs/discover", `"percent":30`)
	var run struct {
		LastRun struct{ ID string } `json:"last_run"`
	}
	if err := json.Unmarshal([]byte(s.get("api/v1/jobs/rinse")), &run); err != nil {
		t.Fatal(err)
	}
	s.post("api/v1/runs/"+run.LastRun.ID+"/cancel", `{}`)
	s.until("jobs/rinse", `"status":"cancelled"`)
	s.until("sources/weather", `"state":"stale"`)
	s.until("sources/camera", `"state":"failing"`)
	for _, name := range []string{"tank", "seen", "quiet"} {
		s.until("sources/"+name, `"state":"firing"`)
	}
	s.post("api/v1/alerts/acknowledge", `{"of": "source/seen", "reason": "on it"}`)
	s.post("api/v1/silences", `{"of": "section/Plant/Line 2", "for": "2h", "reason": "Gearbox is being changed"}`)
	return s
}

// views are the pages of [every], by names for pictures.
func (s *server) views(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{
		"overview": "", "rows": "?density=rows", "tiles": "?density=tiles", "filtered": "?state=failing", "section": "?section=Plant/Line%201", "nothing": "?q=nothing-is-called-so",
		"kiosk": "?kiosk=1", "embed": "?embed=1", "embed-source": "sources/tank?embed=1", "jobs": "jobs", "alerts": "alerts", "no-source": "sources/nobody", "no-job": "jobs/nobody", "no-run": "runs/nobody",
	}
	for _, name := range []string{"tank", "camera", "weather", "compressor", "site", "unclear", "long", "hundred", "deep", "lines", "wide", "titled", "boiler", "boiler/b1", "pump/a", "door", "backup-size"} {
		all["source-"+strings.ReplaceAll(name, "/", "-")] = "sources/" + url.PathEscape(name)
	}
	for _, name := range []string{"backup", "discover", "labels", "report", "camera", "slow", "reboot", "inspect", "shift"} {
		all["job-"+name] = "jobs/" + name
		var job struct {
			LastRun *struct{ ID string } `json:"last_run"`
		}
		if err := json.Unmarshal([]byte(s.get("api/v1/jobs/"+name)), &job); err != nil {
			t.Fatal(err)
		}
		if job.LastRun != nil {
			all["run-"+name] = "runs/" + job.LastRun.ID
		}
	}
	for _, name := range []string{"discover", "reboot", "inspect", "shift"} {
		all["form-"+name] = "jobs/" + name + "/run"
	}
	all["cellar"] = "?section=Plant/Cellar"
	return all
}

// devices is an answer with n devices, of which the last is the hottest.
func devices(n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id": "b%d", "label": "Boiler %[1]d", "temp": %.1f, "on": %t}`, i+1, 40+51*float64(i)/11, i%2 == 0)
	}
	return `{"devices": [` + strings.Join(rows, ", ") + `]}`
}

// Every page can be used by everybody: on a screen, a phone and the narrowest one, in both colour schemes, and whatever values
// are. Colours do not depend on the width, so the dark ones are looked at on the screen alone. With -artifacts, a picture of each is kept.
func TestEveryPageIsAccessible(t *testing.T) {
	s := every(t)
	p := open(t, s.url, view{scheme: "light"})
	p.expect("404")
	pictures := flag.Lookup("test.artifacts").Value.String() == "true" // to look at: they take a quarter of the time
	for name, path := range s.views(t) {
		p.do(inScheme("light"), chromedp.EmulateViewport(1280, 900))
		p.goTo(s.url + path)
		p.await(`document.readyState === "complete" && document.querySelector("h1")`)
		look := func(what string, check func(what string)) {
			what = name + "-" + what
			check(what)
			for _, wrong := range eval[[]string](p, measured) {
				t.Errorf("%s: %s", what, wrong)
			}
			if pictures {
				p.save(filepath.Join(t.ArtifactDir(), what+".png"))
			}
		}
		look("1280-light", p.accessible)
		p.do(inScheme("dark"))
		look("1280-dark", p.contrasting)
		p.do(chromedp.EmulateViewport(390, 844))
		look("390-dark", p.accessible)
		p.do(chromedp.EmulateViewport(320, 640))
		look("320-dark", func(string) {})
	}
}

// measured says what is wrong with the measures of a page.
const measured = `(() => {
	const wrong = [], wide = document.documentElement;
	if (wide.scrollWidth > wide.clientWidth) {
		const out = [...document.querySelectorAll("body *")].find((e) => e.getBoundingClientRect().right > wide.clientWidth + 1);
		wrong.push("it scrolls sideways by " + (wide.scrollWidth - wide.clientWidth) + " px: " + out?.outerHTML.slice(0, 120));
	}
	for (const e of document.querySelectorAll(".card, .row, .tile, .job, .attention > li")) {
		if (e.offsetHeight > 480) wrong.push(e.dataset.key + " is " + e.offsetHeight + " px high");
	}
	const small = [...document.querySelectorAll("a, button, summary, input, select")].filter((e) => {
		if (!e.checkVisibility() || e.closest("label") || e.matches("p a, td a, dd a, li > a:not(.title), .log a, nav a, summary, .skip") || e.closest(".kiosk, .sr")) return false;
		if (getComputedStyle(e, "::after").position === "absolute") return false; // its whole card is the target
		const b = e.getBoundingClientRect();
		return b.width > 0 && Math.min(b.width, b.height) < 24;
	});
	if (small.length) wrong.push(small.length + " targets are under 24 px, such as " + small[0].outerHTML.slice(0, 90));
	return wrong;
})()`
