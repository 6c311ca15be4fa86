package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

// Completions are dropped after this time, because the shell waits for them.
const completionTimeout = 2 * time.Second

// choices completes the value of a flag with its valid words.
func choices(cmd *cobra.Command, flag string, words ...string) {
	_ = cmd.RegisterFlagCompletionFunc(
		flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp),
	) // cannot fail: the flag exists
}

// completeConfig completes CONFIG, and the arguments after it with the results of more, if that is not nil.
func completeConfig(more func(cfg *config.Config) []cobra.Completion) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return []cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		case len(args) > 1 || more == nil:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, _, err := config.Open(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return more(cfg), cobra.ShellCompDirectiveNoFileComp
	}
}

// sourceNames returns the sources of a configuration with their titles.
func sourceNames(cfg *config.Config) (names []cobra.Completion) {
	for _, s := range cfg.Sources {
		names = append(names, described(s.Name, s.Title))
	}
	return names
}

// configured returns the sources and jobs of a configuration.
func configured(cfg *config.Config) []cobra.Completion {
	names := sourceNames(cfg)
	for _, j := range cfg.Jobs {
		names = append(names, described(j.Name, j.Title))
	}
	return names
}

// described returns a completion, with the title if that differs from the name.
func described(name, title string) cobra.Completion {
	if title == name {
		return name
	}
	return cobra.CompletionWithDesc(name, text.Line(title))
}

// completeJob completes JOB and ARG=VALUE from the jobs of the gateway.
func completeJob(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list wire.Jobs
	address, _ := cmd.Flags().GetString("url")
	if !ask(cmd, address, &list, "jobs") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, job := range list.Jobs {
		switch {
		case len(args) == 0:
			found = append(found, described(job.Name, job.Title))
		case job.Name != args[0]:
		default:
			for _, arg := range job.Args {
				if given(args[1:], arg.Name) {
					continue
				}
				found = append(found, described(arg.Name+"=", arg.Title))
				for _, value := range arg.Values {
					if strings.HasPrefix(begun, arg.Name+"=") {
						found = append(found, arg.Name+"="+value)
					}
				}
			}
		}
	}
	if len(args) > 0 { // the value follows
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeJobName completes JOB alone.
func completeJobName(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeJob(cmd, nil, begun)
}

// completeRun completes RUN with the newest runs, those of a job if there is one.
func completeRun(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	isOutput := cmd.Name() == "output"
	var list wire.Runs
	address, _ := cmd.Flags().GetString("url")
	path := []string{"runs"}
	if !isOutput && len(args) > 0 {
		path = []string{"jobs", args[0], "runs"}
	}
	if isOutput && len(args) > 0 || !ask(cmd, address, &list, path...) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, run := range list.Runs {
		about := fmt.Sprintf("%s %s %s", run.Job, run.Status, run.CreatedAt.Local().Format(time.DateTime))
		found = append(found, cobra.CompletionWithDesc(text.Line(run.ID), text.Line(about)))
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// given reports whether the argument with the given name is among args.
func given(args []string, name string) bool {
	for _, arg := range args {
		if strings.HasPrefix(arg, name+"=") {
			return true
		}
	}
	return false
}

// completeSource completes the sources for watch, from the gateway that the first argument or the flag names.
func completeSource(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list wire.Sources
	address, _ := cmd.Flags().GetString("url")
	if len(args) > 0 && isAddress(args[0]) {
		address = args[0]
	}
	if !ask(cmd, address, &list, "sources") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, s := range list.Sources {
		found = append(found, described(s.Name, s.Title))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// ask gets the data for a completion from a gateway.
func ask(cmd *cobra.Command, address string, v any, path ...string) bool {
	tokenFile, _ := cmd.Flags().GetString("token-file")
	gw, err := newRemote(address, tokenFile)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	_, err = gw.get(ctx, v, path...)
	return err == nil
}
