package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/explore"
	regular "github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/terminal"
)

// exploreFlags are what is said on the command line, which nobody is asked.
type exploreFlags struct {
	name, title, show, unit, every, parse, split string
	picks                                        []string

	headers        []string
	bearer         string
	unix, ca       string
	insecure, link bool

	write string
	wait  time.Duration
	all   bool
	yes   bool
}

func exploreCommand() *cobra.Command {
	var f exploreFlags
	cmd := &cobra.Command{
		Use:   "explore URL | FILE | -- COMMAND [ARG...]",
		Short: "Show what answers there, and write the source that picks what you choose",
		Long: `Explore asks an address, reads a file or runs a program, and shows what answers: the status, the
format, how long it took, the certificate, and all that is in the value, each with the jq expression that
picks it. It asks twice, to show what moves. In a terminal you then choose what to pick; otherwise --pick
says that, or what moves is picked. If the answer has rows, such as the devices of a list, each can become a source
of its own, named by one of its fields: --split says by which.

What it writes is a source with its upstream, which was checked and polled once: on stdout, as a complete
configuration, or with --write in a file, in which everything else stays as it is, comments included. An
upstream of that file with the same address is used, with its credential.

Credentials are not written: what --bearer, a password in the address, or a header or parameter with a
name such as X-Api-Key has becomes a reference such as ${env:DEVICE_TOKEN}, and stderr says which variable
to set. Better name it yourself: --bearer '${env:WEATHER_TOKEN}'.`,
		Example: `  tidewire explore http://10.0.0.9/status
  tidewire explore https://api.example.com/v1/now?q=Perth --bearer '${env:WEATHER_TOKEN}' --write tidewire.yaml
  tidewire explore http://10.0.0.9/status --pick temp=.main.temp --pick 'hot=.main.temp > 80' --unit °C
  tidewire explore http://10.0.0.9/devices --split id --pick .temp
  tidewire explore /proc/loadavg
  tidewire explore -- df -P /`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			e := &explorer{
				exploreFlags: f, ctx: cmd.Context(), out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), file: usualConfig,
				args: args, isCommand: cmd.ArgsLenAtDash() == 0,
			}
			if len(f.picks) == 0 && !f.yes {
				e.ask = newPrompter(cmd.Context(), cmd.InOrStdin(), e.notes)
			}
			return e.explore()
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.picks, "pick", nil, "what to pick: `NAME=EXPRESSION`, or an expression of jq alone; of a page of HTML, a CSS selector. Repeatable")
	flags.StringVar(&f.name, "name", "", "the `name` of the source")
	flags.StringVar(&f.title, "title", "", "what people call it")
	flags.StringVar(&f.show, "show", "", "the `name` of the pick that is shown large")
	flags.StringVar(&f.unit, "unit", "", "its unit, such as °C")
	flags.StringVar(&f.every, "every", "", "how often to poll, such as 10s or 5m")
	flags.StringVar(&f.split, "split", "", "make a source of each row of the answer: the `field` that names a row, such as id")
	flags.StringVar(&f.parse, "parse", "", "the `format` of the answer, instead of the one that it seems to have")
	flags.StringArrayVar(&f.headers, "header", nil, "a `header` to send, as in 'X-Api-Key: ${env:KEY}'. Repeatable")
	flags.StringVar(&f.bearer, "bearer", "", "a `token` to send, as in '${env:TOKEN}'")
	flags.StringVar(&f.unix, "unix", "", "the Unix `socket` at which the server listens, such as /var/run/docker.sock")
	flags.StringVar(&f.ca, "ca", "", "a PEM `file` with the authority of the server's certificate")
	flags.BoolVar(&f.insecure, "insecure", false, "accept any certificate")
	flags.BoolVar(&f.link, "allow-link-local", false, "ask a device with a link-local address")
	flags.StringVar(&f.write, "write", "", "the `file` to write the source into; it is made if there is none")
	flags.DurationVar(&f.wait, "wait", 2*time.Second, "the `time` between the two requests that show what moves; 0: there is one")
	flags.BoolVar(&f.all, "all", false, "show everything, also what is long")
	flags.BoolVar(&f.yes, "yes", false, "ask nothing, also in a terminal")
	choices(cmd, "parse", config.Formats()...)
	return cmd
}

// An explorer explores one place.
type explorer struct {
	exploreFlags
	ctx        context.Context
	out, notes io.Writer
	ask        *prompter // nil: nobody is asked

	args      []string // what to explore
	asks      bool     // a credential is sent that the command line has
	isCommand bool

	file  string // the configuration that the source is for
	text  []byte // what that has; nil: there is none
	exist *config.Config

	draft   *explore.Draft
	secrets []explore.Secret
	isHTTP  bool

	value  any            // of the newest answer; of its first row, if it is split
	was    any            // value in the first answer
	leaves []explore.Leaf // in the first one
	moved  map[string]explore.Leaf
	row    string // the name of the first row, if it is split
}

func (e *explorer) explore() error {
	if err := e.openFile(); err != nil {
		return err
	}
	if err := e.target(e.args, e.isCommand); err != nil {
		return err
	}
	if err := e.look(); err != nil {
		return err
	}
	if err := e.splitRows(); err != nil {
		return err
	}
	if err := e.choose(); err != nil {
		return err
	}
	if err := e.describe(); err != nil {
		return err
	}
	return e.finish()
}

// openFile reads the configuration that the source is written into, if there is one.
func (e *explorer) openFile() error {
	if e.write == "" {
		e.exist = &config.Config{}
		return nil
	}
	e.file = e.write
	text, err := regular.Read(e.file, grammar.MaxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0:
		e.exist = &config.Config{}
		return nil
	case err != nil:
		return fmt.Errorf("read the configuration: %w", err)
	}
	cfg, problems := config.Load(e.file, text)
	if problems != nil {
		return problems
	}
	e.text, e.exist = text, cfg
	return nil
}

func (e *explorer) hasSource(name string) bool {
	return slices.ContainsFunc(e.exist.Sources, func(s *config.Source) bool { return s.Name == name })
}

func (e *explorer) hasUpstream(name string) bool {
	return slices.ContainsFunc(e.exist.Upstreams, func(u *config.Upstream) bool { return u.Name == name })
}

// poll polls a source of a configuration once, and returns its value as JSON.
func (e *explorer) poll(text []byte, name string) (json.RawMessage, error) {
	for _, s := range e.secrets {
		if err := os.Setenv(s.Variable, s.Value); err != nil {
			return nil, err
		}
	}
	cfg, problems := config.Load(e.file, text)
	if problems != nil {
		return nil, problems
	}
	return gateway.PollOnce(e.ctx, cfg, name, nil)
}

// finish checks the source by a poll, and writes it.
func (e *explorer) finish() error {
	text, err := e.draft.Write(e.text)
	if err != nil {
		return fmt.Errorf("%s: %w", e.file, err)
	}
	name := e.draft.Name
	if e.draft.Split != nil {
		name += "/" + e.row
	}
	var value any
	raw, err := e.poll(text, name)
	if err == nil {
		value, err = exactly(raw)
	}
	if err != nil {
		return fmt.Errorf("the source was not written, since it does not work: %w", err)
	}
	e.note("")
	for _, s := range e.secrets {
		e.note("the credential is not written: set the environment variable %s to it", s.Variable)
	}
	shown := explore.Leaf{Value: value}.Text()
	if e.write == "" || e.write == stdinConfig {
		e.note("%s is %s", name, safe(shown, 200))
		e.note("")
		_, err := e.out.Write(text)
		return err
	}
	if err := replaceFile(e.file, e.text, text); err != nil {
		return err
	}
	e.note("%s is %s, and is in %s", name, safe(shown, 200), e.file)
	e.note("run it with: tidewire serve %s", e.file)
	return nil
}

// note tells people something.
func (e *explorer) note(format string, args ...any) { fmt.Fprintf(e.notes, format+"\n", args...) }

// columns is how wide what people are told may be.
func (e *explorer) columns() int {
	if screen := terminal.Open(e.notes); screen != nil {
		columns, _ := screen.Size()
		return columns
	}
	return 100
}
