package view

import (
	"net/url"
	"slices"

	"github.com/tidewire/tidewire/internal/wire"
)

// A FileRow is a file that is kept with a run.
type FileRow struct {
	Name, Path string // Path is the last segment of its address
	Size       string
	Arg        string // the argument that it was given for, for people; empty: the run has left it
}

// FileRows returns the files of a run, those first that it has left.
func FileRows(files []wire.File, args wire.Args) (rows []FileRow) {
	for _, given := range []bool{false, true} {
		for _, f := range files {
			if given != (f.Arg != "") {
				continue
			}
			row := FileRow{Name: f.Name, Path: url.PathEscape(f.Name), Size: Size(f.Size)}
			if given {
				row.Arg = ArgLabel(wire.Arg{Name: f.Arg})
				if i := slices.IndexFunc(args, func(a wire.Arg) bool { return a.Name == f.Arg }); i >= 0 {
					row.Arg = ArgLabel(args[i])
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}
