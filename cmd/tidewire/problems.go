package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
)

// The formats of check.
const (
	formatText   = "text"
	formatJSON   = "json"
	formatGitHub = "github"
)

// writeText writes each problem as a line that editors can follow, with an excerpt below.
func writeText(w io.Writer, problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintf(w, "%v\n%s\n", p, p.Excerpt())
	}
}

// writeWarnings is writeText for warnings.
func writeWarnings(w io.Writer, warnings config.Problems) {
	for _, p := range warnings {
		p.What = "warning: " + p.What
		writeText(w, config.Problems{p})
	}
}

// writeJSON writes problems as an array, which may be empty.
func writeJSON(w io.Writer, problems config.Problems) error {
	if problems == nil {
		problems = config.Problems{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode([]config.Problem(problems))
}

// Characters to escape in messages and properties of GitHub's workflow commands.
var (
	gitHubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	gitHubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// writeGitHub writes problems as workflow commands, which GitHub shows in the changed files.
func writeGitHub(w io.Writer, level string, problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d::%s\n", level, gitHubProperty.Replace(p.File), p.Line, p.Column,
			gitHubMessage.Replace(p.What+", "+p.Want))
	}
}
