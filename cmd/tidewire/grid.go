package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/terminal"
)

const (
	continued  = "  " // the beginning of lines that continue the row above
	minWrapped = 20   // columns, below which text on separate lines would be unreadable
)

// A grid is a table for people: rows of cells, of which the first is the headline. The last column is for errors.
type grid struct {
	cells   [][]string
	limits  []int                         // the most columns that each cell takes in a terminal
	painted int                           // the column that has a colour
	colour  func(row int) terminal.Colour // of the row, without the headline, in that column
}

// print writes the grid, as wide as the terminal if out is one.
func (g grid) print(out io.Writer) error {
	columns, screen := 0, terminal.Open(out)
	if screen != nil {
		columns, _ = screen.Size()
	}
	for _, line := range g.lines(screen, columns) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// lines returns the grid in the given number of columns; 0 means any number. An error that does not fit into its column
// gets separate lines below its row, since its end gives the cause.
func (g grid) lines(screen *terminal.Screen, columns int) []string {
	limits := g.limits
	if columns == 0 {
		columns, limits = math.MaxInt, slices.Repeat([]int{math.MaxInt}, len(limits))
	}
	widths := make([]int, len(limits))
	for _, row := range g.cells {
		for i, cell := range row {
			widths[i] = max(widths[i], min(terminal.Width(cell), limits[i]))
		}
	}
	var lines []string
	for n, row := range g.cells {
		room, colour := columns, terminal.Bold
		line, below := "", ""
		if n > 0 {
			colour = g.colour(n - 1)
		}
		for i, cell := range row {
			if i == len(row)-1 && terminal.Width(cell) > room && n > 0 && columns >= minWrapped {
				cell, below = "", cell
			}
			cell = terminal.Cut(cell, min(widths[i], room))
			room -= terminal.Width(cell)
			gap := min(widths[i]-terminal.Width(cell)+2, room)
			room -= gap
			if screen != nil && (n == 0 || i == g.painted) {
				cell = screen.Paint(colour, cell)
			}
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", gap)
			}
		}
		lines = append(lines, strings.TrimRight(line, " "))
		for _, part := range terminal.Wrap(below, columns-len(continued)) {
			lines = append(lines, continued+part)
		}
	}
	return lines
}
