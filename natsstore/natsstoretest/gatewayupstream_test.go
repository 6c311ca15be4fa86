package natsstoretest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// turn is how long the condition of an alert holds, and how long it does not: longer than a source may be left alone.
const turn = 45 * time.Second

// backend is what the sources and jobs of a chaos ask, and the receiver of its alerts. A source is /source/NAME, an HTTP job
// /job/NAME. The command of an exec job connects to exec, says what it is, prints what it is told, and lives as long as the
// connection.
type backend struct {
	log  *recorder
	http *httptest.Server
	exec net.Listener
	due  func(job, run string) // is told of runs that work

	mu     sync.Mutex          // guards the fields below
	asked  map[string]*request // in progress, by what is asked for
	firing map[string]bool     // whose condition holds, by the name of the source
	polls  map[string]int      // by the name of the source
}

// request is one in progress, or a command.
type request struct {
	conn net.Conn
	over chan struct{} // closed when the end is in the log
}

// connKey is that of the connection in the context of a request.
type connKey struct{}

func newBackend(t *testing.T, log *recorder) *backend {
	b := &backend{
		log: log, due: func(job, run string) {}, asked: map[string]*request{}, firing: map[string]bool{}, polls: map[string]int{},
	}
	b.http = httptest.NewUnstartedServer(b)
	b.http.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	b.http.Start()
	var err error
	if b.exec, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := b.exec.Accept()
			if err != nil {
				return
			}
			go b.command(conn)
		}
	}()
	t.Cleanup(func() {
		b.exec.Close()
		b.http.CloseClientConnections()
		b.http.Close()
	})
	return b
}

// begins puts the begin of a request into the log, and returns what puts its end there, with 0 if it was broken off. One that was
// broken off before has its end there first, also if nobody has noticed yet that its connection was closed.
func (b *backend) begins(conn net.Conn, begin record, end string) (over func(code int)) {
	mine := &request{conn: conn, over: make(chan struct{})}
	what := begin.What + begin.Name
	for {
		b.mu.Lock()
		before := b.asked[what]
		if before == nil || isOpen(before.conn) {
			break
		}
		b.mu.Unlock()
		<-before.over
	}
	defer b.mu.Unlock()
	begin.ID = b.log.id()
	b.asked[what] = mine
	b.log.add(begin)
	return func(code int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.asked[what] == mine {
			delete(b.asked, what)
		}
		b.log.add(record{What: end, ID: begin.ID, Code: code})
		close(mine.over)
	}
}

// place returns the place of the gateway that calls itself name.
func place(name string) string { return "g" + strings.TrimPrefix(name, "replica-") }

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	by, conn := place(r.Header.Get("X-Replica")), r.Context().Value(connKey{}).(net.Conn)
	switch kind {
	case "source":
		over := b.begins(conn, record{What: isPoll, By: by, Name: name}, isPolled)
		over(answerAfter(r.Context(), 5*time.Millisecond+time.Duration(part(name, 20))*time.Millisecond))
		fmt.Fprint(w, b.value(name))
	case "job":
		var args struct {
			N string `json:"n"`
		}
		_ = json.NewDecoder(r.Body).Decode(&args)
		_, _ = io.Copy(io.Discard, r.Body) // the server notices from now on when the client is gone
		over := b.begins(conn, record{What: isWork, By: by, Name: name, Key: args.N}, isWorked)
		over(answerAfter(r.Context(), taking(args.N)))
		fmt.Fprint(w, `{"done": true}`)
	case "told":
		b.told(r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// told puts what the receiver of alerts is told into the log.
func (b *backend) told(r *http.Request) {
	var message struct {
		ID     string `json:"id"`
		Alerts []struct {
			Source, State string
			Since         time.Time
		} `json:"alerts"`
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		return
	}
	for _, a := range message.Alerts {
		b.log.add(record{What: isTold, Name: a.Source, Status: a.State, Text: message.ID, Wall: new(a.Since)})
	}
}

// fires is what is added to the value of a source while the condition of its alert holds.
const fires = 1_000_000

// value returns the next value of a source: a number that grows, and with fires if the condition of its alert holds.
func (b *backend) value(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.polls[name]++
	if b.firing[name] {
		return fires + b.polls[name]
	}
	return b.polls[name]
}

// turns has the conditions of alerts begin and cease to hold until ctx ends.
func (b *backend) turns(ctx context.Context, names []string) {
	for n := 0; ; n++ {
		if !wait(ctx, turn/time.Duration(len(names))) {
			return
		}
		name := names[n%len(names)]
		b.mu.Lock()
		b.firing[name] = !b.firing[name]
		status := "resolved"
		if b.firing[name] {
			status = "firing"
		}
		b.log.add(record{What: isTurn, Name: name, Status: status})
		b.mu.Unlock()
	}
}

// command plays the upstream of the command of a run.
func (b *backend) command(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	said := strings.Split(strings.TrimSpace(line), " ") // job, run, replica, n
	if err != nil || len(said) < 3 {
		return
	}
	is := record{What: isWork, Name: said[0], Run: said[1], By: place(said[2])}
	if len(said) > 3 {
		is.Key = said[3]
	}
	b.due(is.Name, is.Run)
	over := b.begins(conn, is, isWorked)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel() // the command is dead
		_, _ = io.Copy(io.Discard, in)
	}()
	const steps = 4
	for i := range steps {
		if wait(ctx, taking(is.Run)/steps) {
			fmt.Fprintf(conn, "::progress %d step %d\n", (i+1)*100/steps, i+1)
		}
	}
	code := 0
	if part(is.Run, 20) == 0 {
		code = 1
	}
	if ctx.Err() != nil {
		over(0)
		return
	}
	over(http.StatusOK) // before it is told, as with answers: the gateway may go on before this has noticed the exit
	fmt.Fprintf(conn, "exit %d\n", code)
	<-ctx.Done()
}

// answerAfter waits, and returns the status of the answer, 0 if the client has gone.
func answerAfter(ctx context.Context, d time.Duration) int {
	if wait(ctx, d) {
		return http.StatusOK
	}
	return 0
}

// commandScript is what exec jobs run.
const commandScript = `exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 8
echo "$TIDEWIRE_JOB $TIDEWIRE_RUN $REPLICA $N" >&3
while read -r -u 3 line; do
	case $line in
	exit*) exit "${line#exit }" ;;
	*) echo "$line" ;;
	esac
done
exit 9
`

// taking is how long a run takes: of ten one some 10 s, the others less than a second.
func taking(of string) time.Duration {
	if part(of, 10) == 0 {
		return 8*time.Second + time.Duration(part(of, 4000))*time.Millisecond
	}
	return 100*time.Millisecond + time.Duration(part(of, 700))*time.Millisecond
}

// part returns a number below n that is always the same for a name.
func part(name string, n uint32) uint32 {
	h := fnv.New32a()
	io.WriteString(h, name)
	return (h.Sum32() * 2654435761 >> 8) % n
}

// wait waits, and reports whether ctx has not ended before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
