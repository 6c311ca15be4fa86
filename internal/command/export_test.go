package command

// SplitLines gives the chunks of one output to the line splitter.
func SplitLines(max int, chunks ...[]byte) (got []string, tail string) {
	o := newOutput(&Command{MaxOutput: max, Stdout: func(l string) { got = append(got, l) }})
	for _, c := range chunks {
		o.write(chunk{data: c})
	}
	o.end()
	return got, string(o.tail.bytes())
}
