package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// Explain returns the values in effect for a source or job of a configuration, which is given as to [Load], and where
// each value comes from: the source itself, the defaults, or the built-in ones. The values of its upstream follow. The
// order is that of the documentation. If a source and a job have the same name, it means the source; "job/NAME" is the
// job, "source/NAME" the source. A row has the values of the source that is split. The error is [Problems], or tells that there
// is neither.
func Explain(file string, data []byte, name string) ([]grammar.Setting, error) {
	r, root, c := read(file, data)
	if problems := r.Problems(maxProblems); problems != nil {
		return nil, problems
	}
	var known []string
	for _, s := range c.Sources {
		known = append(known, s.Name)
		of := strings.TrimPrefix(name, "source/")
		row, isRow := strings.CutPrefix(of, s.Name+"/")
		if name == s.Name || of == s.Name || isRow && s.Split != nil && row != "" && RowName(row) == row {
			return explainSource(s, root), nil
		}
	}
	for _, j := range c.Jobs {
		known = append(known, j.Name)
		if name == j.Name || name == "job/"+j.Name {
			return explainJob(j, root), nil
		}
	}
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	return nil, fmt.Errorf("%s has no source or job %s, %s",
		file, grammar.Quote(name), grammar.Suggest(name, "sources and jobs", known))
}

func explainSource(s *Source, root *grammar.Node) []grammar.Setting {
	keys := readerOf(s.Kind).sourceKeys(&sourceDraft{Source: &Source{}}, "")
	own, defaults := root.Get("sources").Get(s.Name), root.Get("defaults")
	builtIn := map[string]any{"title": s.Title}
	if s.Parse.Name != "" {
		builtIn["parse"] = s.Parse.Name
	}
	var all []grammar.Setting
	pace := len(keys) - len(paceKeys(&pace{})) // where the keys for polling begin
	for i, k := range keys {
		key := keys[i : i+1]
		switch {
		case k.Name() == "alert":
			if s.Alert != nil || own.Get("alert") != nil {
				all = append(all, grammar.Explain("", key, builtIn, own, defaults)...)
			}
		case k.Name() == "split" && s.Split == nil:
		case i < pace:
			all = append(all, grammar.Explain("", key, builtIn, own)...)
		case s.Polled():
			all = append(all, grammar.Explain("", key, builtIn, own, defaults)...)
		default: // only those that are written apply
			all = append(all, grammar.Explain("", key, nil, own)...)
		}
	}
	if s.Upstream != nil {
		all = append(all, explainUpstream(s.Upstream.Kind, s.Upstream.Name, s.Upstream.Spec, root)...)
	}
	return all
}

func explainJob(j *Job, root *grammar.Node) []grammar.Setting {
	own, defaults := root.Get("jobs").Get(j.Name), root.Get("defaults")
	keys := (&reader{}).jobKeys(newJobDraft(&Job{}), "")
	builtIn := map[string]any{"title": j.Title}
	var all []grammar.Setting
	for i, k := range keys {
		key := keys[i : i+1]
		switch {
		case k.Name() == "at":
			all = append(all, explainAt(j.At, key, own)...)
		case k.Name() != "alert":
			all = append(all, grammar.Explain("", key, builtIn, own)...)
		case j.Alert != nil || own.Get("alert") != nil:
			all = append(all, explainJobAlert(j.Alert, key, own, defaults)...)
		}
	}
	if j.HTTP != nil {
		all = append(all, explainUpstream(httpkind.Kind.Name, j.HTTP.Upstream.Name, j.HTTP.Upstream, root)...)
	}
	return all
}

// explainAt explains the timetable of a job, nil if it has none.
func explainAt(at *At, key grammar.Keys, own *grammar.Node) []grammar.Setting {
	if at == nil {
		return nil
	}
	return slices.DeleteFunc(grammar.Explain("", key, map[string]any{}, own), func(s grammar.Setting) bool {
		return s.Key == "at.catch_up" && at.CatchUp == 0 && own.Get("at").Get("catch_up") == nil // it is @every
	})
}

// explainJobAlert explains the alert of a job, nil if it has none.
func explainJobAlert(a *JobAlert, key grammar.Keys, own, defaults *grammar.Node) []grammar.Setting {
	builtIn := map[string]any{}
	if a != nil {
		words := make([]string, len(a.On))
		for i, reason := range a.On {
			words[i] = string(reason)
		}
		builtIn["alert.on"] = "[" + strings.Join(words, ", ") + "]"
	}
	return slices.DeleteFunc(grammar.Explain("", key, builtIn, own, defaults), func(s grammar.Setting) bool {
		return s.Key == "alert.slow_after" && a != nil && a.SlowAfter == 0 // that of defaults, where on lacks slow
	})
}

func explainUpstream(of, name string, spec kind.Upstream, root *grammar.Node) []grammar.Setting {
	builtIn := map[string]any{}
	if u, ok := spec.(*httpkind.Upstream); ok {
		builtIn["upstreams."+name+".keep_alive"] = u.KeepAlive
	}
	keys := readerOf(of).upstreamKeys(newUpstreamDraft(name), "")
	return grammar.Explain("upstreams."+name+".", keys, builtIn, root.Get("upstreams").Get(name))
}

// readerOf returns a reader that knows one kind alone, since what is built in for others does not apply.
func readerOf(name string) *fileReader {
	r := newFileReader()
	r.kinds = slices.DeleteFunc(slices.Clone(r.kinds), func(k kind.Kind) bool { return k.Name != name })
	return r
}
