package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tidewire/tidewire/internal/terminal"
)

// A prompter asks somebody at a terminal.
type prompter struct {
	ctx   context.Context
	lines <-chan string // closed at the end of the input
	w     io.Writer
}

// newPrompter returns what asks on w and reads answers from in; nil if one of them is no terminal.
func newPrompter(ctx context.Context, in io.Reader, w io.Writer) *prompter {
	if !terminal.Is(in) || terminal.Open(w) == nil {
		return nil
	}
	lines := make(chan string)
	go func() { // it ends with the process: reading from a terminal cannot be interrupted
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return &prompter{ctx, lines, w}
}

// line asks once, and returns the answer, or what is usual if that is empty. The error says that somebody has left.
func (p *prompter) line(question, usual string) (string, error) {
	if usual != "" {
		question += " [" + usual + "]"
	}
	fmt.Fprintf(p.w, "%s: ", question)
	select {
	case line, ok := <-p.lines:
		if line = strings.TrimSpace(line); !ok {
			fmt.Fprintln(p.w)
			return "", exitStatus(exitInterrupted)
		}
		if line == "" {
			return usual, nil
		}
		return line, nil
	case <-p.ctx.Done():
		fmt.Fprintln(p.w)
		return "", exitStatus(exitInterrupted)
	}
}

// until asks for a value, whose present one is the usual one, until check is content. A nil check is.
func (p *prompter) until(question string, value *string, check func(string) error) error {
	for {
		line, err := p.line(question, *value)
		if err != nil {
			return err
		}
		if check != nil {
			if wrong := check(line); wrong != nil {
				fmt.Fprintf(p.w, "%s\n", harmless(wrong))
				continue
			}
		}
		*value = line
		return nil
	}
}
