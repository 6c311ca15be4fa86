package demo

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"sync"
	"text/template"
	"time"
)

// Options are the settings of [Start]. The zero value is the default.
type Options struct {
	// Executable is the program to run with the subcommands of [Commands].
	// Empty means [os.Executable].
	Executable string

	// DevicePort is the first port that is tried for the devices; if it is taken,
	// others follow in steps of 300. Zero means the constant [DevicePort].
	DevicePort uint16

	// RestartDelay is how long an upstream that died stays down. Zero means 10 s.
	RestartDelay time.Duration

	// Logger gets a record when an upstream dies or is back. Nil discards them.
	Logger *slog.Logger
}

// A Demo is a set of running upstreams. Its methods may be called from any
// goroutine. Each process has a goroutine that keeps it running; all end with
// Close, or with the context that Start was given.
type Demo struct {
	exe       string
	layout    layout
	processes []*process
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// An Upstream is a process of the demo.
type Upstream struct {
	Name string // north, coast, valley, plant or devices
	URL  string // http://HOST:PORT, the same for the whole life of the demo; of devices: the first one
	PID  int    // 0 while it is not running
}

// portAttempts is how many ports are tried for the devices, so that several
// demos run on one machine.
const portAttempts = 20

// Start starts the demo's upstreams and returns once all have announced their addresses. They run until Close is called
// or ctx ends. If one cannot be started, the others are ended, and the error names it and the reason.
func Start(ctx context.Context, opts *Options) (*Demo, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Executable == "" {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		o.Executable = exe
	}
	o.DevicePort = cmp.Or(o.DevicePort, DevicePort)
	o.RestartDelay = cmp.Or(o.RestartDelay, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	ctx, cancel := context.WithCancel(ctx)
	d := &Demo{exe: o.Executable, cancel: cancel}
	err := d.startServices(ctx, o)
	if err == nil {
		err = d.startDevices(ctx, o)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("demo: %w", err)
	}
	return d, nil
}

// startServices starts the upstreams that are polled, all at once.
func (d *Demo) startServices(ctx context.Context, o Options) error {
	var pending []<-chan error
	for _, name := range serviceNames {
		p := newProcess(name, o, func(addr string) []string {
			return []string{"upstream", "--until-eof", "--listen", cmp.Or(addr, "127.0.0.1:0"), name}
		})
		d.processes = append(d.processes, p)
		pending = append(pending, d.keep(ctx, p))
	}
	var errs []error
	for _, ready := range pending {
		errs = append(errs, <-ready)
	}
	return errors.Join(errs...)
}

// startDevices starts the devices on the first port that is free on all of their addresses.
func (d *Demo) startDevices(ctx context.Context, o Options) error {
	const step = 300 // more than the ports of one layout, so that a scan finds one demo's devices
	port := o.DevicePort
	for attempt := 1; ; attempt++ {
		d.layout = newLayout(runtime.GOOS, port)
		args := []string{"device", "--until-eof"}
		for _, host := range hosts {
			args = append(args, d.layout.address(host).String())
		}
		p := newProcess("devices", o, func(string) []string { return args })
		err := <-d.keep(ctx, p)
		if err == nil {
			d.processes = append(d.processes, p)
			return nil
		}
		if attempt == portAttempts || ctx.Err() != nil || port > math.MaxUint16-2*step {
			return err
		}
		port += step
	}
}

// keep keeps p running until ctx ends. The channel gets the result of the first start.
func (d *Demo) keep(ctx context.Context, p *process) <-chan error {
	ready := make(chan error, 1)
	d.running.Go(func() { p.supervise(ctx, func(err error) { ready <- err }) })
	return ready
}

// Close ends the processes and returns when all are gone, within about 2 s at worst. Further calls do nothing.
func (d *Demo) Close() {
	d.cancel()
	d.running.Wait()
}

// Upstreams returns the demo's processes, always in the same order.
func (d *Demo) Upstreams() []Upstream {
	var ups []Upstream
	for _, p := range d.processes {
		url, pid := p.status()
		ups = append(ups, Upstream{p.name, url, pid})
	}
	return ups
}

// SpareDevice returns the address of a device that does not exist yet. The subcommand `device` with that address adds
// it, and the next scan finds it.
func (d *Demo) SpareDevice() string { return d.layout.address(spareHost).String() }

//go:embed tidewire.yaml.tmpl
var configText string

var configTemplate = template.Must(
	template.New("tidewire.yaml").Funcs(template.FuncMap{"quote": quote}).Parse(configText))

// Config returns the configuration that polls the demo's upstreams: the text of a configuration file for `tidewire
// serve`, without `listen`.
func (d *Demo) Config() []byte {
	data := struct {
		URL           map[string]string
		Executable    string
		Subnet, Ports string
		Linux         bool
	}{map[string]string{}, d.exe, d.layout.subnet, d.layout.ports(), runtime.GOOS == "linux"}
	for _, u := range d.Upstreams() {
		data.URL[u.Name] = u.URL
	}
	var b bytes.Buffer
	if err := configTemplate.Execute(&b, data); err != nil {
		panic(fmt.Sprintf("demo: the configuration's template: %v", err))
	}
	return b.Bytes()
}

// quote returns s as a YAML scalar; every JSON string is one (YAML 1.2, 1.3).
func quote(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}
