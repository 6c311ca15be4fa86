//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"time"
)

// job is one measurement: a workload on a subject, in a process of its own with readers in a second one.
type job struct {
	Workload, Subject string
	N                 int           // streams, or topics
	Time              time.Duration // of the window
	Patience          time.Duration // for others to become quiet
}

// measured is the outcome of a job.
type measured struct {
	Job    job
	Error  string             // why there are no values
	Values map[string]float64 // by name, which ends in the unit
	Series []point            // over time, in seconds
	Others float64            // cores that other processes took in the window
}

type point struct{ X, Y float64 }

// spare is what a job may take beyond its window and patience, connecting included.
const spare = 60 * time.Second

// run has j done by a process of its own.
func (j job) run(ctx context.Context) measured {
	ctx, cancel := context.WithTimeout(ctx, 3*j.Time+j.Patience+spare)
	defer cancel()
	failed := func(err error) measured { return measured{Job: j, Error: err.Error()} }
	text, err := json.Marshal(j)
	if err != nil {
		return failed(err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "job", string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // its end tells the job that this process is gone
	if err != nil {
		return failed(err)
	}
	defer in.Close()
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return failed(err)
	}
	var m measured
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		return failed(err)
	}
	return m
}

// jobMain does the job that the argument describes.
func jobMain(text string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	do, ok := workloads[j.Workload]
	if !ok {
		return fmt.Errorf("no workload %q", j.Workload)
	}
	b := &bench{
		job: j, out: measured{Job: j, Values: map[string]float64{}}, over: clearText, cpu: cpuTime, memory: settledMemory,
	}
	ctx, cancel := context.WithCancel(context.Background())
	err := do(ctx, b)
	cancel()
	if b.readers != nil {
		b.readers.stop()
	}
	if err != nil {
		b.out.Error = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(b.out)
}

// workloads are what a job can be.
var workloads = map[string]func(context.Context, *bench) error{
	"memory":  memoryOfStreams,
	"paced":   paced,
	"floor":   floor,
	"flat":    flatOut,
	"stall":   stall,
	"slow":    slowReader,
	"last":    lastValue,
	"h2":      idleHTTP2,
	"jobs":    idleJobs,
	"topics":  idleTopics,
	"publish": publishCost,

	"paced-100k": pacedAt(100_000),
	"paced-150k": pacedAt(150_000),
	"floor-100k": floorAt(100_000),

	"memory-tls":   carriedBy(secure, memoryOfStreams),
	"memory-h2-50": carriedBy(manyEach, memoryOfStreams),
	"memory-h2-6":  carriedBy(fewEach, memoryOfStreams),
	"paced-tls":    carriedBy(secure, paced),
	"paced-h2-50":  carriedBy(manyEach, paced),
	"paced-h2-6":   carriedBy(fewEach, paced),

	"deploy": deploy,

	"topics-one":  manyTopics(topicsPlans["topics-one"]),
	"topics-same": manyTopics(topicsPlans["topics-same"]),
	"topics-sets": manyTopics(topicsPlans["topics-sets"]),
	"topics-fast": manyTopics(topicsPlans["topics-fast"]),
	"pause-none":  manyTopics(topicsPlans["pause-none"]),
	"pause-0s":    manyTopics(topicsPlans["pause-0s"]),
	"pause-1s":    manyTopics(topicsPlans["pause-1s"]),
}

// carriedBy is a workload whose streams are not carried by HTTP/1.1 in clear text.
func carriedBy(o over, do func(context.Context, *bench) error) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error {
		b.over = o
		return do(ctx, b)
	}
}

// bench is a job under way.
type bench struct {
	job     job
	out     measured
	over    over
	readers *second
	port    int
	publish func(data []byte)
	n       int // of the next snapshot

	// What is measured of the subject: this process, unless it has some of its own.
	cpu    func() time.Duration
	memory func() memory
	pids   []int
}

// start starts the subject and the readers.
func (b *bench) start(ctx context.Context, o subjectOptions) error {
	if b.job.Subject == nchanName {
		n, err := startNginx()
		if err != nil {
			return err
		}
		b.cpu, b.memory, b.pids = n.cpu, n.memory, n.workers
		return b.startReaders(n.port, n.publish)
	}
	l, publish, err := subjectOf(b.job.Subject).serve(ctx, o, b.over)
	if err != nil {
		return err
	}
	return b.startReaders(portOf(l), publish)
}

func (b *bench) startReaders(port int, publish func([]byte)) (err error) {
	b.port, b.publish = port, publish
	if b.readers, err = startSecond(); err == nil {
		b.pids = append(b.pids, b.readers.cmd.Process.Pid)
	}
	return err
}

// connect opens n streams.
func (b *bench) connect(n int, k kind, receiveBuffer int) error {
	_, err := b.readers.do(order{
		Do: "connect", Port: b.port, Path: path, N: n, Kind: k, ReceiveBuffer: receiveBuffer, Over: b.over,
	})
	return err
}

// send publishes the next snapshot, and returns how long that took.
func (b *bench) send() time.Duration {
	began := time.Now()
	b.publish(encode(b.n))
	b.n++
	return time.Since(began)
}

// reach publishes until n streams got something; then a window can begin.
func (b *bench) reach(n int) error {
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		b.send()
		for range 10 {
			c, err := b.readers.do(order{Do: "count"})
			if err != nil {
				return err
			}
			if c.Reached == n {
				return nil
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return errors.New("a publish does not reach all streams within 20 s")
}

// window waits for quiet, rests, and has the counts begin anew.
func (b *bench) window(ages bool) (*others, error) {
	waitForQuiet(b.job.Patience, b.pids...)
	if _, err := b.readers.rest(); err != nil {
		return nil, err
	}
	_, err := b.readers.do(order{Do: "begin", Ages: ages})
	return watchOthers(b.pids...), err
}

// publishing sums up the calls of publish in a window.
type publishing struct {
	calls int
	sum   time.Duration
	most  time.Duration
}

func (p *publishing) add(took time.Duration) {
	p.calls++
	p.sum += took
	p.most = max(p.most, took)
}

func (p *publishing) mean() time.Duration { return p.sum / time.Duration(max(1, p.calls)) }

// pace publishes hz times a second for d, at absolute times, so that it does not drift.
func (b *bench) pace(hz float64, d time.Duration, each func(time.Duration)) {
	began := time.Now()
	for i := range int(math.Ceil(hz * d.Seconds())) {
		time.Sleep(time.Until(began.Add(time.Duration(float64(i) / hz * float64(time.Second)))))
		each(b.send())
	}
}

// report keeps a value.
func (b *bench) report(name string, v float64) { b.out.Values[name] = v }

func (b *bench) reportAges(c counts) {
	b.report("p50-ms", c.P50)
	b.report("p99-ms", c.P99)
	b.report("max-ms", c.Max)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
