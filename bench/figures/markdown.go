package figures

import (
	"fmt"
	"strings"
)

// Table writes rows as a table in Markdown, without the last line end. The first row is the head; the first column is
// text, the others are numbers.
func Table(rows [][]string) string {
	var lines []string
	for i, row := range rows {
		lines = append(lines, "| "+strings.Join(row, " | ")+" |")
		if i == 0 {
			lines = append(lines, "|---"+strings.Repeat("|--:", len(row)-1)+"|")
		}
	}
	return strings.Join(lines, "\n")
}

// BarTable writes bars as a table in Markdown, without the last line end. What is missed stands out.
func BarTable(bars []Bar) string {
	lines := []string{"| | bar | measured | |", "|---|---|---|---|"}
	for _, b := range bars {
		mark := b.Mark()
		if !b.Met {
			mark = "**" + mark + "**"
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", b.What, b.Want, b.Got, mark))
	}
	return strings.Join(lines, "\n")
}
