package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
)

// fileForm is a body of multipart/form-data with a file, and its media type.
func fileForm(t *testing.T, field, name, content string, fields ...string) (body, media string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	part, err := w.CreateFormFile(field, name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, content)
	_ = w.Close()
	return b.String(), w.FormDataContentType()
}

// reports is a job that takes a file, and leaves several things in its directory.
func reports(t *testing.T, more string) string {
	script := shell(t, `echo "path $1"; echo "dir $2 $TIDEWIRE_RUN_DIR"; [ "$2" = "$TIDEWIRE_RUN_DIR" ] || exit 3
tr a-z A-Z <"$1" >"$2/report.pdf"; echo no >"$2/other.txt"; ln -s /etc/passwd "$2/link.csv"; mkdir "$2/dir.csv"; mkfifo "$2/fifo.csv"; printf '1;2' >"$2/b.csv"; printf '' >"$2/a.csv"
[ "$3" = fail ] && exit 4; exit 0`)
	return fmt.Sprintf(`
jobs:
  scan:
    exec: [sh, %q, "{table}", "{run_dir}", "{how}"]
    args: {table: {type: file, max_size: 200kB, accept: .csv}, how: {default: ""}}
    results: [report.pdf, "*.csv"]
    %s
`, script, more)
}

const filesOf = "/api/v1/runs/%s/files/%s"

// A file comes with the start in any form, the program has it for as long as it runs, and what it leaves is kept with the run.
func TestFilesOfJobs(t *testing.T) {
	onEachArchive(t, func(t *testing.T, next func() gateway.Options) {
		t.Setenv("TMPDIR", t.TempDir())
		s := run(t, load(t, reports(t, "")), next())
		content := strings.Repeat("ab;", 60_000)
		body, media := fileForm(t, "table", `..\My "shift".csv`, content)
		status, _, text := s.do("POST", runs, body, "Content-Type", media)
		if status != 202 {
			t.Fatalf("a form with a file = %d %s", status, text)
		}
		first := s.ended(of(decode(t, []byte(text)), "id"))
		encoded := base64.StdEncoding.EncodeToString([]byte(content))
		second := s.ended(of(s.json(202, "POST", runs, fmt.Sprintf(`{"args":{"table":{"name":"My \"shift\".csv","data":%q}}}`, encoded)), "id"))
		third := s.ended(of(s.json(202, "POST", runs, fmt.Sprintf(`{"like":%q,"args":{"how":"fail"}}`, of(second, "id"))), "id"))
		for i, run := range []object{first, second, third} {
			want := "succeeded"
			if i == 2 {
				want = "failed"
			}
			if run["status"] != want {
				t.Fatalf("run %d = %v, want it %s", i, run, want)
			}
			var names []string
			for _, f := range run["files"].([]any) {
				f := f.(object)
				names = append(names, fmt.Sprint(of(f, "name"), " ", f["size"], " ", f["arg"]))
			}
			if got, want := strings.Join(names, "\n"), "My _shift_.csv 180000 table\na.csv 0 <nil>\nb.csv 3 <nil>\nreport.pdf 180000 <nil>"; got != want {
				t.Errorf("run %d has the files\n%s\nwant\n%s", i, got, want)
			}
			arg := run["args"].(object)["table"].(object)
			if arg["name"] != "My _shift_.csv" || arg["size"] != 180000.0 || len(of(arg, "sha256")) != 64 || arg["data"] != nil {
				t.Errorf("the argument of run %d = %v", i, arg)
			}
			if !contains(of(run, "output"), "/My _shift_.csv\n") {
				t.Errorf("run %d printed %q, want the path of its file", i, run["output"])
			}
		}
		checkFile(s, of(first, "id"), strings.ToUpper(content))
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("after the runs there is %v, %v, want nothing of them", left, err)
		}
		if status, _, _ := s.do("GET", fmt.Sprintf(filesOf, of(first, "id"), "other.txt"), ""); status != 404 {
			t.Errorf("a file that is no result = %d, want 404", status)
		}
		if status, _, _ := s.do("GET", fmt.Sprintf(filesOf, "none", "a.csv"), ""); status != 404 {
			t.Errorf("a file of no run = %d, want 404", status)
		}
	})
}

// checkFile looks at a result of a run in the ways of HTTP.
func checkFile(s *server, id, want string) {
	s.t.Helper()
	path := fmt.Sprintf(filesOf, id, "report.pdf")
	status, h, text := s.do("GET", path, "")
	if status != 200 || text != want || h.Get("Content-Type") != "application/pdf" || h.Get("Content-Disposition") != "attachment; filename=report.pdf" ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		s.t.Errorf("the result = %d %v %.40s", status, h, text)
	}
	if status, _, text := s.do("GET", path, "", "Range", "bytes=70000-70005"); status != 206 || text != want[70000:70006] {
		s.t.Errorf("a range of it = %d %.40q, want %q", status, text, want[70000:70006])
	}
	if status, _, text := s.do("GET", path, "", "If-None-Match", h.Get("ETag")); status != 304 || text != "" {
		s.t.Errorf("the same version = %d %q, want 304", status, text)
	}
	if status, h, text := s.do("HEAD", path, ""); status != 200 || text != "" || h.Get("Content-Length") != fmt.Sprint(len(want)) {
		s.t.Errorf("its head = %d %v %q", status, h, text)
	}
	if status, _, text := s.do("GET", fmt.Sprintf(filesOf, id, "a.csv"), ""); status != 200 || text != "" {
		s.t.Errorf("the empty result = %d %q", status, text)
	}
	status, h, page := s.do("GET", "/runs/"+id, "", "Accept", "text/html")
	if status != 200 || !strings.Contains(page, `href="../api/v1/runs/`+id+`/files/report.pdf" download`) || !strings.Contains(page, "given as Table") {
		s.t.Errorf("the page of the run = %d %v, want links to its files", status, h)
	}
}

// A start with a file that is not fine has no run, and says why.
func TestFilesThatAreRefused(t *testing.T) {
	s := start(t, reports(t, "on_busy: queue"))
	for _, c := range []struct {
		name, content string
		want          int
		says          string
	}{
		{"a.pdf", "x", 422, `"a.pdf" is application/pdf, give one of .csv`},
		{"a.csv", strings.Repeat("x", 200_001), 422, "the file has 200001 bytes"},
		{"a.csv", strings.Repeat("x", 400_000), 413, "the body is larger than"},
		{"", "", 422, "this has no value"},
	} {
		body, media := fileForm(t, "table", c.name, c.content)
		if status, _, text := s.do("POST", runs, body, "Content-Type", media); status != c.want || !strings.Contains(text, c.says) && !strings.Contains(text, strings.ReplaceAll(c.says, `"`, `\"`)) {
			t.Errorf("a form with %s of %d bytes = %d %s, want %d %s", c.name, len(c.content), status, text, c.want, c.says)
		}
	}
	for body, media := range map[string]string{"x": "multipart/form-data", "--b\r\n\r\nx": "multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n", 300) + "--b--": "multipart/form-data; boundary=b"} {
		if status, _, text := s.do("POST", runs, body, "Content-Type", media); status != 400 {
			t.Errorf("a body that is no form = %d %s, want 400", status, text)
		}
	}
	if status, _, text := s.do("GET", "/api/v1/runs", ""); status != 200 || !strings.Contains(text, `"runs":[]`) {
		t.Errorf("runs = %d %s, want none", status, text)
	}
}

// The form of the page has a field for the file; a run again has the file of the earlier one unless another is chosen.
func TestTheFormTakesAFile(t *testing.T) {
	s := start(t, reports(t, ""))
	status, _, page := s.do("GET", "/jobs/scan/run", "", "Accept", "text/html")
	if status != 200 || !strings.Contains(page, `enctype="multipart/form-data"`) || !strings.Contains(page, `name="arg.table" type="file" accept=".csv" required`) {
		t.Fatalf("the form = %d %s", status, page)
	}
	post := func(name, content string, fields ...string) object {
		t.Helper()
		body, media := fileForm(t, "arg.table", name, content, append(fields, "whole", "1", "arg.how", "")...)
		status, _, text := s.do("POST", "/jobs/scan/run", body, "Content-Type", media, "Accept", "application/json")
		if status != 200 {
			t.Fatalf("the form with %q = %d %s", name, status, text)
		}
		return s.ended(filepath.Base(of(decode(t, []byte(text)), "location")))
	}
	file := func(run object) string {
		_, _, text := s.do("GET", fmt.Sprintf(filesOf, of(run, "id"), "report.pdf"), "")
		return text
	}
	first := post("a.csv", "first")
	id := of(first, "id")
	if _, _, page := s.do("GET", "/jobs/scan/run?like="+id, "", "Accept", "text/html"); !strings.Contains(page, "the a.csv of the earlier run") || strings.Contains(page, `accept=".csv" required`) {
		t.Errorf("the form like that run does not say that it has the file: %s", page)
	}
	if got := file(post("", "", "like", id)); got != "FIRST" {
		t.Errorf("a run again has %q, want the file of the first", got)
	}
	if got := file(post("b.csv", "second", "like", id)); got != "SECOND" {
		t.Errorf("a run again with another file has %q", got)
	}
	body, media := fileForm(t, "arg.table", "a.pdf", "x", "whole", "1")
	if status, _, page := s.do("POST", "/jobs/scan/run", body, "Content-Type", media, "Accept", "text/html"); status != 422 || !strings.Contains(page, "is application/") {
		t.Errorf("the form with a file that is not accepted = %d %s, want the form with the reason", status, page)
	}
}

// What a program leaves is kept by a name that is safe, and what is no file is said not to be kept. No directory stays, whatever the
// program has done to it.
func TestResultsOfAnyName(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := start(t, fmt.Sprintf(`
jobs: {scan: {exec: [sh, %q], results: "*"}}
`, shell(t, `cd "$TIDEWIRE_RUN_DIR" || exit 3
for n in '100%.txt' 'a;b.txt' '<b>.html' .hidden -rf "$(printf 'x\ny')" "$(printf '\377.bin')"; do echo "$n" >"./$n"; done
ln -s /etc/passwd link; mkfifo fifo; mkdir dir dir/in; touch dir/in/x; chmod 0 dir/in dir`)))
	run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
	names := map[string]bool{}
	for _, f := range run["files"].([]any) {
		names[of(f.(object), "name")] = true
	}
	for _, want := range []string{"100_.txt", "a_b.txt", "_b_.html", "rf", "x_y", "_.bin"} {
		if !names[want] {
			t.Errorf("the files %v have no %s", names, want)
		}
	}
	if len(names) != 6 {
		t.Errorf("the files are %v, want 6", names)
	}
	for _, name := range []string{"link", "fifo", "dir"} {
		if want := "the file " + name + " is not kept: it is not a regular file"; !contains(of(run, "output"), want) {
			t.Errorf("the output = %q, want %s", run["output"], want)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("after the run there is %v, %v", left, err)
	}
}

// Too much is not kept, and said to be.
func TestFilesOfARunAreBounded(t *testing.T) {
	s := start(t, fmt.Sprintf(`
jobs:
  scan: {exec: [sh, %q, "{run_dir}"], results: "*"}
  many: {exec: [sh, %q, "{run_dir}"], results: ["*", "29"]}
`, shell(t, `head -c 5000000 /dev/zero >$1/a; head -c 5000000 /dev/zero >$1/b; head -c 9000000 /dev/zero >$1/c; echo d >$1/d`), shell(t, `for i in 0 1 2; do for j in 0 1 2 3 4 5 6 7 8 9; do echo $i$j >$1/$i$j; done; done`)))
	run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
	if files := run["files"].([]any); len(files) != 2 || of(files[1].(object), "name") != "d" {
		t.Errorf("the files = %v, want a and d", files)
	}
	for _, want := range []string{"the file b is not kept: it has 5000000 bytes", "the file c is not kept: it has more than 8000000 bytes"} {
		if !contains(of(run, "output"), want) {
			t.Errorf("the output = %q, want %s", run["output"], want)
		}
	}
	run = s.ended(of(s.json(202, "POST", "/api/v1/jobs/many/runs", "{}"), "id"))
	if files := run["files"].([]any); len(files) != 20 || of(files[0].(object), "name") != "29" ||
		!contains(of(run, "output"), "the file 19 is not kept, nor those after it: a run keeps 20 results") {
		t.Errorf("of 30 files %d are kept, %v first, and it says %q, want 20, first the one that is named", len(files), files[0], run["output"])
	}
}

// A file is passed on to a job that follows, by an equal name or another one; in a text it is its name.
func TestAFileIsPassedOn(t *testing.T) {
	s := start(t, fmt.Sprintf(`
jobs:
  scan: {exec: ["true", "{table}"], args: {table: {type: file}}, then: {run: [equal, {job: other, args: {list: "{table}", text: "of {table}"}}]}}
  equal: {exec: [cat, "{table}"], args: {table: {type: file}}}
  other: {exec: [sh, %q, "{list}", "{text}"], args: {list: {type: file}, text: {}}}
`, shell(t, `cat "$1"; echo " $2"`)))
	encoded := base64.StdEncoding.EncodeToString([]byte("content"))
	run := s.ended(of(s.json(202, "POST", runs, fmt.Sprintf(`{"args":{"table":{"name":"a.csv","data":%q}}}`, encoded)), "id"))
	for job, want := range map[string]string{"equal": "content\n", "other": "content of a.csv\n"} {
		var got object
		for end := time.Now().Add(10 * time.Second); got == nil || got["status"] != "succeeded"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("job %s after %v = %v, want it to succeed", job, run, got)
			}
			got, _ = s.json(200, "GET", "/api/v1/jobs/"+job, "")["last_run"].(object)
		}
		if got["output"] != want || len(got["files"].([]any)) != 1 {
			t.Errorf("job %s = %v, want it to print %q", job, got, want)
		}
	}
}

// A request has the file as its body, unchanged.
func TestAFileAsABody(t *testing.T) {
	var got atomic.Value
	u := newUpstream(t, "{}")
	u.does(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Store(r.Method + " " + r.Header.Get("Content-Type") + " " + string(body))
		fmt.Fprint(w, "{}")
	})
	s := start(t, fmt.Sprintf(`
upstreams: {u: {http: %q}}
jobs: {scan: {http: {upstream: u, method: PUT, body: "{f}"}, args: {f: {type: file}}}}
`, u.URL))
	body, media := fileForm(t, "f", "x.bin", "\x00{f}\xff")
	status, _, text := s.do("POST", runs, body, "Content-Type", media)
	if status != 202 {
		t.Fatalf("the start = %d %s", status, text)
	}
	run := s.ended(of(decode(t, []byte(text)), "id"))
	if want := "PUT application/octet-stream \x00{f}\xff"; run["status"] != "succeeded" || got.Load() != want {
		t.Errorf("the upstream got %q, and the run ended as %v, want %q", got.Load(), run, want)
	}
}

// A file that is larger than a message between replicas gets to the one that runs the job, wherever it was sent.
func TestReplicasHandLargeFilesOver(t *testing.T) {
	f := newFleet(t)
	const yaml = `
jobs:
  scan: {exec: [sha256sum, "{table}"], args: {table: {type: file, max_size: 8MB}}, on_busy: queue}
`
	all := []*member{f.join(yaml), f.join(yaml)}
	for i, m := range all {
		data := bytes.Repeat([]byte{byte(i), 7, 31}, 700_000)
		w := m.do("POST", runs, fmt.Sprintf(`{"args":{"table":{"name":"a.bin","data":%q}}}`, base64.StdEncoding.EncodeToString(data)))
		if w.Code != 202 {
			t.Fatalf("start %d = %d %s", i, w.Code, w.Body)
		}
		run := m.ended(of(decode(t, w.Body.Bytes()), "id"))
		if want := fmt.Sprintf("%x ", sha256.Sum256(data)); !strings.HasPrefix(of(run, "output"), want) {
			t.Errorf("the program got another file: %v, want %s", run, want)
		}
	}
	for _, m := range all {
		m.leave()
	}
}

// A start at one replica hands the file to the one that runs the job, and afterwards each has the files, also when that is gone.
func TestReplicasShareFiles(t *testing.T) {
	f := newFleet(t)
	yaml := reports(t, "")
	all := []*member{f.join(yaml), f.join(yaml)}
	encoded := base64.StdEncoding.EncodeToString([]byte("shared"))
	var ids []string
	for i, m := range all {
		w := m.do("POST", runs, fmt.Sprintf(`{"args":{"table":{"name":"%d.csv","data":%q}}}`, i, encoded))
		if w.Code != 202 {
			t.Fatalf("start at replica %d = %d %s", i, w.Code, w.Body)
		}
		run := decode(t, w.Body.Bytes())
		m.ended(of(run, "id"))
		ids = append(ids, of(run, "id"))
	}
	has := func(m *member) bool {
		for i, id := range ids {
			given := m.do("GET", fmt.Sprintf(filesOf, id, fmt.Sprint(i, ".csv")), "")
			left := m.do("GET", fmt.Sprintf(filesOf, id, "report.pdf"), "")
			if given.Code != 200 || given.Body.String() != "shared" || left.Code != 200 || left.Body.String() != "SHARED" {
				return false
			}
		}
		return true
	}
	await := func(what string, m *member) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !has(m); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not after a minute: %s", what)
			}
		}
	}
	for _, m := range all {
		await("the files at each replica", m)
	}
	gone, left := all[0], all[1]
	if all[1].RunsHere(ids[0]) {
		gone, left = all[1], all[0]
	}
	silent := f.drop(gone.ReplicaID())
	await("the files in the store", left)
	_, _ = f.Answer(gone.ReplicaID(), silent)
	gone.kill()
	come := f.join(yaml)
	await("the files after the death", left)
	await("the files at a new replica", come)
	left.leave()
	come.leave()
}
