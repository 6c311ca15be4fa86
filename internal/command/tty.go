package command

import (
	"fmt"
	"os"

	"github.com/creack/pty"
)

// openTerminal returns the two ends of a terminal of ordinary size: output of the command to w can be read from r.
func openTerminal() (r, w *os.File, err error) {
	r, w, err = pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	_ = pty.Setsize(w, &pty.Winsize{Rows: 24, Cols: 120})
	return r, w, nil
}
