package command

import "strconv"

// SplitLines gives the chunks of one output to the line splitter.
func SplitLines(max int, chunks ...[]byte) (got []string, tail string) {
	o := newOutput(&Command{MaxOutput: max, Stdout: func(l string) { got = append(got, l) }})
	for _, c := range chunks {
		o.write(chunk{data: c})
	}
	o.end()
	return got, string(o.tail.bytes())
}

// Reports gives the chunks of one output to the reader of progress reports.
func Reports(chunks [][]byte) (got []string) {
	r := reports{emit: func(percent float64, known bool) {
		if known {
			got = append(got, strconv.FormatFloat(percent, 'f', -1, 64))
		} else {
			got = append(got, "-")
		}
	}}
	for _, c := range chunks {
		r.write(c)
	}
	return got
}
