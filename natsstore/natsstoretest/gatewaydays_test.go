package natsstoretest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A badDay is a gateway on a server that troubles it.
type badDay struct {
	t       *testing.T
	server  *server
	up      *polled
	file    string // the configuration of the gateway
	gateway *gatewayProcess
	monitor int // a port of the server that tells how much it is asked
}

// newBadDay starts a server with something in its configuration, and writes that of a gateway, which has user in the
// address of the server.
func newBadDay(t *testing.T, config, user string) *badDay {
	t.Parallel()
	c, err := newCluster(0, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	d := &badDay{t: t, up: newPolled(t), monitor: freePort()}
	d.server = &server{name: "n1", program: serverPath, dir: c.dir, port: freePort(), without: strings.Contains(config, "jetstream")}
	c.servers = append(c.servers, d.server)
	if err := d.server.configure(d.also(config)); err != nil {
		t.Fatal(err)
	}
	d.start()
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: \"nats://%s%s\"}}\nupstreams:\n", user, d.server.addr())
	for i := range 6 {
		fmt.Fprintf(&b, "  u%d: {http: %q}\n", i, d.up.URL)
	}
	b.WriteString("sources:\n  large: {http: {upstream: u0, path: /large}, every: 500ms}\n")
	for i := range 6 {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: u%d, path: /s%d}, every: 500ms}\n", i, i, i)
	}
	b.WriteString("jobs:\n  j: {http: {upstream: u0, path: /quick/j, method: POST}, on_busy: queue, queue: 100}\n")
	d.file = filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(d.file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// also adds to a configuration of the server what the tests need.
func (d *badDay) also(config string) string {
	return fmt.Sprintf("http: 127.0.0.1:%d\n%s\n", d.monitor, config)
}

// start starts the server, and waits until it answers.
func (d *badDay) start() {
	d.t.Helper()
	if err := d.server.start(); err != nil {
		d.t.Fatal(err)
	}
	until(d.t, 30*time.Second, "the server has started", func() bool {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", d.monitor))
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// works waits until the gateway is ready, polls and starts runs, with that status of /readyz.
func (d *badDay) works(want string) {
	d.t.Helper()
	until(d.t, 90*time.Second, "the gateway is ready", func() bool {
		status, body := d.gateway.try("GET", "/readyz", "")
		return status == http.StatusOK && body["status"] == want
	})
	until(d.t, time.Minute, "a run starts", func() bool {
		status, _ := d.gateway.try("POST", "/api/v1/jobs/j/runs", "")
		return status == http.StatusAccepted
	})
	began := time.Now()
	until(d.t, time.Minute, "all sources are polled", func() bool {
		d.up.mu.Lock()
		defer d.up.mu.Unlock()
		for i := range 6 {
			all := d.up.asked[fmt.Sprint("/s", i)]
			if len(all) == 0 || !all[len(all)-1].from.After(began) {
				return false
			}
		}
		return true
	})
}

// says waits until the log has a text after its first bytes.
func (d *badDay) says(from int, text string) {
	d.t.Helper()
	until(d.t, time.Minute, "the log says "+text, func() bool { return strings.Contains(d.gateway.logs.String()[from:], text) })
}

// rests until the gateway has given up its work, as its lease is over.
func (d *badDay) rests(from int) {
	d.t.Helper()
	d.says(from, "the lease is lost")
	until(d.t, 30*time.Second, "the gateway is not ready", func() bool { return !d.gateway.isReady() })
	if live, _ := d.gateway.do("GET", "/livez", ""); live != http.StatusOK {
		d.t.Errorf("livez = %d", live)
	}
	if status, _ := d.gateway.do("GET", "/api/v1/sources/s3", ""); status != http.StatusOK {
		d.t.Errorf("the last value of a source = %d, want it shown", status)
	}
}

// isCalm checks what it costs that something is wrong, for some seconds: there is no busy loop, and the log has nothing
// again and again since its first bytes.
func (d *badDay) isCalm(from int) {
	d.t.Helper()
	const seconds = 5
	asked, connections := d.asked()
	cpu := cpuOf(d.gateway.cmd.Process.Pid)
	time.Sleep(seconds * time.Second)
	cpu = cpuOf(d.gateway.cmd.Process.Pid) - cpu
	askedNow, connectionsNow := d.asked()
	d.t.Logf("%v of a processor in %d s, %d messages, %d connections", cpu, seconds, askedNow-asked, connectionsNow-connections)
	if cpu > seconds*time.Second/5 {
		d.t.Errorf("the gateway needs %v of a processor in %d s", cpu, seconds)
	}
	if askedNow-asked > seconds*100 || connectionsNow-connections > seconds*4 {
		d.t.Errorf("the server gets %d messages and %d connections in %d s", askedNow-asked, connectionsNow-connections, seconds)
	}
	for text, n := range messages(d.gateway.logs.String()[from:]) {
		if n > 10 {
			d.t.Errorf("the log says %d times: %s", n, text)
		}
	}
}

// asked returns how many messages and connections the server has got, nothing if it does not run.
func (d *badDay) asked() (messages, connections int) {
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/varz", d.monitor))
	if err != nil {
		return 0, 0
	}
	defer answer.Body.Close()
	var varz struct {
		Messages    int `json:"in_msgs"`
		Connections int `json:"total_connections"`
	}
	_ = json.NewDecoder(answer.Body).Decode(&varz)
	return varz.Messages, varz.Connections
}

func (d *badDay) logged() int { return len(d.gateway.logs.String()) }

// streams calls f with what administers the streams of the server.
func (d *badDay) streams(f func(js jetstream.JetStream) error) {
	d.t.Helper()
	nc, err := nats.Connect(d.server.url())
	if err != nil {
		d.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		err = f(js)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// A password that is wrong at the start, and one that is taken away later.
func TestGatewayIsRefused(t *testing.T) {
	password := func(is string) string { return "authorization: {user: me, password: " + is + "}" }
	d := newBadDay(t, password("right"), "me:mine@")
	d.gateway = startGateway(t, d.file)
	d.says(0, "Authorization Violation")
	d.isCalm(0)
	if status, body := d.gateway.do("GET", "/readyz", ""); status != 503 || body["store"] != "failing" {
		t.Errorf("readyz = %d %v", status, body)
	}
	d.server.reload(t, d.also(password("mine")))
	d.works("ok")
	from := d.logged()
	d.server.reload(t, d.also(password("another")))
	d.says(from, "Authorization Violation")
	d.rests(from)
	d.isCalm(from)
	d.server.reload(t, d.also(password("mine")))
	d.works("ok")
	if strings.Contains(d.gateway.logs.String(), "mine") {
		t.Error("the log has the password")
	}
}

// Without the permission to ask each other, replicas work, and say what they lack.
func TestGatewayLacksAPermission(t *testing.T) {
	user := func(more string) string {
		return `authorization: {users: [{user: me, password: mine, permissions: {publish: ["tidewire.store.>", ` +
			`"$JS.API.STREAM.INFO.tidewire", "$JS.API.STREAM.CREATE.tidewire", "$JS.API.STREAM.MSG.GET.tidewire", ` +
			`"$JS.API.DIRECT.GET.tidewire"` + more + `], subscribe: ["tidewire.live.>", "_INBOX.>"` + more + `]}}]}`
	}
	d := newBadDay(t, user(""), "me:mine@")
	d.gateway = startGateway(t, d.file)
	d.says(0, `Permissions Violation for Subscription to \"tidewire.ask.`)
	d.works("degraded")
	d.isCalm(0)
	d.server.reload(t, d.also(user(`, "tidewire.ask.>"`)))
	d.works("ok")
}

// A stream of that name which something else has made is left alone.
func TestGatewayFindsAnotherStream(t *testing.T) {
	d := newBadDay(t, "", "")
	d.streams(func(js jetstream.JetStream) error {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "tidewire", Subjects: []string{"x"}})
		return err
	})
	d.gateway = startGateway(t, d.file)
	d.says(0, "the stream tidewire is not one that this package made")
	d.isCalm(0)
	d.streams(func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), "tidewire") })
	d.works("ok")
}

// A server that is too old ends a gateway that starts, and takes the work from one that runs.
func TestGatewayFindsAnOldServer(t *testing.T) {
	const sentence = "server old has version 2.9.10: entries that expire need nats-server 2.11 or newer"
	d := newBadDay(t, "", "")
	d.gateway = startGateway(t, d.file)
	d.works("ok")
	from := d.logged()
	d.server.stop()
	isOver := pretend(t, d.server.addr(), "2.9.10")
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "serve", d.file, "--listen", "127.0.0.1:0").CombinedOutput(); err == nil || !strings.Contains(string(out), sentence) {
		t.Errorf("a gateway that starts says %v %s", err, out)
	}
	d.says(from, sentence)
	d.rests(from)
	d.isCalm(from)
	isOver()
	d.start()
	d.works("ok")
}

// pretend listens at an address like a server of a version, and does no more, until isOver is called.
func pretend(t *testing.T, addr, version string) (isOver func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				<-stop
				conn.Close()
			}()
			go func() {
				fmt.Fprintf(conn, "INFO {\"server_id\":\"X\",\"server_name\":\"old\",\"version\":%q,\"max_payload\":1048576,\"headers\":true,\"proto\":1}\r\n", version)
				for in := bufio.NewScanner(conn); in.Scan(); {
					if strings.HasPrefix(in.Text(), "PING") {
						fmt.Fprint(conn, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return func() {
		l.Close()
		close(stop)
		<-ended
	}
}

// What servers cannot store, because others have taken the room, is said, and goes on when there is room.
func TestGatewayFindsNoRoom(t *testing.T) {
	d := newBadDay(t, fmt.Sprintf("jetstream: {store_dir: %q, max_file_store: 300KB}", t.TempDir()), "")
	d.gateway = startGateway(t, d.file)
	d.works("ok")
	from := d.logged()
	d.streams(func(js jetstream.JetStream) error {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"x"}})
		for range 40 {
			if _, failed := js.Publish(t.Context(), "x", make([]byte, 10_000)); failed != nil {
				break // it is full
			}
		}
		return err
	})
	d.says(from, "insufficient resources")
	d.rests(from)
	d.isCalm(from)
	d.streams(func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), "other") })
	d.works("ok")
}

// A server whose disk was full stores nothing until it is started again. It needs the right to mount a file system.
func TestGatewayFindsAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("there is no small file system: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	d := newBadDay(t, fmt.Sprintf("jetstream: {store_dir: %q}", dir), "")
	d.gateway = startGateway(t, d.file)
	d.works("ok")
	from, big := d.logged(), filepath.Join(dir, "big")
	_ = os.WriteFile(big, make([]byte, 4<<20), 0o600) // as far as there is room
	d.rests(from)
	d.isCalm(from)
	if err := os.Remove(big); err != nil {
		t.Fatal(err)
	}
	d.server.stop()
	d.start()
	d.works("ok")
}

// A value that is larger than an entry can be is the failure of its source, and nobody else's.
func TestGatewayGetsALargeValue(t *testing.T) {
	d := newBadDay(t, "", "")
	d.gateway = startGateway(t, d.file)
	d.works("ok")
	const want = "the value has 2097154 bytes as JSON, and the store takes at most 1015808"
	until(t, time.Minute, "the source fails", func() bool {
		_, got := d.gateway.do("GET", "/api/v1/sources/large", "")
		text, _ := got["error"].(string)
		return got["state"] == "failing" && strings.Contains(text, want)
	})
	d.isCalm(0)
}
