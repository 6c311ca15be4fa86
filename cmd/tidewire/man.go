package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand is for makers of packages.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages",
		Long:    "Man writes a manual page for tidewire and one for each of its commands into a directory.",
		Example: "  tidewire man /usr/local/share/man/man1",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			for _, c := range pagesOf(cmd.Root()) {
				name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(manPage(c)), 0o666); err != nil {
					return fmt.Errorf("write the manual: %w", err)
				}
			}
			return nil
		},
	}
}

// pagesOf returns a command and those below it, which have a page each.
func pagesOf(c *cobra.Command) []*cobra.Command {
	pages := []*cobra.Command{c}
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && below.Name() != "completion" { // its help is about shells
			pages = append(pages, pagesOf(below)...)
		}
	}
	return pages
}

// manPage returns the manual page of a command in the macros of man(7). It takes little code: cobra's own generator
// goes via Markdown, with two more modules.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	section := func(name string) { fmt.Fprintf(&b, ".SH %s\n", name) }
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"tidewire\" \"Tidewire\"\n", strings.ToUpper(roff(name)))
	section("NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(name), roff(c.Short))
	section("SYNOPSIS")
	use := c.UseLine()
	if !c.Runnable() {
		use = c.CommandPath() + " COMMAND"
	}
	fmt.Fprintf(&b, ".B %s\n", roff(use))
	if c.Long != "" {
		section("DESCRIPTION")
		b.WriteString(strings.ReplaceAll(roff(c.Long), "\n\n", "\n.PP\n") + "\n")
	}
	if !c.Runnable() {
		section("COMMANDS")
		for _, page := range pagesOf(c)[1:] {
			if page.Parent() != c {
				continue
			}
			fmt.Fprintf(
				&b, ".TP\n.BR %s (1)\n%s\n", roff(strings.ReplaceAll(page.CommandPath(), " ", "-")), roff(page.Short),
			)
		}
	}
	if c.Flags().HasAvailableFlags() {
		section("OPTIONS")
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			option := "--" + f.Name
			if f.Shorthand != "" {
				option = "-" + f.Shorthand + ", " + option
			}
			if value != "" {
				option += " " + value
			}
			if f.DefValue != "" && f.DefValue != "false" {
				usage += fmt.Sprintf(" (default %s)", f.DefValue)
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(option), roff(usage))
		})
	}
	if c.Example != "" {
		section("EXAMPLES")
		fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(c.Example))
	}
	if c.HasParent() {
		section("SEE ALSO")
		b.WriteString(".BR tidewire (1)\n")
	}
	return b.String()
}

// roff returns s escaped for man(7): nothing in it is a request, an escape or a hyphen instead of a minus.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
