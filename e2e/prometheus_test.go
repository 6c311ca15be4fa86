package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// A real Prometheus scrapes a real gateway with the configuration of docs/metrics.md, and evaluates the alerts of that page:
// the first failure of a job fires one, which names the job.
func TestTheDocumentedAlertsFire(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("no prometheus found: install it (Debian, Ubuntu: apt-get install prometheus; macOS: brew install prometheus)")
	}
	s := serve(t, `
jobs:
  broken: {exec: [sh, -c, 'exit 3']}
  fine: {exec: ["true"]}
sources:
  gone: {exec: [sh, -c, 'exit 1'], every: 1s}
  tank: {exec: [echo, '{"level": 41.5, "pump": true, "name": "T-101"}'], title: Tank, section: Line 1, parse: json, pick: {level: .level, pump: .pump}, show: {value: level, unit: "%"}}
`)
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")
	if len(blocks) != 3 {
		t.Fatalf("docs/metrics.md has %d YAML blocks, want the scrape configuration and the rules", len(blocks)-1)
	}
	scrape, _, _ := strings.Cut(blocks[1], "```")
	rules, _, _ := strings.Cut(blocks[2], "```")
	scrape = strings.Replace(scrape, "    authorization: {credentials_file: /etc/prometheus/tidewire.token}\n", "", -1) // access is not configured here
	scrape = strings.Replace(scrape, "tidewire.plant:8480", s.addr, -1)

	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules.yml", rules)
	write("prometheus.yml", "global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}\nrule_files: [rules.yml]\n"+scrape)
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = "127.0.0.77" // nobody else takes a port there between Close and Prometheus
	}
	ln, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	var log logBuffer
	ctx, stop := context.WithCancel(context.Background())
	prometheus := exec.CommandContext(ctx, program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	prometheus.Stderr = &log
	prometheus.Cancel = func() error { return prometheus.Process.Signal(syscall.SIGTERM) }
	if err := prometheus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = prometheus.Wait()
		if t.Failed() {
			t.Logf("log of Prometheus:\n%s", log.String())
		}
	})

	// ask waits until Prometheus answers a query with as many series as are wanted.
	type series struct {
		Labels map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
	}
	ask := func(query string, enough func([]series) bool) []series {
		t.Helper()
		var last string
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/v1/query", nil)
			q := req.URL.Query()
			q.Set("query", query)
			req.URL.RawQuery = q.Encode()
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				last = err.Error()
				continue
			}
			var answer struct{ Data struct{ Result []series } }
			err = json.NewDecoder(resp.Body).Decode(&answer)
			resp.Body.Close()
			if last = fmt.Sprint(answer, err); err == nil && enough(answer.Data.Result) {
				return answer.Data.Result
			}
		}
		t.Fatalf("%s came to %s", query, last)
		return nil
	}

	// Zeros first: what has no value before cannot grow.
	ask(`tidewire_job_runs_total{status="failed"} == 0`, func(s []series) bool { return len(s) == 2 })
	for _, job := range []string{"broken", "fine"} {
		resp, err := http.Post(s.url+"api/v1/jobs/"+job+"/runs", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	fired := ask(`ALERTS{alertname="TidewireJobFails",alertstate="firing"}`, func(s []series) bool { return len(s) > 0 })
	if len(fired) != 1 || fired[0].Labels["job_name"] != "broken" {
		t.Errorf("TidewireJobFails fires for %v, want broken alone", fired)
	}
	if bad := ask(`{exported_job=~".+"} or vector(1)`, func(s []series) bool { return len(s) > 0 }); len(bad) != 1 {
		t.Errorf("Prometheus has renamed a label of %v", bad)
	}
	ask(`ALERTS{alertname="TidewireSourceFailing",alertstate="pending",source="gone"}`, func(s []series) bool { return len(s) == 1 })

	// The numbers of sources, as the page has them.
	want := func(query, value string) {
		t.Helper()
		if got := ask(query, func(s []series) bool { return len(s) == 1 }); got[0].Value[1] != value {
			t.Errorf("%s = %v, want %s", query, got[0].Value[1], value)
		}
	}
	want(`tidewire_value{field="level"} and on(source) tidewire_value_state{state="ok"} == 1`, "41.5")
	want(`tidewire_value{field="pump"} * on(source) group_left(title, section) tidewire_value_info{title="Tank",section="Line 1",unit="%"}`, "1")
	want(`tidewire_value_state{source="gone",state="failing"}`, "1")
	want(`time() - tidewire_value_timestamp_seconds{source="tank"} < bool 60`, "1")
	want(`tidewire_value_age_seconds{source="tank"} < bool 60`, "1")

	// Every alert of the page is one that Prometheus evaluates without a complaint.
	var file struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	if err := yaml.Unmarshal([]byte(rules), &file); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + address + "/api/v1/rules")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var known struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&known); err != nil {
		t.Fatal(err)
	}
	if len(known.Data.Groups) != 1 || len(known.Data.Groups[0].Rules) != len(file.Groups[0].Rules) {
		t.Fatalf("Prometheus has %+v, want the %d rules of the page", known.Data.Groups, len(file.Groups[0].Rules))
	}
	for _, r := range known.Data.Groups[0].Rules {
		if r.Health != "ok" {
			t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
		}
	}
}
