package terminal

import (
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal is why nobody can be asked.
var ErrNoTerminal = errors.New("standard input is not a terminal")

// Is reports whether in is a terminal, at which somebody can be asked.
func Is(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// AskSecret asks for a secret with a prompt on w and reads it from in, of which nothing is shown from the prompt on. If in
// is not a terminal, the error is ErrNoTerminal; if the person presses Ctrl-C, it is [io.EOF].
func AskSecret(in io.Reader, w io.Writer, prompt string) (string, error) {
	if !Is(in) {
		return "", ErrNoTerminal
	}
	f := in.(*os.File)
	before, err := term.MakeRaw(int(f.Fd())) // before the prompt: a fast hand may answer at once
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(int(f.Fd()), before) }()
	return term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{f, w}, "").ReadPassword(prompt)
}
