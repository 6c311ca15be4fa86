package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/certificate"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/listen"
	"github.com/tidewire/tidewire/internal/metrics"
	"github.com/tidewire/tidewire/internal/systemd"
)

// gcPercent is GOGC of a gateway, unless its environment sets another. Large answers come in bursts, and with Go's
// default of 100 they would leave as much garbage again: ci/hostile.sh took 152 MB with 100, and 122 MB with 50.
const gcPercent = 50

func serveCommand() *cobra.Command {
	var listen, format, level string
	var look time.Duration
	cmd := &cobra.Command{
		Use:   "serve [CONFIG]",
		Short: "Poll, run and serve a configuration",
		Long: `Serve polls the sources and runs the jobs of a configuration file, and serves both as a
page, a JSON API and event streams. The first line on stdout names the address; logs go
to stderr. It runs until it gets SIGINT or SIGTERM.

The configuration is reloaded when its file, or one that it includes or refers to, has changed,
and at SIGHUP. Whatever is unchanged keeps running. A configuration that is not valid changes
nothing: the log and the page say what is wrong.

CONFIG defaults to ./tidewire.yaml. "-" reads stdin, once.`,
		Example: `  tidewire serve tidewire.yaml
  tidewire serve --listen 127.0.0.1:0 tidewire.yaml
  tidewire serve --log-format json --log-level debug tidewire.yaml`,
		Args:              arguments(0, 1),
		ValidArgsFunction: completeConfig(nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := newLogger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return err
			}
			name, _, err := configFirst(cmd, args, 0)
			if err != nil {
				return err
			}
			cfg, files, err := openConfig(cmd, name)
			if err != nil {
				return err
			}
			hangup := make(chan os.Signal, 1) // further signals, before the first is taken, add nothing
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			return serve(cmd, cfg, listen, &gateway.Options{Logger: log, Files: files, Look: look, Reload: hangup}, nil)
		},
	}
	listenFlag(cmd, &listen)
	cmd.Flags().
		DurationVar(&look, "watch", 2*time.Second, "`interval` at which the files are checked for changes; 0 means never")
	cmd.Flags().StringVar(&format, "log-format", "text", "`format` of the log: text or json")
	cmd.Flags().
		StringVar(&level, "log-level", "info", "minimum `level` of the log: debug, info, warn or error; debug has a line for each request")
	choices(cmd, "log-format", "text", "json")
	choices(cmd, "log-level", "debug", "info", "warn", "error")
	return cmd
}

// newLogger returns a logger to w.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{}
	switch level {
	case "debug":
		options.Level = slog.LevelDebug
	case "info":
		options.Level = slog.LevelInfo
	case "warn":
		options.Level = slog.LevelWarn
	case "error":
		options.Level = slog.LevelError
	default:
		return nil, usageError(fmt.Sprintf("--log-level %s is not debug, info, warn or error", level))
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usageError(fmt.Sprintf("--log-format %s is not text or json", format))
}

// listenFlag adds --listen to a command.
func listenFlag(cmd *cobra.Command, listen *string) {
	cmd.Flags().
		StringVar(listen, "listen", "", "`address` to serve on instead of the configuration's: host:port, where port 0 picks a free one, or unix:PATH")
}

// serve runs cfg until the command's context ends. Once connections are accepted, it prints the address and then calls
// listening, unless that is nil.
func serve(cmd *cobra.Command, cfg *config.Config, address string, opts *gateway.Options, listening func()) error {
	scheme := "http"
	if cfg.TLS != nil {
		files, err := certificate.Open(cfg.TLS.Cert, cfg.TLS.Key, opts.Logger)
		if err != nil {
			return err
		}
		scheme, opts.TLS = "https", files.Config()
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := checkFileLimit(opts.Logger); err != nil {
		return err
	}
	ln, err := listenOn(cmd.Context(), cfg, address)
	if err != nil {
		return err
	}
	address = config.ListenAddress(ln.Addr())
	if _, isUnix := config.UnixPath(address); !isUnix {
		address = scheme + "://" + address
	}
	if err := observe(opts, "serving "+address); err != nil {
		ln.Close()
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "tidewire: listening on %s\n", address)
	if cfg.PublicURL != nil {
		fmt.Fprintf(cmd.OutOrStdout(), "tidewire: open %s\n", cfg.PublicURL)
	}
	if listening != nil {
		listening()
	}
	log := opts.Logger
	log.Info("started", "address", address, "sources", len(cfg.Sources), "jobs", len(cfg.Jobs), "version", version())
	if err = gateway.Run(cmd.Context(), cfg, ln, opts); err == nil {
		log.Info("stopped")
	}
	return err
}

// listenOn opens the listener for cfg: the socket passed by systemd, or else the given address, or else the
// configuration's.
func listenOn(ctx context.Context, cfg *config.Config, address string) (net.Listener, error) {
	ln, err := systemd.Listener()
	if err != nil {
		return nil, err
	}
	if ln != nil {
		if err := config.CheckListen(config.ListenAddress(ln.Addr()), cfg); err != nil {
			ln.Close()
			return nil, fmt.Errorf("serve the socket from systemd: %w", err)
		}
		return ln, nil
	}
	if address == "" {
		address = cfg.Listen
	}
	if err := config.CheckListen(address, cfg); err != nil {
		return nil, err
	}
	if path, ok := config.UnixPath(address); ok {
		return listen.Unix(ctx, path, listen.Socket(cfg.Socket))
	}
	if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
		return nil, fmt.Errorf("%w (another address can be given with --listen; port 0 picks a free one)", err)
	}
	return ln, nil
}

// observe sets up metrics and reports to systemd, which shows status while everything is in order.
func observe(opts *gateway.Options, status string) error {
	service, err := systemd.New()
	if err != nil {
		return err
	}
	counted := metrics.New(version())
	o := counted.Observer()
	var shown atomic.Value // the status as a string
	shown.Store(status)
	o.Ready, o.Stopping = func() { service.Ready(shown.Load().(string)) }, service.Stopping
	o.Reloading = func(begins bool) {
		if begins {
			service.Reloading()
		} else {
			service.Ready(shown.Load().(string))
		}
	}
	count := o.Reloaded
	o.Reloaded = func(err error) {
		count(err)
		shown.Store(status)
		if err != nil {
			shown.Store(status + " with the previous configuration; the new one was not loaded: " + err.Error())
		}
	}
	o.Alive, o.AliveEvery = service.Alive, service.Watchdog()/2
	opts.Observer, opts.Metrics, opts.Values = o, counted.Handler, metrics.Values
	return nil
}
